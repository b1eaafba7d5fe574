"""The walk of the folders below another; `verify_all` has the tests of what is found in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfckpt_reader.paths.discover import Discovery, walk

NEEDS_LINKS = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


def walked(top: Path, result: Discovery | None = None) -> list[tuple[str, list[str]]]:
    found = walk(str(top), result or Discovery())
    return [(os.path.relpath(folder, top), files) for folder, files in found]


def test_walk_goes_by_names_and_parents_first(tmp_path: Path) -> None:
    for folder in ("b/inner", "a/x", ".git/objects"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("z", "b/2", "b/1", "b/inner/3", ".git/4"):
        (tmp_path / file).write_bytes(b"")
    expected = [(".", ["z"]), ("a", []), ("a/x", []), ("b", ["1", "2"]), ("b/inner", ["3"])]
    expected = [(os.path.normpath(path), files) for path, files in expected]
    assert walked(tmp_path) == expected


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
    result = Discovery()
    assert walked(top, result) == [(".", ["file", "gone", "self"]), ("a", [])]
    (note,) = result.notes
    assert note.startswith(f"{top / 'away'} leads out of {top} ")


def test_walk_goes_on_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    really = os.scandir

    def scandir(path: str) -> object:
        if path == str(tmp_path / "a"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = Discovery()
    assert walked(tmp_path, result) == [(".", []), ("b", [])]
    assert result.unreadable == [(str(tmp_path / "a"), "Permission denied")]
    missing = str(tmp_path / "missing")
    result = Discovery()
    assert list(walk(missing, result)) == []
    assert [(path, bool(why)) for path, why in result.unreadable] == [(missing, True)]
