"""Slices: put together as NumPy puts them where they tile the tensor exactly, else our error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import numpy as np
import writers as w
from numpy.typing import NDArray

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.tensor import slices
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.slices import box_of, check_tiling, fill_overlap, overlaps, slice_key
from tfckpt_reader.tensor.spec import TensorSlice, Unplaced

Extents = tuple[tuple[int, int], ...]


def one(data: bytes) -> None:  # noqa: C901, PLR0915
    choices = harness.Choices(data)
    shape = tuple(choices.below(7) for _ in range(choices.below(5)))
    stored = _cut(shape, choices)
    for _ in range(choices.below(3)):
        _spoil(stored, choices)
    name = choices.some(5)
    for extents in stored:
        if all(-(1 << 63) <= n < 1 << 63 for extent in extents for n in extent):
            assert slice_key(name, extents) == w.slice_key(name, extents)
    counts = np.zeros(shape, np.int64)
    pieces, fits = [], True
    for extents in stored:
        inside = len(extents) == len(shape) and all(
            extent == (0, -1) or extent[0] + extent[1] <= size
            for extent, size in zip(extents, shape, strict=True)
        )
        try:
            start, size = box_of(extents, shape)
            pieces.append(TensorSlice(extents, start, Unplaced("t", DataType.FLOAT32, size)))
        except CheckpointError:
            assert not inside
            fits = False
            continue
        assert inside
        counts[_box(pieces[-1])] += 1
    if not fits or not pieces:
        return
    low = choices.below(shape[0] + 1) if shape else 0
    some = range(low, low + choices.below(shape[0] - low + 1)) if shape else range(1)
    for rows in (range(shape[0] if shape else 1), some):
        taken = overlaps(pieces, rows)
        wanted = counts[rows.start : rows.stop] if shape else counts
        try:
            check_tiling(shape, rows, taken)
        except CheckpointError:
            assert (wanted != 1).any()
        else:
            assert (wanted == 1).all()
            _check_assembled(shape, taken, rows)
    if shape and (counts == 1).all():
        _check_streamed(shape, pieces, choices.pick((4, 12, 40, 1 << 20)))


def _box(piece: TensorSlice) -> tuple[slice, ...]:
    spans = zip(piece.start, piece.shape, strict=True)
    return tuple(slice(start, start + size) for start, size in spans)


def _numbered(shape: tuple[int, ...]) -> NDArray[Any]:
    return np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)


def _check_assembled(shape: tuple[int, ...], taken: list[slices.SliceOverlap], rows: range) -> None:
    whole = _numbered(shape)
    out = np.full((len(rows), *shape[1:]) if shape else (), -1, np.int32)
    for cut in taken:
        values = whole[_box(cut.source)]

        def fill(within: range, part: NDArray[Any], values: NDArray[Any] = values) -> None:
            assert part.flags.c_contiguous
            part[...] = values[within.start : within.stop] if shape else values

        fill_overlap(out, cut, fill)
    np.testing.assert_array_equal(out, whole[rows.start : rows.stop] if shape else whole)


def _check_streamed(shape: tuple[int, ...], pieces: list[TensorSlice], most: int) -> None:
    """In bounded pieces, each slice read from its first element to its last."""
    whole = _numbered(shape)
    read = [0] * len(pieces)

    def copy(index: int, first: int, out: NDArray[Any]) -> None:
        assert first == read[index]
        read[index] += out.size
        out[...] = whole[_box(pieces[index])].reshape(-1)[first : read[index]].reshape(out.shape)

    def make(wanted: tuple[int, ...]) -> NDArray[Any]:
        out = np.full(wanted, -1, np.int32)
        assert out.nbytes <= most
        return out

    before, slices._ASSEMBLED = slices._ASSEMBLED, most
    try:
        parts = [part.copy() for part in slices.assemble(pieces, shape, 4, make, copy)]
    finally:
        slices._ASSEMBLED = before
    assert b"".join(part.tobytes() for part in parts) == whole.tobytes()
    assert whole.size == 0 or read == [prod(piece.shape) for piece in pieces]


def _cut(shape: tuple[int, ...], choices: harness.Choices) -> list[Extents]:
    """Boxes that tile the shape, cut in two a few times, in any order."""
    boxes = [tuple((0, size) for size in shape)]
    for _ in range(choices.below(12) if shape else 0):
        box = boxes.pop(choices.below(len(boxes)))
        axis = choices.below(len(shape))
        start, size = box[axis]
        if size < 2:
            boxes.append(box)
            continue
        first = 1 + choices.below(size - 1)
        parts = ((start, first), (start + first, size - first))
        boxes += [(*box[:axis], part, *box[axis + 1 :]) for part in parts]
    short = choices.flag()
    return [
        tuple((0, -1) if short and (0, n) == e else e for e, n in zip(box, shape, strict=True))
        for box in boxes
    ]


def _spoil(stored: list[Extents], choices: harness.Choices) -> None:
    """Move, lose, double or change an extent; it stays one that the parser lets through."""
    if not stored:
        return
    at, kind = choices.below(len(stored)), choices.below(4)
    if kind == 0:
        stored.pop(at)
    elif kind == 1:
        stored.append(stored[at])
    elif kind == 2 and stored[at]:
        axis = choices.below(len(stored[at]))
        pair = choices.below(7), 1 + choices.below(6)
        if choices.below(4) == 3:
            pair = abs(choices.number()), 1 + abs(choices.number())
        stored[at] = (*stored[at][:axis], pair, *stored[at][axis + 1 :])
    else:
        stored[at] = (*stored[at], (0, -1))


def seeds() -> Iterator[bytes]:
    for rank in range(5):
        for times in (0, 3, 9):
            size = bytes([5, 4, 3, 6][:rank])
            yield (
                bytes([rank])
                + size
                + bytes([times])
                + bytes(range(27))
                + bytes([times % 2, 0, 3]) * 2
            )
    yield bytes([2, 4, 5, 2, 0, 0, 1, 0, 1, 2, 0, 2, 0, 2, 1, 1, 0, 3, 3, 1, 102, 1, 2])


if __name__ == "__main__":
    harness.main("slices")
