"""Damaged V1 files and shards: each is named, and hides no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import writers as w
from defects import (
    FLOATS,
    INTS,
    codes,
    only,
    poke,
    refusing,
    v1,
    v1_shards,
)

import tfckpt_reader as tfckpt
from tfckpt_reader import verify


def test_missing_v1_shards_are_reported(tmp_path: Path) -> None:
    w.write_v1_shards(tmp_path / "p", {f"t{i}": FLOATS for i in range(5)}, shards=5)
    for lost in (1, 4):
        (tmp_path / f"p-{lost:05d}-of-00005").unlink()
    report = verify(tmp_path / "p")
    problem = only(report)
    assert problem.code == "TFC301"
    assert {"1", "4", "5"} <= set(re.findall(r"\d+", problem.what))  # 1 and 4 of 5
    assert report.tensors == 3
    (line,) = report.diagnosis
    assert line.startswith("not all files of")


def test_nothing_of_v1_is_left(tmp_path: Path) -> None:
    v1_shards(tmp_path)
    for shard in range(2):
        poke(tmp_path / "p", f"-{shard:05d}-of-00002", 3)
    report = verify(tmp_path / "p")
    assert codes(report) == ["TFC104", "TFC104"]
    assert (report.version, report.tensors, report.nbytes) == ("V1", 0, 0)


def test_v1_report(tmp_path: Path) -> None:
    report = verify(v1(tmp_path))
    assert (report.problems, report.version, report.tensors) == ((), "V1", 2)
    assert report.nbytes == FLOATS.nbytes + INTS.nbytes


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_damaged_v1_shard_does_not_hide_the_other(damaged: int, tmp_path: Path) -> None:
    v1_shards(tmp_path)
    for shard, offset in ((damaged, 3), (1 - damaged, -9)):  # the header row; the padding
        poke(tmp_path / "p", f"-{shard:05d}-of-00002", offset)
    report = verify(tmp_path / "p")
    found = [(p.code, Path(p.file or "").name) for p in report.problems]
    assert ("TFC104", f"p-{damaged:05d}-of-00002") in found
    assert ("TFC102", f"p-{1 - damaged:05d}-of-00002") in found


def test_a_damaged_v1_block_names_its_tensors_too(tmp_path: Path) -> None:
    # In V1 the rows are the data: the block is broken, and with it each tensor that lies in it.
    path = v1(tmp_path, {"f": FLOATS, "g": FLOATS, "i": INTS}, block_size=1)
    at = path.read_bytes().index(FLOATS.tobytes())
    report = verify(poke(path, "", at))
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC104", None), ("TFC402", "f")]
    assert len({p.offset for p in report.problems}) == 1


def test_v1_rows_out_of_order_cannot_be_found(tmp_path: Path) -> None:
    # In V1 the header names the tensors and each is looked up: the search misses the first.
    report = verify(v1(tmp_path, edit_rows=lambda rows: [rows[0], rows[2], rows[1]]))
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC106", None), ("TFC204", "f")]


def test_a_v1_file_that_cannot_be_opened_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = v1(tmp_path)
    refusing(monkeypatch, str(path))
    with pytest.raises(tfckpt.CheckpointError, match="Permission denied") as caught:
        verify(path)
    assert not isinstance(caught.value, tfckpt.CorruptCheckpointError)


def test_a_v1_shard_that_cannot_be_opened_does_not_hide_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1_shards(tmp_path)
    poke(tmp_path / "p", "-00001-of-00002", -9)  # the padding of the footer
    refusing(monkeypatch, "-00000-of-00002")
    report = verify(tmp_path / "p")
    found = [(p.code, Path(p.file or "").name) for p in report.problems]
    assert found == [("TFC309", "p-00000-of-00002"), ("TFC102", "p-00001-of-00002")]
