"""Paths that are no checkpoint: the exit code and the line of every command."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import writers as w
from commands import Run, one_line
from defects import DATA, FLOATS, INDEX, bundle, poke

# Paths that are no checkpoint.

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
TORCH = b"PK\x03\x04" + bytes(22) + b"\x10\0\0\0archive/data.pkl" + bytes(100)


def as_file(contents: bytes) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / "x").write_bytes(contents)
        return folder / "x"

    return build


def as_index(contents: bytes) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / f"p{INDEX}").write_bytes(contents)
        (folder / f"p{DATA}").write_bytes(b"")
        return folder / "p"

    return build


def several(folder: Path) -> Path:
    for name in ("one", "two"):
        w.write_bundle(folder / name, {"f": FLOATS})
    return folder


def state(text: str) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / "checkpoint").write_text(text, encoding="utf-8")
        return folder / "checkpoint"

    return build


def orbax(folder: Path) -> Path:
    (folder / "_CHECKPOINT_METADATA").write_text("{}")
    return folder


def lost_index(folder: Path) -> Path:
    prefix = bundle(folder)
    Path(f"{prefix}{INDEX}").unlink()
    return prefix


def saved_model_without_variables(folder: Path) -> Path:
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    return folder


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x")
    return folder / "x"


# What is there, the exit code, and a word of the line that says so.
BAD_PATHS: dict[str, tuple[Callable[[Path], Path | str], int, str]] = {
    "missing": (lambda folder: folder / "no", 2, "no checkpoint"),
    "missing folder": (lambda folder: folder / "no" / "p", 2, "no folder"),
    "empty folder": (lambda folder: folder, 2, "no checkpoint in this folder"),
    "several": (several, 2, "2 checkpoints"),
    "no index": (lost_index, 2, "index"),
    "state that names nothing there": (state('model_checkpoint_path: "gone"'), 2, "gone"),
    "SavedModel without variables": (saved_model_without_variables, 2, "variables"),
    "Orbax": (orbax, 2, "Orbax"),
    "url": (lambda _: "s3://bucket/p", 2, "s3://"),
    "web page": (as_file(b"<!DOCTYPE html><html>"), 1, "HTML"),
    "LFS pointer": (as_file(LFS), 1, "12,345 bytes"),
    "PyTorch": (as_file(TORCH), 1, "PyTorch"),
    "HDF5": (as_file(b"\x89HDF\r\n\x1a\n"), 1, "HDF5"),
    "npz": (as_file(b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy"), 1, "npz"),
    "empty file": (as_file(b""), 1, "empty"),
    "junk": (as_file(bytes(range(256))), 1, "no checkpoint"),
    "index is a web page": (as_index(b"<html>"), 1, "HTML"),
    "index is an LFS pointer": (as_index(LFS), 1, "git lfs pull"),
    "index is empty": (as_index(b""), 1, "empty"),
    "index is zeros": (as_index(bytes(500)), 1, "zero bytes"),
    "damaged state file": (state("model_checkpoint_path: unquoted"), 1, "checkpoint"),
    "damaged index": (lambda folder: poke(bundle(folder), INDEX, 3), 1, "crc"),
}
if hasattr(os, "mkfifo"):
    BAD_PATHS["pipe"] = (pipe, 2, "not a regular file")


@pytest.mark.parametrize("kind", BAD_PATHS)
@pytest.mark.parametrize("command", ["ls", "show", "convert"])
def test_bad_path(run: Run, kind: str, command: str, tmp_path: Path) -> None:
    build, code, word = BAD_PATHS[kind]
    more: dict[str, list[object]] = {"show": ["f"], "convert": [tmp_path / "out.npz"]}
    done = run(command, build(tmp_path), *more.get(command, []))
    assert (done.code, done.out) == (code, "")
    assert word in one_line(done.err)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("kind", BAD_PATHS)
def test_bad_path_in_verify(run: Run, kind: str, tmp_path: Path) -> None:
    """What is there and wrong is a finding, on stdout; what is not there is none."""
    build, code, word = BAD_PATHS[kind]
    path = build(tmp_path)
    done = run("verify", path)
    assert done.code == code
    if code == 2:
        assert done.out == ""
        assert word in one_line(done.err)
        return
    assert done.err == ""
    problem, *_, total = done.lines
    assert problem.startswith("error TFC")
    assert word in problem
    assert "1 error" in total
    document = run("verify", path, "--json").json
    assert (document["ok"], len(document["problems"])) == (False, 1)


def test_several_and_the_latest(run: Run, tmp_path: Path) -> None:
    several(tmp_path)
    os.utime(tmp_path / f"two{INDEX}", (1, 1))
    w.write_bundle(tmp_path / "one", {"newest": FLOATS})
    line = one_line(run("ls", tmp_path).err)
    for part in ("--latest", "one", "two"):
        assert part in line
    commands: list[Sequence[object]] = [
        ("ls", tmp_path),
        ("verify", tmp_path),
        ("show", tmp_path, "newest"),
        ("convert", tmp_path, tmp_path / "out.npz"),
    ]
    for command in commands:
        done = run(*command, "--latest")
        assert done.code == 0, done.err
        assert str(tmp_path / "one") in done.err, "says which it took"


def test_assumptions_go_to_stderr(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    for command in (["ls"], ["verify"], ["show", "f"], ["convert", str(tmp_path / "out.npz")]):
        done = run(command[0], f"{prefix}{DATA}", *command[1:])
        assert done.code == 0
        assert done.err.startswith("tfckpt: note: ")
        assert str(prefix) in done.err
        assert "note" not in done.out
    for command in (["ls"], ["verify"], ["show", "f"], ["convert", str(tmp_path / "2.npz")]):
        notes = run(command[0], f"{prefix}{INDEX}", *command[1:], "--json").json["notes"]
        assert [str(prefix) in note for note in notes] == [True]


def test_folder_with_glob_characters(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*?"
    folder.mkdir()
    assert run("ls", bundle(folder)).code == 0
