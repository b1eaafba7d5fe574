"""Folders in a folder: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from conversions import contents

from tfckpt_reader.storage.writing.tree import atomic_tree
from tfckpt_reader.storage.writing.unfinished import remove


def test_files_in_folders(tmp_path: Path) -> None:
    with atomic_tree(str(tmp_path / "t")) as put:
        put("a/b/c", b"1")
        put("a/d", bytearray(b"2"))
        put("e", b"")
        assert not (tmp_path / "t").exists()
    assert contents(tmp_path / "t") == {"a/b/c": b"1", "a/d": b"2", "e": b""}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_error_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def write() -> None:
        with atomic_tree(str(tmp_path / "t")) as put:
            put("a/b/c", b"1")
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_former_one_is_replaced(tmp_path: Path) -> None:
    for number in (b"1", b"2"):
        with atomic_tree(str(tmp_path / "t"), {"a"}) as put:
            put(f"a/{number.decode()}/x", number)
    assert contents(tmp_path / "t") == {"a/2/x": b"2"}


def test_deep_folders_are_removed_but_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_bytes(b"stays")
    deep = tmp_path / "t" / "/".join("x" * 500)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"")
    (tmp_path / "t" / "link").symlink_to(tmp_path / "other")
    remove(str(tmp_path / "t"))
    assert contents(tmp_path) == {"other/file": b"stays"}
