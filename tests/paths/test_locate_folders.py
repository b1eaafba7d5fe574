"""Folders, and the checkpoint that is taken of one: FORMAT 1.3."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import writers as w
from located import TENSORS, assert_none, assert_value, state, v1, v1_shards, v2

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.locate import locate


def test_the_only_checkpoint_of_a_folder(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "m", 1)
    (tmp_path / "readme.txt").write_text("text")
    (tmp_path / "m.meta").write_bytes(b"\x0a\x00")
    found = assert_value(tmp_path, 1)
    assert found.prefix == prefix
    assert any(prefix in note for note in found.notes)


def test_several_are_listed(tmp_path: Path) -> None:
    for i in range(3):
        v2(tmp_path / f"ckpt-{i}", i)
    v1(tmp_path / "old", 9)
    v1_shards(tmp_path / "older", 10)
    assert_none(
        tmp_path, "5 checkpoints", "ckpt-0", "ckpt-1", "ckpt-2", "old", "older-?????-of-00002"
    )
    for path in tmp_path.iterdir():
        os.utime(path, (1_000_000_000,) * 2)  # some file systems end in 2038
    for i, name in enumerate(("ckpt-1.index", "old", "older-00000-of-00002")):
        os.utime(tmp_path / name, (1_000_000_001 + i,) * 2)
        location = locate(tmp_path, latest=True)
        assert location.prefix.startswith(str(tmp_path / name.removesuffix(".index")[:4]))
    assert locate(tmp_path, latest=True).prefix == f"{tmp_path}/older-?????-of-00002"


def test_very_many_are_not_all_listed(tmp_path: Path) -> None:
    index = w.bundle_files(TENSORS)[".index"]
    for i in range(50):
        (tmp_path / f"ckpt-{i}.index").write_bytes(index)
    error = assert_none(tmp_path, "50 checkpoints", "more")
    assert len(str(error)) < 2000


def test_latest_does_not_overrule_a_state_file(tmp_path: Path) -> None:
    v2(tmp_path / "ckpt-1", 1)
    v2(tmp_path / "ckpt-2", 2)
    state(tmp_path, "ckpt-1")
    assert locate(tmp_path, latest=True).prefix == f"{tmp_path}/ckpt-1"


@pytest.mark.parametrize("content", [b"", b"\xff", b"unknown: 1", b'model_checkpoint_path: ""'])
def test_unusable_state_file_of_a_folder(tmp_path: Path, content: bytes) -> None:
    """Ignored with a note where the folder has only one checkpoint."""
    v2(tmp_path / "ckpt-1", 1)
    (tmp_path / "checkpoint").write_bytes(content)
    found = assert_value(tmp_path, 1)
    assert any("checkpoint" in note and "ignored" in note for note in found.notes)
    v2(tmp_path / "ckpt-2", 2)
    assert_none(tmp_path, "ckpt-1", "ckpt-2")
    with pytest.raises(tfckpt.CorruptCheckpointError):
        tfckpt.open(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    "leftover",
    [
        "m.index.tempstate12345678901234567890",
        "m.data-00000-of-00001.tempstate123",
        "old.tempstate99",
    ],
)
def test_leftovers_of_a_save_are_ignored(tmp_path: Path, leftover: str) -> None:
    """FORMAT 1.1: a file still being written, renamed at the end."""
    prefix = v2(tmp_path / "m", 1)
    (tmp_path / leftover).write_bytes((tmp_path / "m.index").read_bytes())
    assert assert_value(tmp_path, 1).prefix == prefix


def test_unmerged_shards_of_a_save(tmp_path: Path) -> None:
    folder = tmp_path / "m_temp"
    folder.mkdir()
    part = v2(folder / "part-00000-of-00002", 1)
    assert_value(part, 1)
    assert_value(folder, 1)
    assert_none(tmp_path)
    v2(folder / "part-00001-of-00002", 2)
    assert_none(folder, "2 checkpoints")


def test_saved_model(tmp_path: Path) -> None:
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        model = tmp_path / name.replace(".", "_")
        (model / "variables").mkdir(parents=True)
        (model / name).write_bytes(b"")
        prefix = v2(model / "variables" / "variables", 3)
        for path in (model, f"{model}/", model / name, model / "variables", prefix):
            assert assert_value(path, 3).prefix == prefix
        assert assert_value(model, 3).notes


def test_saved_model_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"")
    v2(tmp_path / "variables" / "variables", 3)
    monkeypatch.chdir(tmp_path)
    for path in ("saved_model.pb", ".", "./saved_model.pb", "variables"):
        assert_value(path, 3)


def test_saved_model_of_a_session_bundle(tmp_path: Path) -> None:
    """Old exports hold V1 shards, and no saved_model.pb."""
    v1_shards(tmp_path / "export", 4, shards=1)
    (tmp_path / "export.meta").write_bytes(b"\x0a\x00")
    assert_value(tmp_path, 4)


def test_saved_model_without_variables(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        assert_none(path, "no variables")


def test_foreign_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / ".zarray").write_text("{}")
    assert_none(tmp_path, "zarr")
    (tmp_path / "orbax").mkdir()
    (tmp_path / "orbax" / "_CHECKPOINT_METADATA").write_text("{}")
    assert_none(tmp_path / "orbax", "Orbax")
