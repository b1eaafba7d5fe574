"""Stores of obstore: S3, Google Cloud Storage, Azure, HTTP, memory.

Each answer carries size and tag (ETag) of the object: a change between two reads is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import obstore

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.storage.file_state import FileState
from tfckpt_reader.storage.remote.store import Entry, Folder, Seen, is_denied, status_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

_NO_HEAD = (405, 501)
"""Statuses that refuse a method."""


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
        self._lists = lists

    def head(self, key: str) -> Entry | None:
        """Return an object; None if it is missing.

        Where nothing may be listed, access to missing objects is denied. So it is for HEAD to those
        with a signature for GET; some web servers know no HEAD.
        """
        for ask in (obstore.head, _first_byte):
            try:
                return _entry(ask(self._store, key))
            except Exception as error:
                if not is_denied(error) and status_of(error) not in _NO_HEAD:
                    if isinstance(error, FileNotFoundError):
                        return None
                    raise
        return None

    def get(self, key: str, span: range | None) -> tuple[FileState | None, Buffer]:
        """Return the state of an object and some of its bytes, or all, in one request."""
        options: Any = None if span is None else {"range": (span.start, span.stop)}
        found = obstore.get(self._store, key, options=options)
        data: Buffer = found.bytes()
        return _entry(found.meta).state, data

    def folder(self, key: str) -> Folder | None:
        """Return what is below a key; None if the store lists nothing."""
        if not self._lists:
            return None
        try:
            found = obstore.list_with_delimiter(self._store, key or None)
        except Exception as error:
            if is_denied(error):
                return None
            if status_of(error) == 404:
                raise CheckpointNotFoundError("there is no such bucket") from None
            raise
        files = {_last(meta["path"]): _entry(meta) for meta in found["objects"]}
        return Folder(files, frozenset(map(_last, found["common_prefixes"])))


def _first_byte(store: Any, key: str) -> Any:
    return obstore.get(store, key, options={"range": (0, 1)}).meta


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _entry(meta: Any) -> Entry:
    modified, tag = meta["last_modified"].timestamp(), (meta["e_tag"] or "").strip('"')
    # Listings have fractions of a second, answers to reads have none.
    time = 0 if tag else int(modified) * 1_000_000_000
    return Entry(FileState(meta["size"], time, tag), modified)
