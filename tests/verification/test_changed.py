"""A checkpoint that is saved again while it is read: no cause that was not there."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.errors import ErrorKind

DATA = ".data-00000-of-00001"


def save(prefix: Path, number: int, endings: tuple[str, ...] = (DATA, ".index")) -> None:
    """Save as TensorFlow does: the files are written aside, and renamed."""
    tensors = {f"w{i}": np.full(64, number + i / 8, np.float32) for i in range(20)}
    files = w.bundle_files(tensors)
    for ending in endings:
        Path(f"{prefix}{ending}.new").write_bytes(files[ending])
        os.replace(f"{prefix}{ending}.new", f"{prefix}{ending}")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    save(tmp_path / "m", 0)
    return tmp_path / "m"


def saver(prefix: Path, times: int) -> Callable[[int, int], None]:
    numbers = itertools.count(1)

    def on_progress(_done: int, _total: int) -> None:
        number = next(numbers)
        if number <= times:
            save(prefix, number)

    return on_progress


def test_one_save_meanwhile(prefix: Path) -> None:
    report = tfckpt.verify(prefix, on_progress=saver(prefix, 1))
    assert report.ok
    assert report.tensors == 20


@pytest.mark.parametrize("change", ["save", "vanish", "damage"])
def test_a_change_is_said_alone(prefix: Path, change: str) -> None:
    def on_progress(_done: int, _total: int) -> None:
        if change == "save":
            save(prefix, time.monotonic_ns() % 1000)
        elif change == "vanish":
            Path(f"{prefix}{DATA}").unlink(missing_ok=True)
        else:
            Path(f"{prefix}.index").write_bytes(b"")

    report = tfckpt.verify(prefix, on_progress=on_progress)
    (problem,) = report.problems
    assert problem.code == "TFC357"
    assert "changed while it was read" in problem.what
    assert report.diagnosis == ()


def test_a_save_that_ends_meanwhile(prefix: Path) -> None:
    """Data files are renamed, and the index is written later, beside the folder of the save."""
    unfinished = prefix.with_name("m_temp")
    unfinished.mkdir()
    save(prefix, 1, (DATA,))

    def end() -> None:
        time.sleep(0.2)
        save(prefix, 1, (".index",))
        unfinished.rmdir()

    thread = threading.Thread(target=end)
    with tfckpt.open(prefix) as ckpt:
        thread.start()
        with pytest.raises(tfckpt.CheckpointError) as caught:
            ckpt["w3"]
    thread.join()
    assert caught.value.kind is ErrorKind.CHANGED
    unfinished.mkdir()
    save(prefix, 0, (".index",))
    thread = threading.Thread(target=end)
    thread.start()
    assert tfckpt.verify(prefix).ok
    thread.join()


def test_a_save_that_never_ended(prefix: Path) -> None:
    unfinished = prefix.with_name("m_temp")
    unfinished.mkdir()
    os.utime(unfinished, (0, 0))
    save(prefix, 1, (DATA,))
    began = time.monotonic()
    assert {problem.code for problem in tfckpt.verify(prefix).problems} == {"TFC401"}
    assert time.monotonic() - began < 1


def test_an_open_checkpoint(prefix: Path) -> None:
    with tfckpt.open(prefix) as ckpt, tfckpt.open(prefix) as opened:
        opened["w1"]
        save(prefix, 1)
        for rows in (None, slice(0, 2)):
            with pytest.raises(tfckpt.CheckpointError, match="changed while") as caught:
                ckpt.read("w1", rows=rows)
            assert caught.value.kind is ErrorKind.CHANGED
        assert opened["w1"][0] == 1 / 8  # its file was open: the array is that of the index
        assert opened["w2"][0] == 2 / 8
    with tfckpt.open(prefix, check=False) as ckpt:
        save(prefix, 2)
        with pytest.raises(tfckpt.CheckpointError, match="changed while"):
            ckpt["w1"]


def test_attributes_that_are_no_contents_may_change(prefix: Path) -> None:
    with tfckpt.open(prefix, check=False) as ckpt:
        os.chmod(f"{prefix}{DATA}", 0o600)
        os.link(f"{prefix}.index", f"{prefix}-backup")
        assert ckpt.read("w1", rows=slice(0, 1)).tolist() == [1 / 8]


@pytest.mark.parametrize("command", [["ls"], ["show", "w1"], ["verify"], ["convert"]])
@pytest.mark.parametrize("times", [1, 2])
def test_commands(
    command: list[str],
    times: int,
    prefix: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from tfckpt_reader.table.table import Table

    numbers, whole = itertools.count(1), Table.__init__

    def opened(self: Table, *arguments: object, **options: object) -> None:
        whole(self, *arguments, **options)  # type: ignore[arg-type]
        number = next(numbers)
        if number <= times:
            save(prefix, number)

    monkeypatch.setattr(Table, "__init__", opened)
    name, *rest = command
    out = [str(prefix.with_name("o.npz"))] if name == "convert" else []
    code = main([name, str(prefix), *rest, *out])
    printed = capsys.readouterr()
    assert code == (0 if times == 1 else 2)
    assert ("changed while it was read" in printed.out + printed.err) == (times == 2)
    assert "another save" not in printed.out + printed.err
