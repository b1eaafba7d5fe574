"""V1 files and shards, and the ways to name them: FORMAT 1.1, 1.3."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from located import assert_none, assert_value, state, v1, v1_shards

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.layout import Location, checkpoints_in
from tfckpt_reader.paths.locate import locate


def test_v1_file(tmp_path: Path) -> None:
    path = v1(tmp_path / "model.ckpt", 1)
    assert assert_value(path, 1) == Location("V1", path, (path,))
    (tmp_path / "model.ckpt.meta").write_bytes(b"\x0a\x00")
    found = assert_value(path + ".meta", 1)
    assert any(".meta" in note for note in found.notes)
    assert_value(tmp_path, 1)


@pytest.mark.parametrize("base", ["model.ckpt", "m-5", "a[b]*?"])
def test_v1_shards(tmp_path: Path, base: str) -> None:
    pattern = v1_shards(tmp_path / base, 2)
    (tmp_path / f"{base}.meta").write_bytes(b"\x0a\x00")
    files = tuple(f"{tmp_path}/{base}-{i:05d}-of-00002" for i in (0, 1))
    for path in (pattern, f"{tmp_path}/{base}-?????-of-?????", *files, f"{tmp_path}/{base}"):
        found = assert_value(path, 2)
        assert (found.version, found.prefix, found.files) == ("V1", pattern, files)
    assert assert_value(pattern, 2).notes == ()
    assert any(".meta" in note for note in assert_value(f"{tmp_path}/{base}.meta", 2).notes)
    assert_value(tmp_path, 2)


def test_v1_shard_for_the_set_is_noted(tmp_path: Path) -> None:
    v1_shards(tmp_path / "m", 2)
    for path in (tmp_path / "m-00001-of-00002", tmp_path / "m"):
        assert assert_value(path, 2).notes


def test_v1_sets_of_other_counts(tmp_path: Path) -> None:
    v1_shards(tmp_path / "m", 2, shards=2)
    v1_shards(tmp_path / "m", 3, shards=3)
    assert_value(tmp_path / "m-?????-of-00002", 2)
    assert_value(tmp_path / "m-00001-of-00003", 3)
    for path in ("m", "m-?????-of-?????"):
        assert_none(tmp_path / path, "m-?????-of-00002", "m-?????-of-00003")
    assert_none(tmp_path / "m-?????-of-00004")


def test_v1_set_with_a_shard_lost(tmp_path: Path) -> None:
    pattern = v1_shards(tmp_path / "m", shards=3)
    (tmp_path / "m-00001-of-00003").unlink()
    with tfckpt.open(pattern) as ckpt:
        assert any("shard 1 of 3" in note for note in ckpt.notes)
        assert 0 < len(ckpt) < 3
    for path in (tmp_path / "m-00000-of-00003", tmp_path / "m-00001-of-00003"):
        assert locate(path).prefix == pattern


def test_v1_name_of_a_set_of_very_many(tmp_path: Path) -> None:
    v1(tmp_path / "m-00000-of-99999999")
    with tfckpt.open(tmp_path / "m-00000-of-99999999") as ckpt:
        assert sum("missing" in note for note in ckpt.notes) == 1


def test_v1_file_beside_shards_of_its_name(tmp_path: Path) -> None:
    """The name means the file, as in TensorFlow; a folder of both is ambiguous."""
    path = v1(tmp_path / "m", 1)
    pattern = v1_shards(tmp_path / "m", 2)
    assert assert_value(path, 1) == Location("V1", path, (path,))
    assert_value(pattern, 2)
    assert_none(tmp_path, path, pattern)
    state(tmp_path, "m")
    assert_value(tmp_path, 1)


def test_v1_shard_count_of_any_length(tmp_path: Path) -> None:
    """More digits than Python converts to a number."""
    v1_shards(tmp_path / "m")
    name = "m-00000-of-" + "1" * 5000
    assert_none(tmp_path / name)
    state(tmp_path, name)
    assert_none(tmp_path)
    assert tfckpt.latest_checkpoint(tmp_path) is None


def test_a_folder_of_many_shards_is_listed_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1_shards(tmp_path / "m", shards=40)
    v1(tmp_path / "single")
    listdir = Mock(side_effect=os.listdir)
    monkeypatch.setattr(os, "listdir", listdir)
    assert len(checkpoints_in(str(tmp_path))) == 2
    assert listdir.call_count < 5


def test_v1_file_under_a_sharded_name(tmp_path: Path) -> None:
    v1(tmp_path / "export-00000-of-00001", 4)
    for name in ("export-00000-of-00001", "export-?????-of-00001", "export"):
        assert_value(tmp_path / name, 4)
