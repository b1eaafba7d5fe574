"""The rows of a V2 index: one header, and an entry per tensor or slice.

Knows no file and no key. FORMAT 3.1, 3.2; TensorFlow ``core/protobuf/tensor_bundle.proto``.

An entry gives dtype, shape, shard, offset and size in bytes, and the masked crc of the stored
bytes. The entry of a partitioned tensor has only dtype, full shape and its slices.

A listing decodes every entry, and most begin alike: dtype and shape, the first two fields, are
decoded once for all entries with the same first bytes. Rows as TensorFlow writes them are decoded
here, since loading protobuf takes longer than a small listing; all others are left to it.
"""

from __future__ import annotations

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
    MOST_AXES,
    MOST_ELEMENTS,
    all_extents,
    check_version,
    data_type,
    dims,
    possible,
    require_axes,
    touching,
)
from tfckpt_reader.tensor.spec import Segment
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from tfckpt_reader.tensor.dtypes import DataType

    Slices = tuple[tuple[tuple[int, int], ...], ...]

DTYPE, SHAPE, SHARD, OFFSET, SIZE, CRC = 0x08, 0x12, 0x18, 0x20, 0x28, 0x35
"""Tags of the fields of an entry, in the order they are written: number << 3 | wire type."""
CRC_SIZE = 5
"""Bytes of the last field."""
_PLACE = (SHARD, OFFSET, SIZE)
_DIM, _DIM_SIZE = 0x12, 0x08
"""Tags of an axis in a shape, and of its size."""
_NUM_SHARDS, _VERSION_1 = b"\x08", b"\x1a\x02\x08\x01"
"""Tag of the first field of a header; its others, of a little-endian file of version 1."""


class Header(NamedTuple):
    """The row with the empty key."""

    num_shards: int
    """N in the names of the data files."""
    endianness: int = 0
    """1: numbers in the data files are big-endian. Any other value counts as little-endian."""
    present: bool = True
    """False if the index has no header row; the byte order is then unknown."""

    @classmethod
    def decode(cls, value: bytes | memoryview) -> Header:
        """Parse the header row, and refuse a file written for newer readers only.

        Raises:
            UnsupportedError: the header excludes readers of version 1.
            CorruptCheckpointError: the row is no header.
        """
        if value[:1] == _NUM_SHARDS and value[2:] == _VERSION_1 and value[1] < 0x80:
            return cls(value[1])
        header = parse("BundleHeader", value, ErrorKind.HEADER)
        check_version(header.version)
        return cls(header.num_shards, header.endianness)


def decode_entry(
    name: str, value: bytes | memoryview, rows: slice | None = None
) -> tuple[Segment, Slices | None]:
    """Decode the row of a tensor or a slice.

    Args:
        name: The tensor.
        value: The row.
        rows: Leave out slices without any of these rows.

    Returns:
        Its segment, and of a partitioned tensor the (start, length) per axis of each slice, as
        stored; else None. A partitioned tensor's segment has only a dtype and a shape that mean
        anything.

    Raises:
        CorruptCheckpointError: the row is no message, or its dtype or shape is impossible.
        UnsupportedError: the row lists the same slices again and again.
    """
    middle, end = 4 + value[3] if len(value) > 4 + CRC_SIZE else 0, len(value) - CRC_SIZE
    if 4 <= middle <= end and value[1] | value[3] < 0x80 and value[end] == CRC:
        position = _decode_position(value, middle, end)
        if position is not None and value[0] == DTYPE and value[2] == SHAPE:
            dtype, shape = decode_head(bytes(value[:middle]))
            shard, offset, nbytes = position
            crc = unmask(int.from_bytes(value[end + 1 :], "little"))
            return Segment(name, dtype, shape, nbytes, shard, offset, crc), None
    entry = parse("BundleEntry", value)
    dtype, shape, crc = data_type(entry.dtype), dims(entry.shape), unmask(entry.crc32c)
    segment = Segment(name, dtype, shape, entry.size, entry.shard_id, entry.offset, crc)
    if not entry.slices:
        return segment, None
    if rows is None or not shape:
        return segment, all_extents(entry.slices)
    return segment, all_extents(touching(entry.slices, range(*rows.indices(shape[0]))))


@lru_cache(maxsize=1024)
def decode_head(head: bytes) -> tuple[DataType, tuple[int, ...]]:
    """Decode dtype and shape, given just the bytes of those two fields."""
    sizes = _plain_sizes(head)
    if sizes is not None:
        return data_type(head[1]), possible(sizes)
    entry = parse("BundleEntry", head)
    return data_type(entry.dtype), dims(entry.shape)


def _plain_sizes(head: bytes) -> tuple[int, ...] | None:
    """Return the sizes of a shape; None unless each axis is just its size, a 0 left out."""
    sizes, offset = [], 4
    try:
        while offset < len(head):
            first, end = offset + 2, offset + 2 + head[offset + 1]
            if head[offset] != _DIM or (first < end and head[first] != _DIM_SIZE):
                return None
            size, offset = decode_varint(head, first + 1, end) if first < end else (0, end)
            if offset != end or size >> 63:
                return None
            sizes.append(size)
    except (CorruptCheckpointError, IndexError):
        return None
    return tuple(sizes)


def _decode_position(
    value: bytes | memoryview, offset: int, end: int
) -> tuple[int, int, int] | None:
    """Return shard, offset and size; None unless the bytes are these three fields in order."""
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


def require_possible(segment: Segment) -> None:
    """Refuse a dtype, a size or a position that no stored segment can have.

    Raises:
        CorruptCheckpointError: the numbers of the entry cannot be right.
        UnsupportedError: its dtype is not known.
    """
    _, dtype, shape, nbytes, shard, offset, _ = segment
    itemsize = dtype.itemsize
    if len(shape) > MOST_AXES:
        require_axes(shape)
    if not itemsize:
        require_readable(dtype)
    elif nbytes != itemsize * prod(shape):
        wanted = count_of(itemsize * prod(shape), "byte")
        raise _bad_entry("size does not fit dtype and shape", wanted, nbytes)
    if 0 in shape and max(accumulate(shape, mul)) > MOST_ELEMENTS:
        # TensorFlow multiplies from the left, and aborts where the product overflows.
        raise _bad_entry(
            "shape is beyond 2^63 elements before its zero", "fewer elements", list(shape)
        )
    if shard < 0 or offset < 0 or nbytes < 0:
        position = f"shard {shard}, offset {offset}, size {nbytes}"
        raise _bad_entry("position is negative", "numbers >= 0", position)


def _bad_entry(problem: str, expected: str, got: object) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        problem, kind=ErrorKind.ENTRY, structure="index entry", expected=expected, got=got
    )
