"""Data files of V2 that are missing, short, surplus or no regular files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from defects import (
    DATA,
    bundle,
    codes,
    good,
    only,
    refusing,
    with_file,
    without,
)

from tfckpt_reader import verify


def test_short_file_names_every_tensor_that_is_lost(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    os.truncate(f"{prefix}{DATA}", 18)  # `f` has the first 16
    report = verify(prefix)
    assert set(codes(report)) == {"TFC302"}
    assert [p.tensor for p in report.problems] == ["i", "s"]  # "zero" has no bytes
    assert {p.got for p in report.problems} == {"18 bytes"}
    assert report.problems[0].expected == "a file of at least 28 bytes"


def test_missing_file_is_one_problem_and_counts_its_tensors(tmp_path: Path) -> None:
    report = verify(without(tmp_path, DATA))
    problem = only(report)
    assert problem.file == str(tmp_path / f"p{DATA}")
    assert problem.tensor is None
    assert "4 tensors" in problem.what


def test_a_directory_for_a_data_file_is_one_problem(tmp_path: Path) -> None:
    prefix = without(tmp_path, DATA)
    Path(f"{prefix}{DATA}").mkdir()
    problem = only(verify(prefix))
    assert (problem.code, problem.file) == ("TFC309", f"{prefix}{DATA}")
    assert problem.what == "is not a regular file, with 4 tensors"


def test_a_web_page_for_a_data_file_says_so(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"f": np.zeros(1000, np.float32)})
    Path(f"{prefix}{DATA}").write_bytes(b"<html><title>404</title>")
    problem = only(verify(prefix))
    assert (problem.code, problem.tensor) == ("TFC302", "f")
    assert "HTML" in problem.what


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_to_nowhere_is_a_missing_file(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, shards=2, placement=dict.fromkeys(good(), 0))
    stray = Path(f"{prefix}.data-00001-of-00002")
    stray.unlink()
    stray.symlink_to("nowhere")
    assert verify(prefix).ok  # nobody needs it
    used = Path(f"{prefix}.data-00000-of-00002")
    used.unlink()
    used.symlink_to("nowhere")
    assert "TFC301" in codes(verify(prefix))


def test_a_data_file_with_leading_zeros_too_many(tmp_path: Path) -> None:
    prefix = with_file(".data-000007-of-00001", b"?")(tmp_path)
    assert set(codes(verify(prefix))) <= {"TFC308"}


def test_a_data_file_that_cannot_be_opened_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, shards=2)
    refusing(monkeypatch, ".data-00001-of-00002")
    problem = only(verify(prefix))
    assert problem.code == "TFC309"
    assert problem.file == f"{prefix}.data-00001-of-00002"
    assert problem.what == "cannot be opened: Permission denied, with 2 tensors"


def test_an_empty_data_file_that_the_header_counts_is_no_stray(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, shards=2, placement=dict.fromkeys(good(), 0))
    assert codes(verify(prefix)) == []
    Path(f"{prefix}.data-00001-of-00002").write_bytes(b"?")
    assert codes(verify(prefix)) == ["TFC308"]
    assert codes(verify(bundle(tmp_path / "..", {}))) == []
