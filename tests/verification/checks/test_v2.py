"""Headers, entries and slices of V2 that are wrong: no other damage is hidden or invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import writers as w
from defects import (
    DATA,
    FLOATS,
    INTS,
    Build,
    bundle,
    codes,
    edited,
    odd_piece,
    overlapping,
    poke,
    shown,
)

from tfckpt_reader import verify


@pytest.mark.parametrize("count", [0, -1])
def test_impossible_shard_count(count: int, tmp_path: Path) -> None:
    assert codes(verify(bundle(tmp_path, header=w.header(count)))) == ["TFC202"]


def test_huge_shard_count(tmp_path: Path) -> None:
    # As after a merge with bundles that had no tensors: the file is there under a smaller count.
    assert codes(verify(bundle(tmp_path, header=w.header(1 << 30)))) == ["TFC307"]


def test_index_without_rows(tmp_path: Path) -> None:
    report = verify(bundle(tmp_path, edit_rows=lambda _: []))
    assert not report.ok
    assert report.tensors == 0


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("TFC203", {"dtype": None}),
        ("TFC203", {"shape": w.shape_proto((-1,))}),
        ("TFC901", {"dtype": 50}),
    ],
)
def test_a_bad_entry_does_not_accuse_the_data_file(
    code: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    report = verify(edited(tmp_path, b"i", **fields))
    assert codes(report) == [code], shown(report)


def test_a_bad_entry_does_not_hide_an_overlap(tmp_path: Path) -> None:
    # What is nobody's cannot be told any more; that two claim the same bytes can.
    def edit(rows: w.Rows) -> w.Rows:
        return [*w.replace_row(rows, b"zero", b"\xff"), (b"zzz", dict(rows)[b"f"])]

    report = verify(bundle(tmp_path, edit_rows=edit))
    assert codes(report) == ["TFC203", "TFC303"], shown(report)


@pytest.mark.parametrize("build", [overlapping, odd_piece])
def test_bad_slices_do_not_hide_a_damaged_one(build: Build, tmp_path: Path) -> None:
    report = verify(poke(build(tmp_path), DATA, 0))
    assert sorted(codes(report)) == ["TFC204", "TFC401"], shown(report)


def test_a_name_that_begins_with_nul_is_no_slice(tmp_path: Path) -> None:
    tensors = {"\0a": FLOATS, "\0b": w.Sliced(INTS, [[(0, 1)], [(1, 2)]]), "c": INTS}
    report = verify(bundle(tmp_path, tensors))
    assert codes(report) == []
    assert report.tensors == 3
