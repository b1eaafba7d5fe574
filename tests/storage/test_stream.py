"""Sources as streams: as Python's own files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from strategies import Memory

from tfckpt_reader.storage import stream
from tfckpt_reader.storage.stream import open_stream


def test_a_local_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123")
    with open_stream(str(tmp_path / "a")) as file:
        assert file.read() == b"0123"
    with pytest.raises(FileNotFoundError):
        open_stream(str(tmp_path / "b"))


def test_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(100)
    source = Memory(data)
    monkeypatch.setattr(stream, "open_file", lambda _path: source)
    with open_stream("memory://a") as file, io.BytesIO(data) as other:
        for each in (file, other):
            assert each.readable()
            assert each.seekable()
        for whence, offset in ((0, 0), (0, 90), (2, -5), (1, -50), (0, 200), (2, 0), (0, 7)):
            assert file.seek(offset, whence) == other.seek(offset, whence)
            assert file.tell() == other.tell()
            assert file.read(20) == other.read(20)
        assert file.read() == other.read()
