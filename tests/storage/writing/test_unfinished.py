"""Temporary files: removed at any end, and by the next run where their run surely ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import tfckpt_reader
from tfckpt_reader.storage.writing import unfinished
from tfckpt_reader.storage.writing.unfinished import REPLACED, SUFFIX, clean_up, remove_leftovers

_WRITER = """
import os, sys
from tfckpt_reader.storage.writing.atomic import atomic_file, atomic_folder

path, kind = sys.argv[1:]
with (atomic_folder if kind == "folder" else atomic_file)(path) as output:
    if kind == "folder":
        open(os.path.join(output, "a.npy"), "wb").close()
    print("begun", flush=True)
    sys.stdin.read()
"""
needs_locks = pytest.mark.skipif(os.name == "nt", reason="no locks of folders there")


@pytest.fixture(params=["file", "folder"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> subprocess.Popen[str]:
    """A process in the midst of writing."""
    child = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path / "out"), request.param],
        env={**os.environ, "PYTHONPATH": str(Path(tfckpt_reader.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


def ended(child: subprocess.Popen[str]) -> int:
    child.communicate()
    return child.returncode


@needs_locks
def test_the_living_are_left_alone(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    assert remove_leftovers(str(tmp_path)) == []
    (name,) = os.listdir(tmp_path)
    assert name.endswith(SUFFIX)
    assert ended(writer) == 0
    assert os.listdir(tmp_path) == ["out"]


@needs_locks
def test_what_the_killed_left_is_removed(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    writer.kill()
    assert ended(writer) == -signal.SIGKILL
    (name,) = os.listdir(tmp_path)
    assert remove_leftovers(str(tmp_path)) == [f"removed {name}, left by a run that was killed"]
    assert os.listdir(tmp_path) == []


@needs_locks
def test_of_another_machine(
    writer: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.kill()
    ended(writer)
    monkeypatch.setattr(unfinished, "_machine", lambda: "00000000")
    (said,) = remove_leftovers(str(tmp_path))
    assert "remove it if no run writes it" in said
    assert os.listdir(tmp_path)


def test_names_of_others(tmp_path: Path) -> None:
    (tmp_path / f"mine{SUFFIX}").touch()
    (tmp_path / f".o.0{REPLACED}").mkdir()
    (tmp_path / "out.npz").touch()
    before = sorted(os.listdir(tmp_path))
    assert len(remove_leftovers(str(tmp_path))) == 2
    assert sorted(os.listdir(tmp_path)) == before
    assert remove_leftovers(str(tmp_path / "none")) == []


@needs_locks
def test_another_run_removes_what_is_not_locked_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making and the lock: the writer notices, and makes another."""
    taken: list[str] = []
    really = unfinished._locked

    def locked(path: str) -> int:
        fd = really(path)
        if not taken:
            taken.append(path)
            os.unlink(path)
        return fd

    monkeypatch.setattr(unfinished, "_locked", locked)
    with unfinished.unfinished(str(tmp_path / "out"), lambda path: Path(path).touch()) as name:
        assert os.listdir(tmp_path) == [os.path.basename(name)]
        assert name not in taken
    assert os.listdir(tmp_path) == []


def test_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_: str) -> int:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(unfinished, "_locked", locked)
    with unfinished.unfinished(str(tmp_path / "out"), os.mkdir):
        (said,) = remove_leftovers(str(tmp_path))
        assert "remove it if no run writes it" in said
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


def test_what_a_signal_kept_from_its_end(tmp_path: Path) -> None:
    """As if it came between two steps: the block never ends."""
    context = unfinished.unfinished(str(tmp_path / "out"), os.mkdir)
    name = context.__enter__()
    Path(name, "a").touch()
    clean_up()
    assert os.listdir(tmp_path) == []


def test_a_folder_into_which_threads_still_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, really, late = tmp_path / "f", os.rmdir, [tmp_path / "f" / "late"]
    folder.mkdir()

    def rmdir(path: str) -> None:
        if late:
            late.pop().touch()
        really(path)

    monkeypatch.setattr(os, "rmdir", rmdir)
    unfinished.remove(str(folder))
    assert os.listdir(tmp_path) == []
    unfinished.remove(str(folder))


def test_ends_come_in_turn(tmp_path: Path) -> None:
    done: list[int] = []
    first = unfinished.at_any_end(partial(done.append, 1))
    second = unfinished.at_any_end(partial(done.append, 2))
    first.__enter__()
    second.__enter__()
    clean_up()
    assert done == [2, 1]
    assert os.listdir(tmp_path) == []
