"""Paths to one checkpoint, and files that are none: FORMAT 1.1, 1.3."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from located import LFS, assert_none, assert_value, state, v1, v2

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.storage.remote import stores


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
def test_urls_without_a_library(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "find_spec", lambda _name: None)
    with pytest.raises(tfckpt.CheckpointError, match=f"{scheme}:// paths need a lib.*Install"):
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
