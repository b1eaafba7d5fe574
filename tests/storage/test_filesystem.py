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
    assert fs.read_start(path, 5) == fs.read_end(path, 5) == b""


def test_missing_files(tmp_path: Path) -> None:
    path = str(tmp_path / "missing")
    assert fs.size_of(path) == 0
    assert fs.version_of(path) is None
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
    assert fs.version_of(path) == (10, 1_500_000_000_000_000_000)
    assert fs.is_same_file(path, f"{tmp_path}/../{tmp_path.name}/file")
    assert fs.absolute_path(f"{tmp_path}/x/../file") == path


def test_either_end_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"0123456789")
    assert (fs.read_start(path, 3), fs.read_end(path, 3)) == (b"012", b"789")
    assert fs.read_start(path, 20) == fs.read_end(path, 20) == b"0123456789"
    assert fs.read_start(str(tmp_path), 3) == fs.read_end(str(tmp_path), 3) == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not fs.is_file(str(tmp_path / "pipe"))
    assert fs.read_end(str(tmp_path / "pipe"), 3) == b""


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


def walked(top: Path, skipped: tuple[str, ...] = ()) -> list[tuple[str, list[str]]]:
    return [(os.path.relpath(each.path, top), each.files) for each in fs.walk(str(top), skipped)]


def test_walk_goes_by_names_and_parents_first(tmp_path: Path) -> None:
    for folder in ("b/inner", "a/x", ".git/objects"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("z", "b/2", "b/1", "b/inner/3", ".git/4"):
        (tmp_path / file).write_bytes(b"")
    expected = [(".", ["z"]), ("a", []), ("a/x", []), ("b", ["1", "2"]), ("b/inner", ["3"])]
    expected = [(os.path.normpath(path), files) for path, files in expected]
    assert walked(tmp_path, (".git",)) == expected


@NEEDS_LINKS
def test_walk_follows_no_links(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (tmp_path / "top2").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for name, target in (
        ("a/up", ".."),
        ("again", "a"),
        ("away", "../top2"),
        ("file", "../file"),
        ("gone", "nowhere"),
        ("self", "self"),
    ):
        (top / name).symlink_to(target)
    first, second = fs.walk(str(top), ())
    assert first.files == ["file", "gone", "self"]
    assert first.links_out == [str(top / "away")]
    assert (second.files, second.links_out) == ([], [])


def test_walk_goes_on_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    really = os.scandir

    def scandir(path: str) -> object:
        if path == str(tmp_path / "a"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [each.error for each in fs.walk(str(tmp_path), ())] == [None, "Permission denied", None]
    (missing,) = fs.walk(str(tmp_path / "missing"), ())
    assert missing.error
