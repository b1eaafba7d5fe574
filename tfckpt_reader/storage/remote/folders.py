"""Questions about files behind URLs, answered from listings of their folders.

One listing answers all questions about one folder. Where a store lists nothing (a web server, or
no permission), each file is asked for alone, and no folder is searched.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.storage.answers import answers, asked_anew
from tfckpt_reader.storage.remote.objects import RemoteFile
from tfckpt_reader.storage.remote.store import Entry, Folder, asking
from tfckpt_reader.storage.remote.stores import store_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from tfckpt_reader.storage.file_state import FileState

    _Answer = TypeVar("_Answer")


class FolderItem(NamedTuple):
    """A name in a folder: see `filesystem.FolderEntry`."""

    name: str
    path: str
    is_folder: bool

    def is_dir(self) -> bool:
        """Return whether it is a folder."""
        return self.is_folder

    def is_symlink(self) -> bool:
        """Return False: there are no links."""
        return False


def _remembered(question: str, path: str, ask: Callable[[], _Answer]) -> _Answer:
    known = answers()
    if known is None:
        return ask()
    if (question, path) not in known:
        known[question, path] = ask()
    answer: _Answer = known[question, path]
    return answer


def _listing(folder: str) -> Folder | None:
    """Return the names in a folder; None if it cannot be listed."""

    def ask() -> Folder | None:
        store, key = store_of(folder)
        with asking(folder):
            found = store.folder(key)
        if found is not None:
            store.seen.put_folder(key, found.files)
        return found

    folder = _plain(folder)
    folder = folder if folder.endswith("://") else folder.rstrip("/")
    return _remembered("folder", folder, ask)


def _head(path: str) -> Entry | None:
    def ask() -> Entry | None:
        store, key = store_of(path)
        with asking(path):
            found = store.head(key)
        store.seen.put(key, found)
        return found

    return _remembered("head", path, ask)


def _plain(path: str) -> str:
    """Return a path without "." and "..", which mean nothing to a store."""
    return absolute_path(path) + "/" * path.endswith("/") if "/." in path else path


def _split(path: str) -> tuple[str, str]:
    """Return the folder in a path, and its last component; "" for the root of a store."""
    path = _plain(path)
    root = path.index("://") + 3
    folder, _, base = path[root:].rpartition("/")
    has_root = store_of(path)[1] != path[root:]
    return path[:root] + folder, "" if has_root and not folder else base


def _entry(path: str) -> Entry | None:
    """Return the file at a path; None if there is none."""
    folder, base = _split(path)
    if not base:
        return None
    found = _listing(folder)
    return _head(path) if found is None else found.files.get(base)


def exists(path: str) -> bool:
    """Return whether a file or a folder is there."""
    return is_file(path) or is_folder(path)


def is_file(path: str) -> bool:
    """Return whether a file is there."""
    return _entry(path) is not None


def is_folder(path: str) -> bool:
    """Return whether a folder is there: files begin with its name.

    Where nothing is listed, the slash at its end decides.
    """
    folder, base = _split(path if path.endswith("://") else path.rstrip("/"))
    above = _listing(folder) if base else None
    if above is not None:
        return base in above.folders
    found = _listing(path)
    return path.endswith("/") if found is None else any(found)


def can_list(folder: str) -> bool:
    """Return whether the names in a folder can be known."""
    return _listing(folder) is not None


def absolute_path(path: str) -> str:
    """Return a URL without "." and "..", and without a slash at its end."""
    root = path.index("://") + 3
    rest = path[root:]
    whole = posixpath.normpath("/" + rest.lstrip("/"))
    return path[:root] + (whole if rest.startswith("/") else whole.lstrip("/"))


def modified_time(path: str) -> float:
    """Return the time of a file's last change, in seconds since the epoch.

    Raises:
        FileNotFoundError: the file is missing.
    """
    entry = _entry(path)
    if entry is None:
        raise FileNotFoundError(path)
    return entry.modified


def list_names(folder: str) -> list[str]:
    """Return the names in a folder, sorted; none where it cannot be listed."""
    found = _listing(folder)
    return sorted({*found.files, *found.folders}) if found else []


def list_entries(folder: str) -> list[FolderItem]:
    """Return the entries of a folder with their types, sorted by name.

    Raises:
        OSError: it cannot be listed.
    """
    found = _listing(folder)
    if found is None:
        raise OSError("this store lists no folders")
    start = folder.removesuffix("/")
    items = [FolderItem(name, f"{start}/{name}", is_folder=False) for name in found.files]
    items += [FolderItem(name, f"{start}/{name}", is_folder=True) for name in found.folders]
    return sorted(items)


def state_of(path: str) -> FileState | None:
    """Return the state of a file; None for a missing one."""
    entry = _entry(path)
    return entry and entry.state


def states_of(paths: Iterable[str], *, pinned: bool) -> dict[str, FileState | None]:
    """Return the states of files, asked for once more unless all reads are `pinned` anyway."""
    states: dict[str, FileState | None] = {}
    with asked_anew():
        for path in paths:
            store, key = store_of(path)
            seen = store.seen.get(key) if pinned and store.says_state else None
            states[path] = seen.state if seen else state_of(path)
    return states


def peek(path: str, size: int, *, at_end: bool) -> bytes:
    """Return at most `size` bytes from one end of a file; b"" if it is missing."""

    def ask() -> bytes:
        try:
            file = RemoteFile(path)
            least = min(size, file.size)
            return bytes(file.read(file.size - least if at_end else 0, least))
        except CheckpointError as error:
            if error.kind is ErrorKind.UNREACHABLE:
                raise
            return b""

    return (
        _remembered(f"{'last' if at_end else 'first'} {size}", path, ask) if is_file(path) else b""
    )
