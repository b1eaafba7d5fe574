"""Partitioned tensors of a bundle: their slices in the index, and reading them.

Knows no whole tensor. FORMAT 3.7. Each slice has a row of its own, under a key made of the
tensor's name and the extents of the slice; no listing shows these rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, located
from tfckpt_reader.formats.v2.index import decode_entry
from tfckpt_reader.formats.v2.proportion import require_proportion
from tfckpt_reader.formats.v2.segments import Numbers
from tfckpt_reader.tensor.dense import empty_bits, empty_rows
from tfckpt_reader.tensor.names import key_of
from tfckpt_reader.tensor.slices import (
    SliceOverlap,
    assemble,
    box_of,
    check_tiling,
    fill_overlap,
    overlaps,
    slice_key,
)
from tfckpt_reader.tensor.spec import Segment, TensorSlice, TensorSpec, Unplaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tfckpt_reader.formats.v2.index import Slices
    from tfckpt_reader.formats.v2.segments import Layout
    from tfckpt_reader.formats.v2.shards import Shards

    Find = Callable[[bytes], "bytes | memoryview | None"]
    """Returns the row of a key."""


class Partitions:
    """The partitioned tensors of one bundle.

    Args:
        path: The index, for errors.
        find: Returns the row of a slice.
        shards: The data files.
        layout: Returns the layout of a segment's elements.
    """

    def __init__(
        self, path: str, find: Find, shards: Shards, layout: Callable[[Segment], Layout]
    ) -> None:
        self._path = path
        self._find = find
        self._shards = shards
        self._layout = layout
        self._tiled: set[tuple[str, range]] = set()

    def slices(self, whole: Segment, stored: Slices, find: Find) -> tuple[TensorSlice, ...]:
        """Return the slices of a tensor with their segments.

        Args:
            whole: The tensor's name, dtype and shape.
            stored: The extents of each slice.
            find: Returns the row of a slice.
        """
        key = key_of(whole.name)
        # In key order: each block of the index is decoded once.
        keys = sorted([(slice_key(key, extents), i) for i, extents in enumerate(stored)])
        slices: list[Any] = [None] * len(stored)
        for row_key, i in keys:
            slices[i] = self._slice(whole, stored[i], find(row_key))
        return tuple(slices)

    def _slice(
        self,
        whole: Segment,
        extents: tuple[tuple[int, int], ...],
        row: bytes | memoryview | None,
    ) -> TensorSlice:
        start, shape = box_of(extents, whole.shape)
        if row is not None:
            segment, nested = decode_entry(whole.name, row)
            if (segment.dtype, segment.shape) == (whole.dtype, shape) and not nested:
                return TensorSlice(extents, start, segment)
        # `segment` raises the error, when the slice is read.
        return TensorSlice(extents, start, Unplaced(whole.name, whole.dtype, shape))

    def segment(self, slice_: TensorSlice) -> Segment:
        """Return the segment of a slice.

        Raises:
            CorruptCheckpointError: the slice has no row in the index, or another tensor's.
        """
        if isinstance(slice_.segment, Segment):
            return slice_.segment
        name, dtype, shape = slice_.segment[:3]
        row = self._find(slice_key(key_of(name), slice_.extents))
        with located(self._path, tensor=name):
            where = f"slice {slice_}"
            if row is None:
                problem = "the index has no row for it"
                raise CorruptCheckpointError(problem, kind=ErrorKind.SLICES, structure=where)
            segment, nested = decode_entry(name, row)
            raise CorruptCheckpointError(
                "its row disagrees with the tensor's",
                kind=ErrorKind.SLICES,
                structure=where,
                expected=f"{dtype} {list(shape)}",
                got=f"{segment.dtype} {list(segment.shape)}{' in slices' if nested else ''}",
            )

    def segments(self, spec: TensorSpec) -> list[Segment]:
        """Return the segments of a tensor, in the order of its slices, which must tile it."""
        self.require_tiling(spec, spec.all_rows)
        segments = [self.segment(slice_) for slice_ in spec.slices]
        require_proportion(self._shards, segments)
        return segments

    def require_tiling(self, spec: TensorSpec, rows: range) -> list[SliceOverlap]:
        """Return the overlap of each slice with some rows; they cover each element exactly once.

        Raises:
            CorruptCheckpointError: they do not.
        """
        wanted = overlaps(spec.slices, rows)
        if (spec.name, rows) not in self._tiled:
            with located(self._path, tensor=spec.name):
                check_tiling(spec.shape, rows, wanted)
            if rows == spec.all_rows:
                self._tiled.add((spec.name, rows))
        return wanted

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None
    ) -> NDArray[Any]:
        """Return some rows, owned, or written into `out`. Only slices with such rows are read."""
        wanted = [(each, self.segment(each.source)) for each in self.require_tiling(spec, rows)]
        for _, segment in wanted:
            self._layout(segment).require_present(segment)
        require_proportion(self._shards, [segment for _, segment in wanted])
        with located(self._path, tensor=spec.name):
            out = empty_rows(spec, rows) if out is None else out
        for overlap, segment in wanted:
            fill_overlap(out, overlap, partial(self._layout(segment).fill, segment, check=check))
        return out

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield the bytes of a numeric tensor in order, in blocks; see `Reader.chunks`."""
        if not spec.shape:
            yield self.read(spec, range(1), check=True, out=None).reshape(1).view("u1").data
            return
        segments = self.segments(spec)
        numbers = Numbers(self._shards, spec.dtype)
        for segment in segments:
            numbers.require_present(segment)
        crcs: list[int | None] = [0] * len(segments)

        def make(shape: tuple[int, ...]) -> NDArray[Any]:
            return empty_bits(shape, spec.dtype)

        def copy(index: int, first: int, out: NDArray[Any]) -> None:
            crcs[index] = numbers.copy(segments[index], first, out, crcs[index])

        for array in assemble(spec.slices, spec.shape, spec.dtype.itemsize, make, copy):
            yield array.reshape(-1).view("u1").data
        for segment, crc in zip(segments, crcs, strict=True):
            self._shards.require_crc(segment, crc or 0)
