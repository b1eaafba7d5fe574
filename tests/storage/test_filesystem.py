"""The file-system seam: each question has an answer for missing, odd and unreadable paths too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfckpt_reader.storage import filesystem as fs

NEEDS_LINKS = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


def test_names_are_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b", "a", "B", ".c"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d").mkdir()
    assert fs.list_names(str(tmp_path)) == [".c", "B", "a", "b", "d"]
    monkeypatch.chdir(tmp_path / "d")
    assert fs.list_names("") == []
    assert fs.list_names("..") == [".c", "B", "a", "b", "d"]


@pytest.mark.parametrize("path", ["missing", "missing/inner", "a\0b", "x" * 5000])
def test_missing_and_impossible_paths(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fs.list_names(path) == []
    assert [ask(path) for ask in (fs.exists, fs.is_file, fs.is_folder)] == [False] * 3
    assert fs.peek(path, 5) == fs.peek(path, 5, at_end=True) == b""


def test_missing_files(tmp_path: Path) -> None:
    path = str(tmp_path / "missing")
    assert fs.size_of(path) == 0
    assert fs.state_of(path) is None
    assert not fs.is_same_file(path, path)
    with pytest.raises(FileNotFoundError):
        fs.modified_time(path)


def test_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"0123456789")
    os.utime(path, ns=(0, 1_500_000_000_000_000_000))
    assert fs.exists(path)
    assert fs.is_file(path)
    assert fs.is_permitted(path)
    assert not fs.is_folder(path)
    assert fs.list_names(path) == []
    assert fs.size_of(path) == 10
    assert fs.modified_time(path) == 1.5e9
    state = fs.state_of(path)
    assert state is not None
    assert state[:2] == (10, 1_500_000_000_000_000_000)
    assert fs.is_same_file(path, f"{tmp_path}/../{tmp_path.name}/file")
    assert fs.absolute_path(f"{tmp_path}/x/../file") == path


def test_either_end_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"0123456789")
    assert (fs.peek(path, 3), fs.peek(path, 3, at_end=True)) == (b"012", b"789")
    assert fs.peek(path, 20) == fs.peek(path, 20, at_end=True) == b"0123456789"
    assert fs.peek(str(tmp_path), 3) == fs.peek(str(tmp_path), 3, at_end=True) == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not fs.is_file(str(tmp_path / "pipe"))
    assert fs.peek(str(tmp_path / "pipe"), 3, at_end=True) == b""


@NEEDS_LINKS
def test_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("real")
    real, link = f"{tmp_path}/real/file", f"{tmp_path}/link/file"
    assert fs.is_file(link)
    assert fs.is_same_file(real, link)
    assert fs.real_path(link) == os.path.realpath(real)
    assert fs.absolute_path(link) == link


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        ("s3://bucket/a", "b", "s3://bucket/a/b"),
        ("s3://bucket/a/", "b", "s3://bucket/a/b"),
        ("s3://bucket/a", "", "s3://bucket/a/"),
        ("memory+1://", "b", "memory+1://b"),
        ("s3://bucket/a", "gs://other/b", "gs://other/b"),
        ("s3://bucket/a", "/b", "/b"),
        ("", "gs://other/b", os.path.join(".", "gs://other/b")),
        ("folder", "gs://other/b", os.path.join("folder", "gs://other/b")),
        ("folder", "b", os.path.join("folder", "b")),
    ],
)
def test_join(folder: str, name: str, path: str) -> None:
    assert fs.join(folder, name) == path
    assert fs.is_url(path) == (fs.is_url(folder) and name != "/b")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("s3://bucket/a/b", ("s3://bucket/a", "b")),
        ("s3://bucket/a/", ("s3://bucket/a", "")),
        ("s3://bucket", ("s3://", "bucket")),
        ("memory+1://b", ("memory+1://", "b")),
        ("a/b", ("a", "b")),
        ("a://b", ("a:", "b")),
    ],
)
def test_split(path: str, parts: tuple[str, str]) -> None:
    assert fs.split(path) == parts
    assert fs.folder_of(path) == parts[0]


def test_absolute_urls() -> None:
    assert fs.absolute_path("s3://bucket/a/./b/../c/") == "s3://bucket/a/c"
    assert fs.real_path("s3://bucket") == "s3://bucket"
    assert fs.absolute_path("memory+1:///a/../b") == "memory+1:///b"


def test_a_file_url(tmp_path: Path) -> None:
    assert fs.path_of(f"file://{tmp_path}") == str(tmp_path)
    assert fs.path_of(b"a\xff") == os.fsdecode(b"a\xff")
