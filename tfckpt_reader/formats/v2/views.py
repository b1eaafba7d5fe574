"""Views of small tensors, straight from their rows.

Knows no table. The fast path beside `Numbers.array`: it finds no fault, and hands over to it
whatever is unusual. Listed tensors are often read one by one, and most are small: then decoding
the row, making records of it and calling from layer to layer takes longer than the bytes do.
"""

from __future__ import annotations

from math import prod
from sys import byteorder
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import encode_varint
from tfckpt_reader.formats.v2.index import CRC, CRC_SIZE, OFFSET, SHARD, SIZE
from tfckpt_reader.tensor.dtypes import to_numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.tensor.spec import TensorSpec


class _Kind(NamedTuple):
    """Facts shared by all rows with the same dtype and shape."""

    ndarray: Any
    """NumPy's class, imported late: a listing needs none."""
    dtype: Any
    """NumPy's."""
    shape: tuple[int, ...]
    nbytes: int
    size_field: bytes
    """The field with that size, and the tag of the crc behind it."""


_UNUSUAL = _Kind(None, None, (), 0, b"no field ends so")
_CRC_ONLY = CRC_SIZE - 1
"""Bytes of the crc, without its tag."""
_SMALL = 1 << 12
"""Bytes of the largest tensor."""
_MOST_AXES = 32
"""Of arrays in NumPy 1."""


class Views:
    """Views of one bundle's tensors.

    Args:
        shards: The data files.
    """

    def __init__(self, shards: Shards) -> None:
        self._files, self._is_big = shards.files, shards.big_endian
        self._kinds: dict[bytes, _Kind] = {}

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any] | None:
        """Return a tensor as a view of the mapped file; None if anything is unusual, or wrong.

        Args:
            spec: A `RowSpec`.
            check: Compare the crc.
        """
        row: bytes = spec.stored
        middle = 4 + row[3]
        head = row[:middle]
        try:
            ndarray, dtype, shape, nbytes, size_field = self._kinds[head]
        except KeyError:
            kind = self._kinds[head] = self._kind_of(spec)
            ndarray, dtype, shape, nbytes, size_field = kind
        behind = len(row) - _CRC_ONLY - len(size_field)
        if row[behind:-_CRC_ONLY] != size_field:
            return None
        shard = 0
        if row[middle] == SHARD:
            shard, middle = row[middle + 1], middle + 2
        offset = shift = 0
        if row[middle] == OFFSET:
            for byte in row[middle + 1 : behind]:
                offset |= (byte & 0x7F) << shift
                shift += 7
        file = self._files.get(shard)
        if file is None or file.map is None or offset > file.size - nbytes:
            return None
        data = file.map[offset : offset + nbytes]
        # To note that it was compared would take longer than to compare it again.
        if check and mask(crc32c(data)) != int.from_bytes(row[-_CRC_ONLY:], "little"):
            return None
        array: NDArray[Any] = ndarray(shape, dtype, data)
        return array if array.flags.aligned else None

    def _kind_of(self, spec: TensorSpec) -> _Kind:
        dtype, shape = spec.dtype, spec.shape
        nbytes = dtype.itemsize * prod(shape)
        is_plain = dtype.itemsize > 1 and self._is_big == (byteorder == "big")
        is_small = 0 < nbytes <= _SMALL and len(shape) <= _MOST_AXES
        if not is_plain or not is_small or dtype.needs_ml_dtypes:
            return _UNUSUAL
        from numpy import ndarray

        size_field = b"%c%b%c" % (SIZE, encode_varint(nbytes), CRC)
        return _Kind(ndarray, to_numpy(dtype), shape, nbytes, size_field)
