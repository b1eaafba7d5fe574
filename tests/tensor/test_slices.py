"""Partitioned tensors against NumPy: keys, places, tilings, assembly."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from strategies import numbers, piece, tilings

from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.tensor import slices
from tfckpt_reader.tensor.slices import box_of, check_tiling, fill_overlap, overlaps, slice_key

EXTENT = st.one_of(
    st.just((0, -1)), st.tuples(st.integers(0, (1 << 63) - 2), st.integers(1, (1 << 62)))
)
TILED = (
    st.lists(st.integers(1, 5), max_size=4)
    .map(tuple)
    .flatmap(lambda shape: st.tuples(st.just(shape), tilings(shape)))
)
Tiled = tuple[tuple[int, ...], list[list[tuple[int, int]]]]


@given(st.binary(max_size=9), st.lists(EXTENT, max_size=4))
def test_keys_are_those_of_the_writer(name: bytes, extents: list[tuple[int, int]]) -> None:
    key = slice_key(name, extents)
    assert key == w.slice_key(name, extents)
    assert key.startswith(b"\x00")


def test_key_vectors() -> None:
    """FORMAT 3.7 and 4.1."""
    assert slice_key(b"foo", [(0, -1), (0, 1)]) == bytes.fromhex("00 666f6f 0001 0102 807f 8081")
    assert slice_key(b"x", [(0, -1)]) == bytes.fromhex("00 78 0001 01 01 80 7f")
    assert slice_key(b"s", []) == bytes.fromhex("00 73 0001 00")
    assert slice_key(b"", []) == bytes.fromhex("00 0001 00")
    assert slice_key(b"a\x00\xff", [(64, 8192)]) == bytes.fromhex(
        "00 6100ffff00 0001 0101 c040 e02000"
    )


@given(TILED)
def test_place(tiled: Tiled) -> None:
    shape, pieces = tiled
    array = numbers(shape)
    for extents in pieces:
        start, size = box_of(extents, shape)
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        assert_array_equal(array[box], w.cut(array, extents))


@pytest.mark.parametrize(
    ("extents", "shape"),
    [
        ([(0, 1)], ()),
        ([], (1,)),
        ([(0, 1)], (1, 1)),
        ([(0, 4)], (3,)),
        ([(3, 1)], (3,)),
        ([(1 << 62, 1)], (3,)),
        ([(0, 1)], (0,)),
        ([(0, -1), (2, 2)], (9, 3)),
    ],
)
def test_pieces_that_do_not_fit(extents: list[tuple[int, int]], shape: tuple[int, ...]) -> None:
    with pytest.raises(CorruptCheckpointError) as caught:
        box_of(extents, shape)
    assert caught.value.structure == "slice"


def coverage(shape: tuple[int, ...], pieces: list[list[tuple[int, int]]]) -> NDArray[Any]:
    """How often each element is in a piece, by brute force."""
    counts = np.zeros(shape, int)
    for extents in pieces:
        w.cut(counts, extents)[...] += 1
    return counts


def rows_of(shape: tuple[int, ...]) -> range:
    return range(shape[0] if shape else 1)


def check(
    shape: tuple[int, ...], pieces: list[list[tuple[int, int]]], rows: range | None = None
) -> None:
    rows = rows_of(shape) if rows is None else rows
    check_tiling(shape, rows, overlaps([piece(extents, shape) for extents in pieces], rows))


@given(TILED)
def test_tilings_pass(tiled: Tiled) -> None:
    shape, pieces = tiled
    assert (coverage(shape, pieces) == 1).all()
    check(shape, pieces)


@given(TILED, st.data())
def test_anything_else_does_not(tiled: Tiled, data: st.DataObject) -> None:
    """One piece less, one twice, one moved: right just where brute force finds all ones."""
    shape, pieces = tiled
    at = data.draw(st.integers(0, len(pieces) - 1))
    other = [(0, -1) if data.draw(st.booleans()) else (0, 1) for _ in shape]
    for changed in (pieces[:at] + pieces[at + 1 :], [*pieces, pieces[at]], [*pieces, other]):
        counts = coverage(shape, changed)
        assert not (counts == 1).all()
        with pytest.raises(CorruptCheckpointError) as caught:
            check(shape, changed)
        assert caught.value.structure == "slices"
        words = {"overlap"} if (counts >= 1).all() else {"hole"} if (counts <= 1).all() else set()
        assert not words or words & set(caught.value.problem.split())


@given(TILED, st.data())
def test_rows_need_only_their_own(tiled: Tiled, data: st.DataObject) -> None:
    """Rows are whole where every element of theirs is in one piece, whatever others lack."""
    shape, pieces = tiled
    at = data.draw(st.integers(0, len(pieces) - 1))
    left = pieces[:at] + pieces[at + 1 :]
    counts = coverage(shape, left)
    for first in rows_of(shape):
        rows = range(first, first + 1)
        if (counts[first : first + 1] == 1).all() if shape else False:
            check(shape, left, rows)
        else:
            with pytest.raises(CorruptCheckpointError):
                check(shape, left, rows)


def test_hole_and_overlap_are_told_where() -> None:
    shape = (6, 5)
    quarters = [[(a, 3), (b, n)] for a, (b, n) in product((0, 3), ((0, 2), (2, 3)))]
    check(shape, quarters)
    with pytest.raises(CorruptCheckpointError, match="hole at axis 0 index 3, axis 1 index 2"):
        check(shape, quarters[:3])
    with pytest.raises(CorruptCheckpointError, match="overlap at axis 0 index 3") as caught:
        check(shape, [*quarters, [(3, 3), (0, 2)]])
    assert "3,3:0,2" in str(caught.value)
    with pytest.raises(CorruptCheckpointError, match="overlap"):
        check((), [[], []])
    with pytest.raises(CorruptCheckpointError, match="hole"):
        check((), [])


def test_no_elements_no_holes() -> None:
    for pieces in ([], [[(0, 1), (0, -1)]], [[(0, 1), (0, -1)], [(1, 3), (0, -1)]]):
        check((4, 0), pieces)


def test_many_pieces() -> None:
    """A thousand pieces along one axis, and a grid, without trying every pair."""
    check((100_000, 3), [[(i * 100, 100), (0, -1)] for i in range(1000)])
    grid = [[(i, 1), (j, 1)] for i in range(100) for j in range(100)]
    check((100, 100), grid)
    with pytest.raises(CorruptCheckpointError, match="axis 0 index 50, axis 1 index 7"):
        check((100, 100), [box for box in grid if box != [(50, 1), (7, 1)]])


def test_many_axes() -> None:
    """A slice has 2^axes corners: a small file could else ask for years of work."""
    for rank in (40, 200):
        halves = [[(i, 1)] * rank for i in (0, 1)]
        with pytest.raises(
            CorruptCheckpointError, match=f"hole at axis 0 index 0,.* axis {rank - 1} index 1"
        ):
            check((2,) * rank, halves)
        rest = [[(0, 1)] * a + [(1, 1)] + [(0, -1)] * (rank - a - 1) for a in range(rank)]
        check((2,) * rank, [halves[0], *rest])
    with pytest.raises(CorruptCheckpointError, match="overlap at axis 0 index 1, axis 1 index 0"):
        check((2,) * 30, [[(0, -1)] * 30, [(1, 1)] + [(0, 1)] * 29])


@given(TILED, st.data())
def test_assembled_rows(tiled: Tiled, data: st.DataObject) -> None:
    shape, pieces = tiled
    array = numbers(shape)
    count = shape[0] if shape else 1
    first = data.draw(st.integers(0, count))
    rows = range(first, data.draw(st.integers(first, count))) if shape else range(1)
    expected = array[rows.start : rows.stop] if shape else array
    out = np.full(expected.shape, -1, array.dtype)
    taken = overlaps([piece(extents, shape) for extents in pieces], rows)
    filled: list[list[tuple[int, int]]] = []
    for cut in taken:

        def fill(within: range, part: NDArray[Any], stored: Any = cut.source) -> None:
            assert part.flags.c_contiguous
            assert part.shape[1:] == stored.shape[1:]
            values = w.cut(array, stored.extents)
            part[...] = values[within.start : within.stop] if shape else values
            filled.append(list(stored.extents))

        fill_overlap(out, cut, fill)
    assert_array_equal(out, expected, strict=True)
    touching = [e for e in pieces if not shape or _meets(piece(e, shape).start[0], e, rows, shape)]
    assert sorted(filled) == sorted(touching)


def _meets(start: int, extents: w.Extents, rows: range, shape: tuple[int, ...]) -> bool:
    size = piece(extents, shape).shape[0]
    return max(start, rows.start) < min(start + size, rows.stop)


@given(TILED, st.sampled_from([4, 8, 12, 20, 64, 1 << 20]))
def test_streamed(tiled: Tiled, most: int) -> None:
    """In order, in bounded arrays, and each piece read once, in its own order."""
    shape, pieces = tiled
    if not shape:
        return
    array = numbers(shape)
    read: dict[int, list[int]] = {}

    def make(part: tuple[int, ...]) -> NDArray[Any]:
        return np.full(part, -1, np.int32)

    def copy(index: int, first: int, out: NDArray[Any]) -> None:
        stored = w.cut(array, pieces[index]).reshape(-1)
        assert out.flags.c_contiguous
        out.reshape(-1)[...] = stored[first : first + out.size]
        read.setdefault(index, []).extend(range(first, first + out.size))

    placed = [piece(extents, shape) for extents in pieces]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "_ASSEMBLED", most)
        found = [part.copy() for part in slices.assemble(placed, shape, 4, make, copy)]
    assert np.concatenate([part.reshape(-1) for part in found]).tolist() == array.ravel().tolist()
    assert all(part.nbytes <= most for part in found)
    assert read == {i: list(range(each.elements)) for i, each in enumerate(placed)}


def test_nothing_to_stream() -> None:
    def never(*_: object) -> Any:
        pytest.fail("asked for something")

    for shape in ((0,), (2, 0, 3), (0, 1 << 62)):
        assert list(slices.assemble([], shape, 4, never, never)) == []
