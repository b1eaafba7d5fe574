"""Disks that fail to read some files."""

from __future__ import annotations

from typing import Any

import pytest
from defects import (
    DATA,
)

from tfckpt_reader.storage import local as storage


def refuse_data(really: Any) -> Any:
    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        assert not self.name.endswith(DATA), "data was read"
        return int(really(self, offset, buffer))

    return pread


def failing(monkeypatch: pytest.MonkeyPatch, end: str, begin: int = 0) -> None:
    """A disk that does not give the bytes from `begin` on of files of such names, the end apart."""
    really = storage.File._pread

    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        if self.name.endswith(end) and begin <= offset < self.size // 2:
            raise OSError(5, "Input/output error")
        return really(self, offset, buffer)

    monkeypatch.setattr(storage.File, "_pread", pread)
