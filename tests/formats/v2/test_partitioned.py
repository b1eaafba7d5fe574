"""Rows of a partitioned tensor: read without the slices that hold none of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.formats.v2 import partitioned
from tfckpt_reader.tensor.slices import slice_key

PIECES = 100
WHOLE = numbers((4 * PIECES, 3))
ROWS_OF_FOUR = [[(4 * i, 4), (0, -1)] for i in range(PIECES)]
WITHOUT_ONE = [ROWS_OF_FOUR[0], *ROWS_OF_FOUR[2:]]
COLUMNS = [[(0, -1), (0, 1)], [(0, -1), (1, 2)]]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """The keys of slices' rows that are looked up."""
    found: Counter[bytes] = Counter()

    def counting(name: bytes, extents: Any) -> bytes:
        key = slice_key(name, extents)
        found[key] += 1
        return key

    monkeypatch.setattr(partitioned, "slice_key", counting)
    return found


@pytest.mark.parametrize(
    ("rows", "pieces"),
    [
        (slice(9, 11), [2]),
        (slice(7, 9), [1, 2]),
        (slice(4, 8), [1]),
        (slice(-1, None), [PIECES - 1]),
        (slice(5, 5), [1]),
        (slice(4, 4), []),
    ],
)
def test_only_pieces_with_the_rows_are_decoded(
    tmp_path: Path, decoded: Counter[bytes], rows: slice, pieces: list[int]
) -> None:
    w.write_bundle(tmp_path / "p", {"t": w.Sliced(WHOLE, ROWS_OF_FOUR)})
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert_array_equal(ckpt.read("t", rows=rows), WHOLE[rows])
        assert set(decoded) == {w.slice_key(b"t", ROWS_OF_FOUR[i]) for i in pieces}
        # Nothing of that is taken for all of the tensor.
        assert len(ckpt.specs["t"].slices) == PIECES
        assert_array_equal(ckpt["t"], WHOLE)


def test_rows_in_all_pieces(tmp_path: Path, decoded: Counter[bytes]) -> None:
    w.write_bundle(tmp_path / "p", {"t": w.Sliced(WHOLE, COLUMNS)})
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert_array_equal(ckpt.read("t", rows=slice(9, 11)), WHOLE[9:11])
        assert len(decoded) == 2


@given(
    cuts=st.lists(st.integers(1, 11), max_size=4, unique=True), order=st.permutations(range(5)),
    begin=st.integers(-15, 15), count=st.integers(0, 15),
)  # fmt: skip
def test_as_after_a_listing(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    order: list[int],
    begin: int,
    count: int,
) -> None:
    whole = numbers((12, 3))
    bounds = [0, *sorted(cuts), 12]
    pieces = [[(a, b - a), (0, -1)] for a, b in pairwise(bounds)]
    prefix = tmp_path_factory.mktemp("f") / "p"
    w.write_bundle(prefix, {"t": w.Sliced(whole, [pieces[i] for i in order if i < len(pieces)])})
    rows = slice(begin, begin + count)
    with tfckpt.open(prefix) as ckpt:
        before = ckpt.read("t", rows=rows)
        assert list(ckpt) == ["t"]
        assert_array_equal(before, ckpt.read("t", rows=rows))
        assert_array_equal(before, whole[rows])


# What must be refused, before a listing and after one


def refused(tmp_path: Path, rows: slice, match: str, **entry: Any) -> None:
    edit = lambda rows: w.edit_entry(rows, b"t", **entry)  # noqa: E731
    w.write_bundle(tmp_path / "p", {"t": w.Sliced(WHOLE, ROWS_OF_FOUR)}, edit_rows=edit)
    for listed in (False, True):
        with tfckpt.open(tmp_path / "p") as ckpt:
            if listed:
                list(ckpt)
            with pytest.raises(tfckpt.CorruptCheckpointError, match=match):
                ckpt.read("t", rows=rows)
            with pytest.raises(tfckpt.CorruptCheckpointError):
                ckpt["t"]
            assert_array_equal(ckpt.read("t", rows=slice(100, 103)), WHOLE[100:103])


def test_holes_in_the_rows(tmp_path: Path) -> None:
    refused(
        tmp_path, slice(3, 5), "hole at axis 0 index 4", slices=[ROWS_OF_FOUR[0], *ROWS_OF_FOUR[2:]]
    )


def test_no_piece_for_the_rows(tmp_path: Path) -> None:
    refused(
        tmp_path,
        slice(5, 7),
        "hole",
        slices=[ROWS_OF_FOUR[0], *ROWS_OF_FOUR[2:]],
    )


def test_overlaps_in_the_rows(tmp_path: Path) -> None:
    twice = [*ROWS_OF_FOUR, ROWS_OF_FOUR[1]]
    refused(tmp_path, slice(5, 7), "overlap", slices=twice)
    refused(tmp_path, slice(3, 5), "overlap", slices=[*ROWS_OF_FOUR, [(2, 2), (0, -1)]])


def test_pieces_without_a_row_in_the_index(tmp_path: Path) -> None:
    others = [*ROWS_OF_FOUR[:1], [(4, 3), (0, -1)], [(7, 1), (0, -1)], *ROWS_OF_FOUR[2:]]
    refused(tmp_path, slice(7, 8), "no row", slices=others)


@pytest.mark.parametrize(
    "bad", [[(0, 4)], [], [(4, -1), (0, -1)], [(0, 0), (0, -1)], [(0, 401), (0, -1)]]
)
def test_pieces_that_may_hold_any_row(tmp_path: Path, bad: Any) -> None:
    """Of another rank, without a length, or longer than the tensor."""
    edit = lambda rows: w.edit_entry(rows, b"t", slices=[*ROWS_OF_FOUR, bad])  # noqa: E731
    w.write_bundle(tmp_path / "p", {"t": w.Sliced(WHOLE, ROWS_OF_FOUR)}, edit_rows=edit)
    with (
        tfckpt.open(tmp_path / "p") as ckpt,
        pytest.raises(tfckpt.CorruptCheckpointError),
    ):
        ckpt.read("t", rows=slice(0, 2))
