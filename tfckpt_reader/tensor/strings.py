"""String tensors: their lengths, checksums and bytes."""

from __future__ import annotations

import struct
from array import array
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import decode_varint, encode_varint
from tfckpt_reader.errors import (
    CHECKSUM_ADVICE,
    ChecksumError,
    CorruptCheckpointError,
    TruncatedError,
)
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


_LENGTHS_AT_ONCE = 1 << 16
"""Of strings: as Python numbers, all of them would take more memory than the tensor."""


class StringLengths(NamedTuple):
    """The front part of a string tensor: how long each element is, and where the bytes begin."""

    lengths: array[int]
    """Bytes per element."""
    begin: int
    """Offset of the first string's bytes from the tensor's start."""
    crc: int
    """Crc so far: the lengths and their stored crc."""

    @property
    def end(self) -> int:
        """Offset behind the last string's bytes from the tensor's start."""
        return self.begin + sum(self.lengths)


def require_room(dtype: DataType, count: int, nbytes: int) -> None:
    """Refuse a count of strings or variants that no tensor of `nbytes` can hold.

    Raises:
        CorruptCheckpointError: the count is too large.
    """
    least = {DataType.STRING: 1, DataType.VARIANT: 5}.get(dtype, 0) * count
    if least > max(nbytes, 0):
        raise CorruptCheckpointError(
            f"too few bytes for {count} elements",
            offset=0,
            structure=f"{dtype} tensor",
            expected=f"at least {least} bytes",
            got=max(nbytes, 0),
        )


def string_lengths(
    data: memoryview,
    count: int,
    size: int | None = None,
    *,
    check: bool = True,
    big_endian: bool = False,
) -> StringLengths:
    """Decode the lengths of a string tensor of `count` elements, and their crc.

    Args:
        data: Bytes of the tensor, and at least the four behind `size`, if they are there.
        count: Its elements.
        size: Its size as the index has it, in which the lengths must end. Default: all of `data`.
        check: Compare the stored crc of the lengths.
        big_endian: Whether the bundle is.

    Raises:
        CorruptCheckpointError: `data` cannot hold that many.
        ChecksumError: the crc of the lengths differs.
    """
    size = len(data) if size is None else size
    if not count and not size:
        return StringLengths(array("Q"), 0, 0)  # some writer's empty tensor, without its crc
    require_room(DataType.STRING, count, size)
    lengths, offset = array("Q", bytes(8)) * count, 0
    for i in range(count):
        lengths[i], offset = decode_varint(data, offset, size)
    stored = data[offset : offset + 4]
    if len(stored) < 4:
        raise TruncatedError("the file ends in the checksum of the lengths", offset=offset)
    crc = 0
    for begin in range(0, count, _LENGTHS_AT_ONCE):
        part = lengths[begin : begin + _LENGTHS_AT_ONCE]
        crc = crc32c(_lengths_as_summed(part, big_endian=big_endian), crc)
    masked = int.from_bytes(stored, "big" if big_endian else "little")
    if check and mask(crc) != masked:
        raise ChecksumError(
            "length checksum does not match",
            offset=offset,
            structure="string lengths",
            expected=f"{masked:#010x}",
            got=f"{mask(crc):#010x}",
            advice=CHECKSUM_ADVICE,
        )
    return StringLengths(lengths, offset + 4, crc32c(stored, crc))


def _lengths_as_summed(lengths: array[int], *, big_endian: bool) -> bytes:
    order = ">" if big_endian else "<"
    if max(lengths) <= 0xFFFFFFFF:
        return struct.pack(f"{order}{len(lengths)}I", *lengths)
    return b"".join(struct.pack(order + ("I" if n <= 0xFFFFFFFF else "Q"), n) for n in lengths)


def encode_strings(values: Sequence[bytes], *, big_endian: bool = False) -> tuple[bytes, int]:
    """Return the front part of a string tensor, before the bytes of the strings, and its crc.

    Args:
        values: The elements, flat.
        big_endian: Whether the bundle is.
    """
    lengths = array("Q", map(len, values))
    summed = _lengths_as_summed(lengths, big_endian=big_endian) if lengths else b""
    crc = crc32c(summed)
    stored = mask(crc).to_bytes(4, "big" if big_endian else "little")
    crc = crc32c(stored, crc)
    for value in values:
        crc = crc32c(value, crc)
    return b"".join(map(encode_varint, lengths)) + stored, crc


def strings(data: memoryview, front: StringLengths, first: int, count: int) -> NDArray[np.object_]:
    """Return `count` elements from element `first` on, as a flat object array of bytes.

    `data` is the whole tensor; of the strings, only those wanted are touched.
    """
    import numpy as np

    begin = front.begin + sum(front.lengths[:first])
    wanted = front.lengths[first : first + count]
    ends = accumulate(chain((begin,), wanted))
    spans = zip(ends, wanted, strict=False)  # ends has one more
    return np.fromiter((bytes(data[a : a + n]) for a, n in spans), np.object_, count)
