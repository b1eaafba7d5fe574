"""Every way to name a checkpoint, and the errors about missing ones: FORMAT 1.1, 1.3."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.prefix import checkpoints_in

TENSORS: dict[str, Any] = {"a": np.array([1, 2]), "b": w.Strings([b"x"], ())}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 1234\n" % (b"0" * 64)


def v2(prefix: Path | str, value: int = 0, shards: int = 1) -> str:
    w.write_bundle(prefix, {**TENSORS, "value": np.array(value)}, shards=shards)
    return str(prefix)


def v1(path: Path | str, value: int = 0) -> str:
    w.write_v1(path, {**TENSORS, "value": np.array(value)})
    return str(path)


def v1_shards(base: Path | str, value: int = 0, shards: int = 2) -> str:
    w.write_v1_shards(base, {**TENSORS, "value": np.array(value)}, shards=shards)
    return f"{base}-?????-of-{shards:05d}"


def state(folder: Path, path: str, name: str = "checkpoint") -> Path:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    (folder / name).write_text(f'model_checkpoint_path: "{escaped}"\n', "utf-8")
    return folder / name


def assert_value(path: Any, value: int) -> Location:
    """Require that the checkpoint at a path has this value; return its location."""
    with tfckpt.open(path) as ckpt:
        assert ckpt["value"] == value
        assert set(ckpt) == {"a", "b", "value"}
        found = locate(path)
        assert set(found.notes) <= set(ckpt.notes)
        assert ckpt.version == found.version
        assert ckpt.reader.prefix == found.prefix
    return found


def assert_none(path: Any, *words: str) -> tfckpt.CheckpointError:
    with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        tfckpt.open(path)
    for word in words:
        assert word in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    return caught.value


# A prefix, and the files of a V2 checkpoint.


def test_prefix(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "model.ckpt-5", 5)
    assert assert_value(prefix, 5) == Location("V2", prefix)
    assert_value(tmp_path / "model.ckpt-5", 5)
    assert_value(os.fsencode(prefix), 5)


def test_relative_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    v2(tmp_path / "model.ckpt", 1)
    monkeypatch.chdir(tmp_path)
    for path in (
        "model.ckpt",
        "./model.ckpt",
        "model.ckpt.index",
        ".",
        "./",
        f"../{tmp_path.name}",
    ):
        assert_value(path, 1)


@pytest.mark.parametrize("end", [".index", ".data-00000-of-00002", ".data-00001-of-00002", ".meta"])
def test_files_of_a_checkpoint(tmp_path: Path, end: str) -> None:
    prefix = v2(tmp_path / "model.ckpt", 2, shards=2)
    (tmp_path / "model.ckpt.meta").write_bytes(b"\x0a\x00")
    found = assert_value(prefix + end, 2)
    assert found.prefix == prefix
    assert len(found.notes) == 1
    assert prefix + end in found.notes[0]


def test_data_file_that_is_missing(tmp_path: Path) -> None:
    """Its name identifies the checkpoint, though that shard is missing."""
    prefix = v2(tmp_path / "m", 2)
    assert_value(prefix + ".data-00007-of-00009", 2)
    assert_value(prefix + ".meta", 2)


def test_a_file_without_its_index(tmp_path: Path) -> None:
    v2(tmp_path / "m")
    (tmp_path / "m.meta").write_bytes(b"\x0a\x00")
    (tmp_path / "m.index").unlink()
    for end in (".data-00000-of-00001", ".meta", ""):
        assert_none(f"{tmp_path}/m{end}", ".index")
    assert_none(tmp_path, "m.data-00000-of-00001", ".index")


@pytest.mark.parametrize(
    "name", ["", ".", "..hidden", "a.index", "m.", "-", "ü漢", "a b", " ", "m\n"]
)
def test_odd_base_names(tmp_path: Path, name: str) -> None:
    prefix = v2(f"{tmp_path}/{name}", 3)
    assert_value(prefix, 3)
    assert_value(prefix + ".index", 3)
    assert_value(prefix + ".data-00000-of-00001", 3)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode here")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    v2(os.fsdecode(folder + b"/\xfe"), 4)
    assert_value(folder + b"/\xfe", 4)
    assert_value(os.fsdecode(folder), 4)
    assert_none(folder + b"/other")


def test_file_url(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "m", 5)
    assert_value("file://" + prefix, 5)


@pytest.mark.parametrize("scheme", ["gs", "s3", "hdfs", "https", "hf", "zip"])
def test_other_urls(scheme: str) -> None:
    with pytest.raises(tfckpt.CheckpointError, match=f"{scheme}:// paths are not read"):
        tfckpt.open(f"{scheme}://bucket/model.ckpt")


# FORMAT 1.3, the rows where something is ambiguous.


def test_prefix_that_is_also_a_folder(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "m", 1)
    (tmp_path / "m").mkdir()
    v2(tmp_path / "m" / "inside", 2)
    state(tmp_path / "m", "inside")
    found = assert_value(prefix, 1)
    assert any("folder" in note for note in found.notes)
    assert_value(prefix + "/", 2)


def test_v2_wins_over_v1(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "m", 2)
    v1(tmp_path / "m", 1)
    found = assert_value(prefix, 2)
    assert any("file" in note for note in found.notes)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = assert_none(tmp_path / "m")
    assert error.file == str(tmp_path / "m")
    assert_none(tmp_path / "no" / "such" / "m", "no folder")
    assert_none(tmp_path)
    assert_none(f"{tmp_path}/")
    monkeypatch.chdir(tmp_path)
    assert_none("")
    assert_none("m")


def test_similar_names_are_listed(tmp_path: Path) -> None:
    v2(tmp_path / "model.ckpt-10")
    v2(tmp_path / "other")
    error = assert_none(tmp_path / "model.ckpt-1", "model.ckpt-10")
    assert "other" not in str(error)


def test_never_a_glob(tmp_path: Path) -> None:
    v2(tmp_path / "abc")
    v1(tmp_path / "old")
    for pattern in ("a*", "a?c", "[a]bc", "{abc,x}", "o*", "*", "a*.index", "???"):
        assert_none(tmp_path / pattern)
    folder = tmp_path / "a[b]+ü"
    folder.mkdir()
    prefix = v2(folder / "m[0]*", 7)
    for path in (prefix, folder, f"{folder}/", prefix + ".index"):
        assert_value(path, 7)


# V1


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


# State files


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


# Folders


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


# Other files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LFS, ("Git LFS pointer", "1,234 bytes", "git lfs pull")),
        (b"<!DOCTYPE html>", ("HTML",)),
        (b"", ("empty",)),
        (b"\x89HDF\r\n\x1a\n", ("HDF5",)),
        (bytes(100), ("zero bytes",)),
        (b"\x80\x04\x95pickle", ("pickle",)),
    ],
)
def test_foreign_files_are_named(tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    v2(tmp_path / "m")
    (tmp_path / "m.index").write_bytes(content)
    (tmp_path / "model.ckpt").write_bytes(content)
    for path in ("m", "m.index", "model.ckpt"):
        with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
            tfckpt.open(tmp_path / path)
        for word in words:
            assert word in str(caught.value)
        assert (caught.value.file or "").startswith(str(tmp_path / path.split(".")[0]))


def test_data_file_that_is_a_pointer(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "m")
    Path(prefix + ".data-00000-of-00001").write_bytes(LFS[:5] + LFS[5:])
    (tmp_path / "big.index").write_bytes((tmp_path / "m.index").read_bytes())
    w.write_bundle(tmp_path / "big", {"t": np.zeros(1000)})
    (tmp_path / "big.data-00000-of-00001").write_bytes(LFS)
    with tfckpt.open(tmp_path / "big") as ckpt, pytest.raises(tfckpt.TruncatedError, match="LFS"):
        ckpt["t"]


def test_cut_v1_file(tmp_path: Path) -> None:
    path = Path(v1(tmp_path / "old"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        tfckpt.open(path)
    assert caught.value.file == str(path)


def test_foreign_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / ".zarray").write_text("{}")
    assert_none(tmp_path, "zarr")
    (tmp_path / "orbax").mkdir()
    (tmp_path / "orbax" / "_CHECKPOINT_METADATA").write_text("{}")
    assert_none(tmp_path / "orbax", "Orbax")


def test_folder_named_like_an_index(tmp_path: Path) -> None:
    (tmp_path / "m.index").mkdir()
    assert_none(tmp_path / "m")
    assert_none(tmp_path)
    v2(tmp_path / "m.index" / "x", 1)
    assert_value(tmp_path / "m.index", 1)


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_pipes_devices_and_links(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "m.index")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.index").symlink_to("loop.index")
    for name in ("pipe", "m", "m.index", "loop"):
        with pytest.raises(tfckpt.CheckpointError):
            tfckpt.open(tmp_path / name)
    with pytest.raises(tfckpt.CheckpointError, match="not a regular file"):
        tfckpt.open("/dev/null")
    assert_none(tmp_path)
    (tmp_path / "real").mkdir()
    v2(tmp_path / "real" / "m", 6)
    (tmp_path / "link").symlink_to("real")
    for path in (tmp_path / "link", tmp_path / "link" / "m"):
        assert_value(path, 6)


def test_impossible_paths(tmp_path: Path) -> None:
    for path in ("a\0b", f"{tmp_path}/a\0/b", "x" * 5000, f"{tmp_path}/{'x' * 300}", "a\0.index"):
        with pytest.raises(tfckpt.CheckpointError):
            tfckpt.open(path)
    others: tuple[Any, ...] = (None, 5, 1.5, ["a"])
    for other in others:
        with pytest.raises(TypeError):
            tfckpt.open(other)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    prefix = v2(tmp_path / "m")
    Path(prefix + ".index").chmod(0)
    with pytest.raises(tfckpt.CheckpointError, match="Permission"):
        tfckpt.open(prefix)
