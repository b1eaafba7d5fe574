"""The rows of a V2 index: one header, and an entry per tensor or slice.

Knows no file and no key. FORMAT 3.1, 3.2; TensorFlow
``core/protobuf/tensor_bundle.proto``.

An entry gives dtype, shape, shard, offset and size in bytes, and the masked crc of the bytes as
they lie. The entry of a partitioned tensor has only dtype, full shape and its slices.

A listing decodes every entry, and most begin alike: dtype and shape, the first two fields, are
decoded once for all entries that begin with the same bytes. Whatever is not written in the order
that TensorFlow writes goes to protobuf.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import prod
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.encoding.checksum import unmask
from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dtypes import require_readable
from tfckpt_reader.tensor.proto_fields import (
    MOST_ELEMENTS,
    all_extents,
    check_version,
    data_type,
    dims,
)
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import Run

_DTYPE, _SHAPE, _CRC = 0x08, 0x12, 0x35
"""Tags of the first two fields and of the last: number << 3 | wire type."""
_PLACE = (0x18, 0x20, 0x28)
"""Tags of shard_id, offset and size, in the order they are written."""
_CRC_SIZE = 5


@dataclass(frozen=True, slots=True)
class Header:
    """The row with the empty key."""

    num_shards: int
    """N in the names of the data files."""
    endianness: int = 0
    """1: numbers in the data files are big-endian. All else counts as little, as in TensorFlow."""
    present: bool = True
    """False if the index has no such row; then nothing tells the byte order."""

    @classmethod
    def decode(cls, value: bytes | memoryview) -> Header:
        """Parse the header row, and refuse what was written for newer readers only.

        Raises:
            UnsupportedError: it says that readers of version 1 cannot read the file.
            CorruptCheckpointError: it is no header.
        """
        header = parse("BundleHeader", value, ErrorKind.HEADER)
        check_version(header.version)
        return cls(header.num_shards, header.endianness)


class Entry(NamedTuple):
    """One row; a tuple, since a listing makes very many."""

    dtype: DataType
    shape: tuple[int, ...]
    shard: int
    offset: int
    """Bytes from the start of the shard."""
    nbytes: int
    """Bytes stored."""
    crc32c: int
    """Unmasked crc of the stored bytes."""
    slices: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Of a partitioned tensor, (start, length) per axis of each slice, as stored."""


def decode_entry(value: bytes | memoryview) -> Entry:
    """Decode one row.

    Raises:
        CorruptCheckpointError: it is no message, or its dtype or shape cannot be.
        UnsupportedError: it lists the same slices again and again.
    """
    middle, end = 4 + value[3] if len(value) > 4 + _CRC_SIZE else 0, len(value) - _CRC_SIZE
    if 4 <= middle <= end and value[1] | value[3] < 0x80 and value[end] == _CRC:
        place = _decode_place(value, middle, end)
        if place is not None and value[0] == _DTYPE and value[2] == _SHAPE:
            dtype, shape = _decode_head(bytes(value[:middle]))
            crc = int.from_bytes(value[end + 1 :], "little")
            return Entry(dtype, shape, *place, unmask(crc))
    entry = parse("BundleEntry", value)
    numbers = entry.shard_id, entry.offset, entry.size, unmask(entry.crc32c)
    return Entry(data_type(entry.dtype), dims(entry.shape), *numbers, all_extents(entry.slices))


@lru_cache(maxsize=1024)
def _decode_head(head: bytes) -> tuple[DataType, tuple[int, ...]]:
    """Decode dtype and shape, given just the bytes of those two fields."""
    entry = parse("BundleEntry", head)
    return data_type(entry.dtype), dims(entry.shape)


def _decode_place(value: bytes | memoryview, offset: int, end: int) -> tuple[int, int, int] | None:
    """Decode shard, offset and size if they, in this order, are all there is; else None."""
    found = [0, 0, 0]
    for i, tag in enumerate(_PLACE):
        if offset < end - 1 and value[offset] == tag:
            number, offset = value[offset + 1], offset + 2
            if number >= 0x80:
                try:
                    number, offset = decode_varint(value, offset - 1, end)
                except CorruptCheckpointError:
                    return None
            found[i] = number
    shard, begin, size = found
    if offset != end or shard >> 31 or begin >> 63 or size >> 63:
        return None
    return shard, begin, size


def require_possible(run: Run) -> None:
    """Refuse a type, a size or a place that nothing stored can have, whatever the files hold.

    Raises:
        CorruptCheckpointError: the numbers of its entry cannot be right.
        UnsupportedError: its dtype is not known.
    """
    dtype, shape, nbytes, shard, offset = run[1:6]  # attributes would take three times as long
    itemsize = dtype.itemsize
    if not itemsize:
        require_readable(dtype)
    elif nbytes != itemsize * prod(shape):
        wanted = count_of(itemsize * prod(shape), "byte")
        raise _bad_entry("size does not fit dtype and shape", wanted, nbytes)
    if 0 in shape and max(accumulate(shape, mul)) > MOST_ELEMENTS:
        # TensorFlow multiplies from the left, and ends the process where that goes too far.
        raise _bad_entry("shape goes beyond 2^63 before it comes to 0", "less", list(shape))
    if shard < 0 or offset < 0 or nbytes < 0:
        place = f"shard {shard}, offset {offset}, size {nbytes}"
        raise _bad_entry("place is negative", "numbers >= 0", place)


def _bad_entry(problem: str, expected: str, got: object) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        problem, kind=ErrorKind.ENTRY, structure="index entry", expected=expected, got=got
    )
