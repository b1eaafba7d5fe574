"""Filesystems of fsspec as stores.

They return bytes without the state of their file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.storage.file_state import FileState
from tfckpt_reader.storage.remote.store import Entry, Folder, Seen, may_read, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

_TAGS = ("ETag", "etag", "generation", "md5Hash", "content_md5", "md5", "blob_id")
"""Names of what differs after any change, in the facts of one filesystem or another."""
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


class FsspecStore:
    """A filesystem of fsspec as a `Store`.

    Args:
        filesystem: Any filesystem of fsspec.
        scheme: That of its URLs.
        lists: Whether it can list.
        site: Host with user and password, in place of that in keys.
        query: Added to each URL.
    """

    says_state = False

    def __init__(
        self, filesystem: Any, scheme: str, *, lists: bool = True, site: str = "", query: str = ""
    ) -> None:
        self.seen = Seen()
        self._filesystem = filesystem
        self._scheme = scheme
        self.lists = lists
        self._site = site
        self._query = query.removesuffix("?")

    def _path(self, key: str) -> str:
        if self._site:
            key = f"{self._site}/{key.partition('/')[2]}{self._query}"
        path: str = self._filesystem._strip_protocol(f"{self._scheme}://{key}")  # noqa: SLF001
        return path

    def head(self, key: str) -> Entry | None:
        """Return an object; None if it is missing, or a folder."""
        path = self._path(key)
        self._filesystem.invalidate_cache(_parent(path))
        try:
            found = self._filesystem.info(path)
        except (NotADirectoryError, PermissionError):
            return None
        except FileNotFoundError as error:
            cause = error.__cause__
            if self.lists or cause is None or _is_missing(cause):
                return None
            raise cause from None
        return _entry(found) if found["type"] == "file" else None

    def get(self, key: str, span: range | None) -> tuple[FileState | None, Buffer]:
        """Return some bytes of an object, or all; of a web server its state too, asked for later.

        Elsewhere the state is None: listings show a change.
        """
        # By name: that of s3fs has another argument before these.
        ends = {} if span is None else {"start": span.start, "end": span.stop}
        data: bytes = self._filesystem.cat_file(self._path(key), **ends)
        return None if self.lists else self._state(key), data

    def _state(self, key: str) -> FileState:
        entry = self.head(key)
        if entry is None:
            raise FileNotFoundError(key)
        return entry.state

    def folder(self, key: str) -> Folder | None:
        """Return what is below a key; None if the store lists nothing."""
        if not self.lists:
            return None
        path = self._path(key)
        self._filesystem.invalidate_cache(path)
        try:
            found = self._filesystem.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            found = []
        except PermissionError as error:
            if may_read(error):
                return None
            raise
        files, folders = {}, set()
        for info in found:
            name = info["name"].rstrip("/").rpartition("/")[2]
            if info["type"] == "directory":
                folders.add(name)
            elif info["name"].rstrip("/") != path.rstrip("/"):  # a file lists itself
                files[name] = _entry(info)
        return Folder(files, frozenset(folders))

    def keys(self, folder: str) -> list[str]:
        """Return the keys of all objects below a key, at any depth."""
        path = self._path(folder)
        self._filesystem.invalidate_cache(path)
        return [f"{folder}{found[len(path) :]}" for found in self._filesystem.find(path)]

    def put(self, key: str, data: bytes) -> None:
        """Store an object, in one request."""
        self._filesystem.pipe_file(self._path(key), data)

    def put_parts(self, key: str, pieces: Iterator[bytes], size: int) -> None:
        """Store an object in parts: a transaction drops them if `pieces` raises."""
        path, filesystem = self._path(key), self._filesystem
        with filesystem.transaction, filesystem.open(path, "wb", block_size=size) as file:
            for piece in pieces:
                file.write(piece)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        self._filesystem.rm([self._path(key) for key in keys])


def _is_missing(cause: BaseException) -> bool:
    """Return whether a file is missing: of a web server, fsspec says so after any error."""
    return isinstance(cause, FileNotFoundError) or status_of(cause) in (404, 410)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _entry(info: dict[str, Any]) -> Entry:
    if info.get("size") is None:
        problem = "the server does not give the size of the file"
        raise CheckpointError(problem, kind=ErrorKind.UNREACHABLE)
    found = next((info[name] for name in _TIMES if info.get(name) is not None), 0.0)
    modified = float(found.timestamp() if hasattr(found, "timestamp") else _number(found))
    tag = next((str(info[name]).strip('"') for name in _TAGS if info.get(name) is not None), "")
    if tag:  # fractions of a second differ between one answer and another
        return Entry(FileState(info["size"], 0, tag), modified)
    return Entry(FileState(info["size"], int(modified * 1e9), info.get("ino", "")), modified)


def _number(text: object) -> float:
    """Return a time; of a text that is no number 0."""
    try:
        return float(str(text))
    except ValueError:
        from datetime import datetime

        try:
            return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
        except ValueError:
            return 0.0
