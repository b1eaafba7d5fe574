"""State files, and the checkpoints that they lead to: FORMAT 1.2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from located import assert_none, assert_value, state, v1, v1_shards, v2

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.layout import Location


def test_state_file(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "ckpt-2", 2)
    v2(tmp_path / "ckpt-3", 3)
    path = state(tmp_path, "ckpt-2")
    for spelled in (path, tmp_path, f"{tmp_path}/"):
        assert assert_value(spelled, 2) == Location("V2", f"{tmp_path}/ckpt-2".replace("//", "/"))
    assert tfckpt.latest_checkpoint(tmp_path) == prefix
    assert tfckpt.latest_checkpoint(os.fsencode(tmp_path)) == prefix


def test_state_file_of_another_name(tmp_path: Path) -> None:
    """As after a download (checkpoint.txt), or by `latest_filename`."""
    v2(tmp_path / "ckpt-1", 1)
    for name in ("checkpoint.txt", "latest"):
        assert_value(state(tmp_path, "ckpt-1", name), 1)


def test_state_file_of_a_v1_checkpoint(tmp_path: Path) -> None:
    v1(tmp_path / "m-1", 1)
    pattern = v1_shards(tmp_path / "m-2", 2)
    state(tmp_path, "m-1")
    assert_value(tmp_path, 1)
    for written in ("m-2-?????-of-00002", "m-2-00001-of-00002"):
        state(tmp_path, written)
        assert_value(tmp_path, 2)
    assert tfckpt.latest_checkpoint(tmp_path) == pattern


def test_state_paths_inside(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    v2(tmp_path / "sub" / "ckpt", 1)
    v2(tmp_path / "ckpt", 2)
    for written, value in (
        ("sub/ckpt", 1),
        ("./sub/ckpt", 1),
        ("sub/../ckpt", 2),
        (f"{tmp_path}/sub/ckpt", 1),
        ("./ckpt", 2),
    ):
        path = state(tmp_path, written)
        assert assert_value(path, value).notes == ()
    assert tfckpt.latest_checkpoint(tmp_path) == f"{tmp_path}/./ckpt"


@pytest.mark.parametrize(
    "written",
    [
        "/home/someone/runs/ckpt-1",
        "../outside/ckpt-1",
        "old/place/ckpt-1",
        r"C:\runs\ckpt-1",
        r"runs\ckpt-1",
        "~/ckpt-1",
        "gs://bucket/run/ckpt-1",
        "file:///old/ckpt-1",
    ],
)
def test_state_paths_of_a_moved_folder(tmp_path: Path, written: str) -> None:
    """By the last component, beside the state file; and never outside the folder."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    v2(outside / "ckpt-1", -1)
    prefix = v2(folder / "ckpt-1", 1)
    path = state(folder, written)
    for spelled in (folder, path):
        found = assert_value(spelled, 1)
        assert len(found.notes) == 1
        assert written in found.notes[0]
    assert tfckpt.latest_checkpoint(folder) == prefix


@pytest.mark.parametrize(
    "written", ["{outside}/ckpt-9", "../outside/ckpt-9", "{outside}/../outside/ckpt-9"]
)
def test_state_paths_are_not_followed_outside(tmp_path: Path, written: str) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    v2(outside / "ckpt-9", -9)
    v2(folder / "ckpt-1", 1)
    v2(tmp_path / "folder2", 2)
    path = state(folder, written.format(outside=outside))
    for spelled in (folder, path):
        assert_none(spelled, "ckpt-9", "ckpt-1")
    assert tfckpt.latest_checkpoint(folder) is None
    state(folder, f"{tmp_path}/folder2")
    assert tfckpt.latest_checkpoint(folder) is None


@pytest.mark.parametrize(
    "written", [r"a\000b", r"a\000/b", r"\000", r"x/\000/../ckpt", "/", "..", "../..", "x" * 5000]
)
def test_state_paths_that_cannot_be(tmp_path: Path, written: str) -> None:
    path = tmp_path / "checkpoint"
    path.write_text(f'model_checkpoint_path: "{written}"\n')
    for spelled in (path, tmp_path):
        with pytest.raises(tfckpt.CheckpointError):
            tfckpt.open(spelled)
    assert tfckpt.latest_checkpoint(tmp_path) is None


def test_empty_base_name_by_state(tmp_path: Path) -> None:
    v2(f"{tmp_path}/", 8)
    for written in (".", "./", str(tmp_path), f"{tmp_path}/"):
        path = state(tmp_path, written)
        for spelled in (path, tmp_path, f"{tmp_path}/"):
            assert_value(spelled, 8)
        latest = tfckpt.latest_checkpoint(tmp_path)
        assert latest is not None
        assert_value(latest, 8)


def test_latest_checkpoint_of_nothing(tmp_path: Path) -> None:
    v2(tmp_path / "ckpt-1")
    assert tfckpt.latest_checkpoint(tmp_path) is None
    assert tfckpt.latest_checkpoint(tmp_path / "missing") is None
    assert tfckpt.latest_checkpoint("a\0b") is None
    for content in (b"", b"\xff\xff", b"unknown: 1"):
        (tmp_path / "checkpoint").write_bytes(content)
        assert tfckpt.latest_checkpoint(tmp_path) is None
    state(tmp_path, "ckpt-1")
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-1")
    (tmp_path / "ckpt-1.index").unlink()
    assert tfckpt.latest_checkpoint(tmp_path) is None


def test_prefix_named_like_the_state_file(tmp_path: Path) -> None:
    v2(tmp_path / "checkpoint", 1)
    v2(tmp_path / "ckpt-2", 2)
    assert_value(tmp_path / "checkpoint", 1)
    state(tmp_path, "ckpt-2")
    assert any("file" in note for note in assert_value(tmp_path / "checkpoint", 1).notes)
    assert_value(tmp_path, 2)


def test_the_only_state_file_of_a_folder_can_have_any_name(tmp_path: Path) -> None:
    for step in (1, 2):
        v2(tmp_path / f"m-{step}", step)
    (tmp_path / "latest_model").write_text('# by hand\nmodel_checkpoint_path: "m-1"\n')
    assert any("latest_model" in note for note in assert_value(tmp_path, 1).notes)
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "m-1")
    text = 'all_model_checkpoint_timestamps: 1 model_checkpoint_path: "m-2"'
    (tmp_path / "best_model").write_text(text)
    assert_none(tmp_path)
    state(tmp_path, "m-2")
    assert assert_value(tmp_path, 2).notes == ()
