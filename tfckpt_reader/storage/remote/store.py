"""The interface of a store of objects, and its errors.

Knows no library. Two modules implement it: `object_store` for obstore, `fsspec_store` for fsspec.
A key is the name of an object in its store.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ErrorKind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

    from tfckpt_reader.storage.file_state import FileState

_ADDRESS = re.compile(r"\b[a-z][a-z0-9.+-]*://[^\s\"')>]*")
"""URLs in the messages of libraries: they can hold signatures."""
_BAD_LOGIN = re.compile("(?i)access ?key ?id|signature|token|expired")
_STATUS = {"PermissionDeniedError": 403, "UnauthenticatedError": 401}
"""Class of an error of obstore -> its status in HTTP."""
_STATUS_CODE = re.compile(r"\bstatus code: (\d{3})\b")
_NO_CREDENTIALS = re.compile(
    r"/latest/(api/token|meta-data)|/computeMetadata/|/metadata/identity/|locate credentials"
)
"""Where libraries look for credentials last: a service of the cloud, absent elsewhere."""
_CREDENTIALS = "Check the credentials: they are the library's own, see docs/remote.md"
_LONGEST = 300
PARTS_AT_ONCE = 4
"""Parts of an object that are sent at a time."""
_MOST_SEEN = 1 << 16
"""Objects of a store that are remembered."""


class Entry(NamedTuple):
    """An object of a store."""

    state: FileState
    modified: float
    """Time of its last change, in seconds since the epoch; 0 if unknown."""


class Folder(NamedTuple):
    """The names directly below a key."""

    files: dict[str, Entry]
    folders: frozenset[str]


class Seen:
    """The objects of a store as they were when a question about them was last answered."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, Entry]] = {}

    def get(self, key: str) -> Entry | None:
        """Return an object; None if it was missing, or nothing was asked about it."""
        folder, _, name = key.rpartition("/")
        return self._folders.get(folder, {}).get(name)

    def put(self, key: str, entry: Entry | None) -> None:
        """Note an object, or that it is missing."""
        folder, _, name = key.rpartition("/")
        known = dict(self._folders.get(folder, {}))
        known.pop(name, None)
        self.put_folder(folder, known | ({name: entry} if entry else {}))

    def put_folder(self, folder: str, files: dict[str, Entry]) -> None:
        """Note all objects directly below a key."""
        if sum(map(len, self._folders.values())) > _MOST_SEEN:
            self._folders.clear()
        self._folders[folder] = files


class Store(Protocol):
    """A store of objects. All methods raise whatever their library raises: see `asking`."""

    lists: bool
    """Whether it can list, and be written to; a web server cannot."""
    seen: Seen
    says_state: bool
    """Whether `get` returns the state of the object with its bytes."""

    def head(self, key: str) -> Entry | None:
        """Return an object; None if it is missing."""

    def get(self, key: str, span: range | None) -> tuple[FileState | None, Buffer]:
        """Return the state of an object and some of its bytes, or all, in one request."""

    def folder(self, key: str) -> Folder | None:
        """Return what is below a key; None if the store lists nothing."""

    def keys(self, folder: str) -> list[str]:
        """Return the keys of all objects below a key, at any depth."""

    def put(self, key: str, data: bytes) -> None:
        """Store an object, in one request."""

    def put_parts(self, key: str, pieces: Iterator[bytes], size: int) -> None:
        """Store an object in parts; it appears at the end, whole.

        Args:
            key: Its key.
            pieces: Its bytes. If that raises, nothing is left of the object.
            size: Bytes of each part.
        """

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""


@contextmanager
def asking(path: str) -> Iterator[None]:
    """Turn the errors of libraries into ours, without addresses: those can hold signatures.

    Raises:
        CheckpointNotFoundError: the object is missing.
        CheckpointError: the store cannot be reached, denies access, or does not answer as it
            should; of kind UNREACHABLE.
    """
    try:
        yield
    except CheckpointError as error:
        error.file = error.file or path
        raise
    except MemoryError:
        raise
    except FileNotFoundError:
        raise CheckpointNotFoundError("no such file", file=path) from None
    except ImportError as error:
        problem = f"a library is missing: {_said(error)}"
        raise CheckpointError(problem, kind=ErrorKind.UNREACHABLE, file=path) from None
    except Exception as error:  # noqa: BLE001 - each library, and each of its own, has others
        problem, advice = _problem(error)
        kind = ErrorKind.UNREACHABLE
        raise CheckpointError(problem, kind=kind, file=path, advice=advice) from None


def _problem(error: Exception) -> tuple[str, str | None]:
    """Return a description of an error, and advice."""
    if _NO_CREDENTIALS.search(str(error)):
        return "no credentials were found", _CREDENTIALS
    if is_denied(error):
        return "access is denied", _CREDENTIALS
    return f"the store did not answer: {_said(error)}", None


def is_denied(error: Exception) -> bool:
    """Return whether an error is about permissions."""
    return isinstance(error, PermissionError) or status_of(error) in (401, 403)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error is about, by its class, an attribute, or its message."""
    found = _STATUS.get(type(error).__name__, getattr(error, "status", None))
    match = _STATUS_CODE.search(str(error))
    return found if isinstance(found, int) else int(match[1]) if match else None


def may_read(error: Exception) -> bool:
    """Return whether an error denies a listing, but perhaps not the files in it."""
    return is_denied(error) and _BAD_LOGIN.search(str(error)) is None and status_of(error) != 401


def _said(error: Exception) -> str:
    """Return the first line of an error, or two, without addresses."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = " ".join(lines[: 1 + lines[0].endswith(":")])
    return _ADDRESS.sub("(address)", said)[:_LONGEST]
