"""`verify` as a whole: what can be verified, reports, levels, progress.

Each code by itself is in test_code_matrix.py; problems of one layer are in that layer's file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import writers as w
from defects import (
    DATA,
    FLOATS,
    GRID,
    INDEX,
    TILES,
    bundle,
    checkpoints,
    codes,
    good,
    shown,
    v1,
)
from failing_disks import refuse_data
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader import verify
from tfckpt_reader.storage import local as storage
from tfckpt_reader.verification import findings


def test_report_counts_what_was_checked(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    report = verify(prefix)
    assert report.ok
    assert report.problems == ()
    assert (report.path, report.version) == (str(prefix), "V2")
    assert report.tensors == len(good())
    assert report.nbytes == Path(f"{prefix}{DATA}").stat().st_size


@pytest.mark.parametrize("path", list(checkpoints()), ids=lambda p: str(p.relative_to(FIXTURES)))
def test_fixtures_are_sound(path: Path) -> None:
    # TensorFlow cannot read the oddity; partial.ckpt stores one slice of two.
    exceptions = {"registered_merge_oddity": ["TFC307"], "partial.ckpt": ["TFC204"]}
    expected = next((c for part, c in exceptions.items() if part in path.parts), [])
    report = verify(path)
    assert codes(report) == expected, shown(report)
    assert report.tensors > 0


def test_sound_in_every_layout(tmp_path: Path) -> None:
    tensors = {**good(), "g": w.Sliced(GRID, TILES), "v": w.Variants([(b"T", b"m", [])], (1,))}
    layouts: list[dict[str, Any]] = [
        {"block_size": 1, "restart_interval": 1},
        {"separators": "last", "handle_suffix": b"extra", "block_size": 50},
        {"compress": True, "index_compress": True},
        {"header": w.header(producer=7)},
        {"shards": 5},
    ]
    for number, layout in enumerate(layouts):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = verify(bundle(folder, tensors, **layout))
        assert codes(report) == [], f"{layout}: {shown(report)}"
        assert report.tensors == len(tensors)
    swapped_bytes, old = tmp_path / "big", tmp_path / "v1"
    swapped_bytes.mkdir()
    old.mkdir()
    assert codes(verify(bundle(swapped_bytes, good(), big_endian=True))) == []
    assert codes(verify(v1(old, {"g": w.Sliced(GRID, TILES), "f": FLOATS}))) == []


# What there is to verify.


def test_nothing_there_raises(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no", tmp_path / "no" / "such"):
        with pytest.raises(tfckpt.CheckpointNotFoundError):
            verify(path)


@pytest.mark.parametrize("suffix", ["", INDEX, DATA])
def test_any_path_to_it_will_do(suffix: str, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    paths: list[str | bytes | Path] = [f"{prefix}{suffix}", f"{prefix}{suffix}".encode()]
    for path in (*paths, Path(f"{prefix}{suffix}"), tmp_path):
        report = verify(path)
        assert report.ok
        assert report.path == str(prefix)
        assert bool(report.notes) == (os.fsdecode(path) != str(prefix))


@pytest.mark.parametrize(
    "contents", [b"<html>", b"PK\x03\x04", b"", b"junk" * 50], ids=["html", "zip", "empty", "junk"]
)
def test_another_file_is_a_finding(contents: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(contents)
    report = verify(path)
    assert codes(report) == ["TFC101"]
    assert (report.version, report.tensors, report.path) == ("", 0, str(path))
    assert report.problems[0].file == str(path)


def test_an_index_that_cannot_be_opened_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path)
    really = os.open

    def refuse(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith(INDEX):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(tfckpt.CheckpointError, match="Permission denied") as caught:
        verify(prefix)
    assert not isinstance(caught.value, tfckpt.CorruptCheckpointError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_finding_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(tfckpt.CheckpointError, match="not a regular file"):
        verify(tmp_path / "x")


def test_a_folder_that_is_called_missing(tmp_path: Path) -> None:
    folder = tmp_path / "what is missing"
    folder.mkdir()
    v1(folder)
    assert verify(folder).problems == ()


# Progress.


def test_progress_goes_up_to_the_total(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = verify(bundle(tmp_path), on_progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert {total for _, total in calls} == {report.nbytes}
    assert calls[-1][0] == report.nbytes


def test_interrupting_is_possible(tmp_path: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(bundle(tmp_path), on_progress=interrupt)


def test_the_search_ends_at_some_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of ten tensors is damaged; three are named, and it is said that there are more."""
    prefix = bundle(tmp_path, {f"t{i}": FLOATS for i in range(10)})
    data = Path(f"{prefix}{DATA}")
    data.write_bytes(bytes(byte ^ 1 for byte in data.read_bytes()))
    assert codes(verify(prefix)) == ["TFC401"] * 10
    monkeypatch.setattr(findings, "MOST_PROBLEMS", 3)
    report = verify(prefix)
    assert codes(report) == ["TFC401"] * 3 + ["TFC901"]
    assert "more than 3 problems" in report.problems[-1].what
    assert not report.ok


# Levels.


def test_only_level_data_reads_the_bytes_of_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path)
    monkeypatch.setattr(storage.File, "_pread", refuse_data(storage.File._pread))
    for level in ("index", "sizes"):
        report = verify(prefix, level=level)
        assert (report.ok, report.tensors, report.nbytes) == (True, len(good()), 0)
    with pytest.raises(AssertionError, match="data was read"):
        verify(prefix, level="data")


def test_there_are_no_other_levels(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    for level in ("", "all", "DATA"):
        with pytest.raises(ValueError, match="index, sizes, data, values"):
            verify(prefix, level=level)


def test_the_report_shows_the_level(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    assert str(verify(prefix)).endswith("(4 tensors, 40 bytes checked)")
    assert str(verify(prefix, level="index")).endswith("checked at level index)")
