"""Segments as elements: stored bytes, checked, to arrays and back to plain bytes.

Knows no index, no key and no slice. FORMAT 3.4, 3.8.

Elements are laid out in one of three ways: all of a fixed size (here), as strings, or as variants
(``lists``). A `Layout` holds the operations that differ; it is looked up by dtype once.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import CheckpointError, add_location, located
from tfckpt_reader.storage.source import chunks
from tfckpt_reader.storage.workers import share
from tfckpt_reader.tensor.dense import (
    array_factory,
    is_normalised,
    normalise,
    portable_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.tensor.dense import ArrayFactory
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import Segment

WORTH_PARTS = 8 << 20
"""Above this size, in bytes, the crc of a mapped segment is computed in parts, on threads."""
_PART = 4 << 20


class Layout(Protocol):
    """The elements of one dtype, as a bundle stores them."""

    def require_present(self, segment: Segment) -> None:
        """Make sure that the file can hold the elements, before memory is set aside for them."""

    def array(self, segment: Segment, *, check: bool) -> NDArray[Any]:
        """Return all elements, read-only: a view of the map where possible, else a copy."""

    def fill(self, segment: Segment, rows: range, out: NDArray[Any], *, check: bool) -> None:
        """Write some rows along axis 0 into `out`, a C-contiguous array of their shape.

        Only their bytes are read, unless `check`: a crc covers a whole segment.
        """

    def check(self, segment: Segment) -> int:
        """Check all bytes, without making an array; return the bytes that the elements take."""


class Numbers:
    """Elements of a fixed size.

    Args:
        shards: The data files.
        dtype: Type of the elements.
    """

    def __init__(self, shards: Shards, dtype: DataType) -> None:
        self._shards = shards
        self._dtype = dtype
        self._checked: set[str] = set()
        """Names of tensors with a crc that was compared in the map, where views share the bytes."""

    @cached_property
    def _make(self) -> ArrayFactory:
        # Late: only arrays need NumPy, and a NumPy type for the dtype.
        return array_factory(self._dtype, big_endian=self._shards.big_endian)

    def require_present(self, segment: Segment) -> None:
        """Make sure that the file holds the segment."""
        self._shards.file_of(segment)

    def array(self, segment: Segment, *, check: bool) -> NDArray[Any]:
        """Return all elements, read-only: a view of the map where the bytes allow it."""
        name, _, shape, nbytes, shard, offset, crc = segment
        source = self._shards.files.get(shard)
        # Hot path: validate fully only when the range looks wrong.
        if source is None or nbytes <= 0 or not 0 <= offset <= source.size - nbytes:
            source, offset = self._shards.file_of(segment), offset if nbytes else 0
        try:
            whole = source.map
            data = source.read(offset, nbytes) if whole is None else whole[offset : offset + nbytes]
            array = self._make(data, shape)
            if check and (name not in self._checked or array.flags.owndata):
                computed = crc32c(data) if nbytes < WORTH_PARTS else parallel_crc(data)
                if computed != crc:
                    self._shards.require_crc(segment, computed)
                if source.map is not None:
                    self._checked.add(name)
        except CheckpointError as error:
            self._shards.file_of(segment)  # a bad entry is the better explanation
            add_location(error, source.name, offset, name)
            raise
        return array

    def fill(self, segment: Segment, rows: range, out: NDArray[Any], *, check: bool) -> None:
        """Write some rows along axis 0 into `out`."""
        first = segment.elements_before(rows.start)
        if check and out.size != segment.elements:
            self._copy_checked(segment, first, out)
            return
        crc = self.copy(segment, first, out, 0 if check else None)
        if crc is not None:
            self._shards.require_crc(segment, crc)

    def _copy_checked(self, segment: Segment, first: int, out: NDArray[Any]) -> None:
        """Fill `out` with some elements out of one pass over the segment, and compare its crc."""
        begin, raw = first * self._dtype.itemsize, _bytes_of(out)
        end, done = begin + len(raw), 0
        for block in self.chunks(segment):
            low, high = max(begin, done), min(end, done + len(block))
            if low < high:
                raw[low - begin : high - begin] = block[low - done : high - done]
            done += len(block)
        self._normalise(out, big_endian=False)

    def copy(self, segment: Segment, first: int, out: NDArray[Any], crc: int | None) -> int | None:
        """Fill `out` with the elements from number `first` on.

        Returns:
            `crc`, unless None, continued over their bytes.
        """
        source = self._shards.file_of(segment)
        raw = _bytes_of(out)
        begin = segment.offset + first * self._dtype.itemsize
        with located(source.name, tensor=segment.name):
            for done in range(0, len(raw), source.window):
                window = raw[done : done + source.window]
                source.readinto(begin + done, window)
                if crc is not None:
                    crc = crc32c(window, crc)
        self._normalise(out, big_endian=self._shards.big_endian)
        return crc

    def _normalise(self, out: NDArray[Any], *, big_endian: bool) -> None:
        if not is_normalised(out, self._dtype, big_endian=big_endian):
            normalise(out, self._dtype, big_endian=big_endian)

    def check(self, segment: Segment) -> int:
        """Read all bytes and compare their crc; return the bytes that the elements take."""
        return sum(map(len, self.chunks(segment)))

    def chunks(self, segment: Segment) -> Iterator[memoryview]:
        """Yield the bytes of a segment, normalised but little-endian, whole elements at a time.

        Each block lies in a reused buffer. The crc is compared at the end.
        """
        crc, source = 0, self._shards.file_of(segment)
        with located(source.name, tensor=segment.name):
            for block in chunks(source, segment.offset, segment.nbytes, self._dtype.itemsize):
                crc = crc32c(block, crc)
                yield portable_bytes(block, self._dtype, big_endian=self._shards.big_endian)
            self._shards.require_crc(segment, crc)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view("u1").data if array.size else memoryview(b"")


def layout_of(shards: Shards, segment: Segment) -> Layout:
    """Return the layout of a segment's elements.

    Raises:
        CheckpointError: as for `Shards.file_of`; the dtype is among the things that are checked.
    """
    if segment.dtype.itemsize:
        return Numbers(shards, segment.dtype)
    shards.file_of(segment)
    from tfckpt_reader.formats.v2.lists import LISTS

    return LISTS[segment.dtype](shards)


def parallel_crc(data: memoryview) -> int:
    """Return the crc of many bytes, computed on as many threads as there are processors."""
    sums = PartialChecksums(1)

    def add(first: int) -> None:
        part = data[first : first + _PART]
        sums.add(0, first, len(part), crc32c(part))

    share(range(0, len(data), _PART), add)
    return sums.crcs[0]
