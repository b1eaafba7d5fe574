"""Copies of single files, made by file managers, browsers and by hand: no second checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import writers as w
from located import assert_none, assert_value, v2

import tfckpt_reader as tfckpt

COPIES = [
    *("m - Copy", "m - Copy (2)", "Copy of m", "m copy", "m copy 2", "m 2", "m (1)", "m(1)"),
    *("m-DESKTOP-A1B2", "~$m"),
]
OTHERS = [".1", " (1)", ".old", "_", ".gz", ".lock", ".icloud", ":Zone.Identifier"]
DATA = ".data-00000-of-00001"


def copied(folder: Path, ending: str, name: str) -> None:
    shutil.copy(folder / f"m{ending}", folder / name)


@pytest.mark.parametrize("base", COPIES)
def test_a_copy_of_one_file_is_no_checkpoint(base: str, tmp_path: Path) -> None:
    v2(tmp_path / "m", 1)
    for ending in (".index", DATA):
        copied(tmp_path, ending, base + ending)
        assert_value(tmp_path, 1)
        reports = tfckpt.verify_all(tmp_path)
        assert [report.path for report in reports if report.version] == [f"{tmp_path}/m"]
        assert all(report.ok for report in reports)
        (tmp_path / (base + ending)).unlink()


@pytest.mark.parametrize("ending", OTHERS)
def test_an_index_with_another_ending_is_no_v1_checkpoint(ending: str, tmp_path: Path) -> None:
    v2(tmp_path / "m", 1)
    copied(tmp_path, ".index", f"m.index{ending}")
    assert_value(tmp_path, 1)


def test_a_copy_of_both_files_is_a_checkpoint(tmp_path: Path) -> None:
    v2(tmp_path / "m", 1)
    v2(tmp_path / "m (1)", 2)
    assert_none(tmp_path, "2 checkpoints")
    assert_value(tmp_path / "m (1)", 2)


def test_an_index_alone_that_is_no_copy_counts(tmp_path: Path) -> None:
    v2(tmp_path / "m", 1)
    v2(tmp_path / "m 2", 2)  # of the same size
    (tmp_path / f"m 2{DATA}").unlink()
    assert not all(report.ok for report in tfckpt.verify_all(tmp_path))


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_the_unity_editor_is_no_graph(version: int, tmp_path: Path) -> None:
    """Unity gives each asset a .meta file; that of a V1 checkpoint has the name of its graph."""
    if version == 1:
        w.write_v1(tmp_path / "m", {"value": np.ones(2, np.float32)})
    else:
        v2(tmp_path / "m", 1)
    (tmp_path / "m.meta").write_text("fileFormatVersion: 2\nguid: 0123\n", "ascii")
    report = tfckpt.verify(tmp_path / "m")
    assert (report.ok, report.problems) == (True, ())
    with tfckpt.open(tmp_path / "m") as ckpt:
        assert ckpt.meta_graph is None
