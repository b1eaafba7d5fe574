"""Local files: short reads, errors, views that keep their map."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader.storage.local import File

CONTENT = os.urandom(1 << 14)


def test_reads_that_end_early_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    source = File(str(tmp_path / "file"))
    real = File._pread

    def at_most_1000(self: File, offset: int, buffer: memoryview) -> int:
        return real(self, offset, buffer[:1000])

    monkeypatch.setattr(File, "_pread", at_most_1000)
    assert source.read(1, 9000) == CONTENT[1:9001]


def test_io_errors_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    source = File(str(tmp_path / "file"))

    def broken(self: File, offset: int, buffer: memoryview) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(File, "_pread", broken)
    with pytest.raises(tfckpt.CheckpointError, match="Input/output error") as caught:
        source.read(100, 5)
    assert (caught.value.file, caught.value.offset) == (str(tmp_path / "file"), 100)


KILLED = """
import os, sys
from tfckpt_reader.storage.local import File
path = sys.argv[1]
view = File(path, mapped=True).read(0, 10)
print(bytes(view[:4]))
"""


def test_a_view_keeps_its_map(tmp_path: Path) -> None:
    """In a process of its own: were the map gone, touching the view would kill it."""
    (tmp_path / "file").write_bytes(b"left" + bytes(100_000))
    root = str(Path(tfckpt.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "file")],
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "b'left'\n"
