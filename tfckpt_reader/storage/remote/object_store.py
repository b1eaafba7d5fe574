"""Stores of obstore: S3, Google Cloud Storage, Azure, HTTP, memory.

Each answer carries size and tag (ETag) of the object: a change between two reads is seen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import obstore

from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, ErrorKind
from tfckpt_reader.storage.file_state import FileState
from tfckpt_reader.storage.remote.store import (
    PARTS_AT_ONCE,
    Entry,
    Folder,
    Seen,
    is_denied,
    may_read,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer


_NOT_FOUND, _NO_METHOD = 404, 405
"""Statuses in HTTP; obstore calls an object missing after either."""
_process: list[int] = []
"""The process with the threads of obstore, once it has them."""


def _require_process() -> None:
    """Refuse to wait for threads that a fork left behind.

    Raises:
        CheckpointError: another process started them; of kind UNREACHABLE.
    """
    if not _process:
        _process.append(os.getpid())
    if _process[0] != os.getpid():
        raise CheckpointError(
            "obstore cannot be used in a forked process once its parent has used it",
            kind=ErrorKind.UNREACHABLE,
            advice="Start processes by spawn or forkserver",
        )


class ObjectStore:
    """A store of obstore as a `Store`.

    Args:
        store: Any store of obstore.
        lists: Whether it can list; a web server cannot.
    """

    says_state = True

    def __init__(self, store: Any, *, lists: bool = True) -> None:
        self.seen = Seen()
        self._store = store
        self.lists = lists

    def head(self, key: str) -> Entry | None:
        """Return an object; None if it is missing.

        Where nothing may be listed, access to missing objects is denied. HEAD can be refused where
        GET is not: by a signature, or by a web server.
        """
        _require_process()
        for ask in (obstore.head, _first_byte):
            try:
                return _entry(ask(self._store, key))
            except FileNotFoundError as error:
                if status_of(error) != _NO_METHOD:
                    return None
            except Exception as error:
                is_last = self.lists or ask is _first_byte
                if is_last and not is_denied(error):
                    raise
        return None

    def get(self, key: str, span: range | None) -> tuple[FileState | None, Buffer]:
        """Return the state of an object and some of its bytes, or all, in one request."""
        _require_process()
        options: Any = None if span is None else {"range": (span.start, span.stop)}
        found = obstore.get(self._store, key, options=options)
        state = _entry(found.meta).state  # before the bytes: obstore 0.6 forgets it then
        data: Buffer = found.bytes()
        return state, data

    def folder(self, key: str) -> Folder | None:
        """Return what is below a key; None if the store lists nothing."""
        if not self.lists:
            return None
        _require_process()
        try:
            found = obstore.list_with_delimiter(self._store, key or None)
        except Exception as error:
            if may_read(error):
                return None
            if status_of(error) == _NOT_FOUND:
                raise CheckpointNotFoundError("there is no such bucket") from None
            raise
        files = {_last(meta["path"]): _entry(meta) for meta in found["objects"]}
        return Folder(files, frozenset(map(_last, found["common_prefixes"])))

    def keys(self, folder: str) -> list[str]:
        """Return the keys of all objects below a key, at any depth."""
        _require_process()
        return [meta["path"] for page in obstore.list(self._store, folder) for meta in page]

    def put(self, key: str, data: bytes) -> None:
        """Store an object, in one request."""
        _require_process()
        obstore.put(self._store, key, data, use_multipart=False)

    def put_parts(self, key: str, pieces: Iterator[bytes], size: int) -> None:
        """Store an object in parts; obstore drops them if `pieces` raises."""
        _require_process()
        obstore.put(self._store, key, pieces, chunk_size=size, max_concurrency=PARTS_AT_ONCE)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        _require_process()
        obstore.delete(self._store, list(keys))


def _first_byte(store: Any, key: str) -> Any:
    return obstore.get(store, key, options={"range": (0, 1)}).meta


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _entry(meta: Any) -> Entry:
    modified, tag = meta["last_modified"].timestamp(), (meta["e_tag"] or "").strip('"')
    # Listings have fractions of a second, answers to reads have none.
    time = 0 if tag else int(modified) * 1_000_000_000
    return Entry(FileState(meta["size"], time, tag), modified)
