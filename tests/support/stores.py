"""Stores in memory with checkpoints, and what was asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tfckpt_reader.storage.remote import object_store


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
    monkeypatch.setattr(object_store, "obstore", found)
    return found
