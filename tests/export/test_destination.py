"""Targets: what exists is kept, and a file takes its name when it is complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import SOURCES, left, load
from defects import bundle

from tfckpt_reader.export import convert as write
from tfckpt_reader.storage.writing.unfinished import SUFFIX


def test_permissions_are_those_of_any_file(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    (tmp_path / "plain").write_bytes(b"")
    write(source, tmp_path / "out.npz")
    assert (tmp_path / "out.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_target_exists(tmp_path: Path) -> None:
    source, target = bundle(tmp_path), tmp_path / "out.npz"
    target.write_bytes(b"before")
    with pytest.raises(FileExistsError, match=r"out\.npz.*--force"):
        write(source, target)
    assert target.read_bytes() == b"before"
    write(source, target, force=True)
    assert "f" in load(target)


@pytest.mark.parametrize("link", [False, True])
def test_the_checkpoint_itself_is_never_the_target(link: bool, tmp_path: Path) -> None:
    """A V1 file may be called anything."""
    source = target = tmp_path / "weights.npz"
    w.write_v1(source, {"a": np.arange(3, dtype="f4")})
    before = source.read_bytes()
    if link:
        target = tmp_path / "link.npz"
        os.link(source, target)
    with pytest.raises(FileExistsError, match="the checkpoint itself"):
        write(source, target, force=True)
    assert source.read_bytes() == target.read_bytes() == before


def test_target_exists_is_said_before_anything_is_read(tmp_path: Path) -> None:
    target = tmp_path / "out.npz"
    target.write_bytes(b"before")
    with pytest.raises(FileExistsError):
        write(tmp_path / "no checkpoint", target)


def test_target_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write(bundle(tmp_path), tmp_path / "no" / "out.npz")
    assert str(tmp_path / "no") in str(caught.value)
    assert SUFFIX not in str(caught.value)


@pytest.mark.parametrize("force", [False, True])
def test_target_is_a_folder(force: bool, tmp_path: Path) -> None:
    source, target = bundle(tmp_path), tmp_path / "out.npz"
    target.mkdir()
    with pytest.raises(OSError, match=r"out\.npz"):
        write(source, target, force=force)
    assert left(tmp_path) == ["out.npz"]


def test_targets_with_odd_names(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    for name in ("語" * 80 + ".npz", "n" * 251 + ".npz", ".npz", "a b.npz", "-x.npz"):
        assert len(name.encode()) <= 255
        write(source, tmp_path / name)
        assert "f" in load(tmp_path / name)


def test_target_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bundle(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert write(source, "out.npz").path == "out.npz"
    assert left(tmp_path) == ["out.npz"]


def test_it_is_written_aside_in_the_same_folder(tmp_path: Path) -> None:
    source = SOURCES["plain"](tmp_path)
    seen: list[list[str]] = []
    write(source, tmp_path / "out.npz", on_progress=lambda *_: seen.append(left(tmp_path)))
    assert {len(names) for names in seen} == {1}
    assert all(name.endswith(SUFFIX) for names in seen for name in names)


@pytest.mark.parametrize("name", ["out.npz", "out.safetensors", "out/", "out.ckpt"])
def test_what_is_put_there_meanwhile_stays(name: str, tmp_path: Path) -> None:
    """Nothing is replaced without `force`, whenever it came."""
    source = SOURCES["plain"](tmp_path)
    bundled: dict[str, Any] = {"format": "tf"} if name == "out.ckpt" else {}
    path = tmp_path / f"{name}.index" if bundled else tmp_path / name

    def put(_done: int, _total: int) -> None:
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
            (path / "theirs").write_bytes(b"theirs")
        else:
            path.write_bytes(b"theirs")

    with pytest.raises(FileExistsError, match="was put there meanwhile"):
        write(source, f"{tmp_path}/{name}", on_progress=put, **bundled)
    assert left(tmp_path) == [path.name]
    theirs = path / "theirs" if name.endswith("/") else path
    assert theirs.read_bytes() == b"theirs"
