"""Atomic files: the final name appears once the file is complete and synced."""

from __future__ import annotations

import builtins
import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tfckpt_reader.errors import CheckpointNotFoundError, ChecksumError
from tfckpt_reader.storage.writing.atomic import atomic_file, atomic_folder
from tfckpt_reader.storage.writing.unfinished import SUFFIX, name_beside

BEFORE = b"what was there before"
BROKEN = OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture(params=[False, True], ids=["new", "exists"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A path that is free, or taken."""
    path = tmp_path / "out.npz"
    if request.param:
        path.write_bytes(BEFORE)
    return path


def put(path: Path, contents: bytes, error: BaseException | None = None) -> None:
    """Write a file atomically; raise an error after its contents, if given."""
    with atomic_file(str(path)) as file:
        file.write(contents)
        if error is not None:
            raise error


def assert_untouched(path: Path, *, existed: bool) -> None:
    assert os.listdir(path.parent) == ([path.name] if existed else [])
    assert not existed or path.read_bytes() == BEFORE


def test_a_complete_file_gets_its_name(target: Path) -> None:
    put(target, b"abc")
    assert target.read_bytes() == b"abc"
    assert os.listdir(target.parent) == ["out.npz"]


def test_the_name_is_free_before(target: Path) -> None:
    existed = target.exists()
    with atomic_file(str(target)) as file:
        file.write(b"abc")
        file.flush()
        assert target.exists() == existed
        assert not existed or target.read_bytes() == BEFORE
        (name,) = set(os.listdir(target.parent)) - {"out.npz"}
        assert re.fullmatch(r"\.out\.npz\.[0-9a-f]+" + re.escape(SUFFIX), name)
    assert SUFFIX == ".tfckpt-unfinished"


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), SystemExit(3), ValueError("v"), MemoryError(), ChecksumError("c")],
    ids=lambda e: type(e).__name__,
)
def test_a_failure_leaves_nothing(target: Path, error: BaseException) -> None:
    existed = target.exists()
    with pytest.raises(type(error)) as caught:
        put(target, b"abc", error)
    assert caught.value is error
    assert_untouched(target, existed=existed)


def test_an_error_of_the_checkpoint_keeps_its_file(target: Path) -> None:
    """It is an OSError too, with a file and a message of its own."""
    error = CheckpointNotFoundError("shard 0 of 1 is missing", file="p.data", tensor="t")
    existed = target.exists()
    with pytest.raises(CheckpointNotFoundError) as caught:
        put(target, b"abc", error)
    assert caught.value is error
    assert_untouched(target, existed=existed)


def test_an_error_with_another_file_is_unchanged(target: Path) -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere")
    with pytest.raises(FileNotFoundError) as caught:
        put(target, b"abc", error)
    assert caught.value is error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT])
def test_a_write_error_names_the_target(target: Path, number: int) -> None:
    existed = target.exists()
    with pytest.raises(OSError, match=r"out\.npz") as caught:
        put(target, b"abc", OSError(number, os.strerror(number)))
    assert caught.value.errno == number
    assert caught.value.filename == str(target)
    assert SUFFIX not in str(caught.value)
    assert_untouched(target, existed=existed)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_at_the_end_leaves_nothing(
    step: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise BROKEN

    existed = target.exists()
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        put(target, b"abc")
    assert caught.value.errno == errno.EIO
    assert_untouched(target, existed=existed)


@pytest.mark.parametrize("relative", [False, True])
def test_the_file_is_synced_before_the_rename(
    relative: bool, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int]] = []
    really_sync, really_replace = os.fsync, os.replace
    folder = target.parent.stat().st_ino

    def fsync(fd: int) -> None:
        stat = os.fstat(fd)
        done.append(("folder", 0) if stat.st_ino == folder else ("file", stat.st_size))
        really_sync(fd)

    def replace(source: str, destination: str) -> None:
        done.append(("rename", os.path.getsize(source)))
        really_replace(source, destination)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.chdir(target.parent)
    put(Path(target.name) if relative else target, b"x" * 100_000)
    assert done[:2] == [("file", 100_000), ("rename", 100_000)]
    assert done[2:] == ([] if os.name == "nt" else [("folder", 0)])  # which has the new name


def test_a_folder_that_cannot_be_synced_is_no_error(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.fsync
    calls: list[int] = []

    def fsync(fd: int) -> None:
        calls.append(fd)
        if len(calls) > 1:
            raise BROKEN
        really(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    put(target, b"abc")
    assert target.read_bytes() == b"abc"
    assert len(calls) <= 2


def test_files_of_others_are_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that already has the temporary name stays."""
    monkeypatch.setattr(os, "urandom", bytes)
    taken = Path(name_beside(f"{tmp_path}/out.npz", SUFFIX))
    taken.write_bytes(BEFORE)
    with pytest.raises(FileExistsError):
        put(tmp_path / "out.npz", b"abc")
    assert taken.read_bytes() == BEFORE


@pytest.mark.parametrize("name", ["語" * 80 + ".npz", "x" * 255, "é" * 127, "a\n.npz"])
def test_every_name_that_the_system_accepts(name: str, tmp_path: Path) -> None:
    assert len(os.fsencode(name)) <= 255
    put(tmp_path / name, b"abc")
    assert os.listdir(tmp_path) == [name]


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(Path("out"), b"abc")
    assert os.listdir(tmp_path) == ["out"]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "no" / "out", b"abc")
    assert os.listdir(tmp_path) == []


def test_opening_fails(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    existed = target.exists()
    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(PermissionError) as caught:
        put(target, b"abc")
    monkeypatch.undo()
    assert caught.value.filename == str(target)
    assert_untouched(target, existed=existed)


# What is there already, or appears meanwhile.


def put_meanwhile(path: Path, *, folder: bool, theirs: str) -> None:
    """Write a file or a folder that replaces nothing, while somebody else takes its name."""
    context: Any = atomic_folder if folder else atomic_file
    with context(str(path), replace=False) as output:
        if folder:
            Path(output, "ours").write_bytes(b"ours")
        else:
            output.write(b"ours")
        if theirs == "file":
            path.write_bytes(BEFORE)
        else:
            path.mkdir()
            if theirs == "filled folder":
                (path / "theirs").write_bytes(BEFORE)


@pytest.mark.parametrize("theirs", ["file", "empty folder", "filled folder"])
@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("links", [False, True])
def test_what_appears_meanwhile_stays(
    folder: bool, links: bool, theirs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "out"
    with pytest.raises(FileExistsError, match="was put there meanwhile"):
        put_meanwhile(path, folder=folder, theirs=theirs)
    assert os.listdir(tmp_path) == ["out"]
    assert path.is_file() == (theirs == "file")
    if theirs != "file":
        assert os.listdir(path) == (["theirs"] if theirs == "filled folder" else [])


def no_links(*_: Any) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_new_name_on_a_disk_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    with atomic_file(str(tmp_path / "out"), replace=False) as file:
        file.write(b"abc")
    assert (tmp_path / "out").read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("folder", [False, True])
def test_permissions(folder: bool, tmp_path: Path) -> None:
    """Those of any new file; what is replaced hands its own on."""
    path = tmp_path / "out"
    context: Any = atomic_folder if folder else atomic_file
    before = os.umask(0o027)
    try:
        with context(str(path)):
            pass
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == (0o750 if folder else 0o640)
    path.chmod(0o700)
    with context(str(path)):
        pass
    assert path.stat().st_mode & 0o7777 == 0o700
