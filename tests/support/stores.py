"""Stores in memory with checkpoints, and what was asked of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfckpt_reader.storage.file_state import FileState
from tfckpt_reader.storage.remote.store import Entry, Folder, Seen


class Counted:
    """The functions of obstore; records those that make a request."""

    def __init__(self, obstore: Any) -> None:
        self.calls: list[str] = []
        self._obstore = obstore

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._obstore, name)

        def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            return function(*args, **options)

        return call

    def since(self) -> list[str]:
        """The requests since the last call."""
        calls, self.calls = self.calls, []
        return calls


def in_memory(folder: Path, name: str = "run") -> Any:
    """A store of obstore with the files of a folder below a name."""
    obstore = pytest.importorskip("obstore")
    store = obstore.store.MemoryStore()
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"{name}/{path.relative_to(folder).as_posix()}"
            obstore.put(store, key, path.read_bytes())
    return store


def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count the requests of all stores of obstore."""
    found = Counted(pytest.importorskip("obstore"))
    from tfckpt_reader.storage.remote import object_store

    monkeypatch.setattr(object_store, "obstore", found)
    return found


class OneObject:
    """A store with one object, whose answers can be made wrong."""

    says_state = True

    def __init__(self, data: bytes) -> None:
        self.seen = Seen()
        self.data = data
        self.tag = "first"
        self.asked: list[range | None] = []
        self.answer: Callable[[bytes], bytes] = bytes

    def head(self, key: str) -> Entry | None:
        return Entry(FileState(len(self.data), 0, self.tag), 0.0) if key == "key" else None

    def get(self, key: str, span: range | None) -> tuple[FileState | None, bytes]:
        self.asked.append(span)
        found = self.head(key)
        if found is None:
            raise FileNotFoundError(key)
        data = self.data if span is None else self.data[span.start : span.stop]
        return (found.state if self.says_state else None), self.answer(data)

    def folder(self, _key: str) -> Folder | None:
        return None
