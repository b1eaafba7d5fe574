"""The file-system seam: all questions about files go through this module.

Independent of any format. A path is a plain string, or a URL: then `storage.remote` answers the
same question, and is imported for it. Callers join and split paths with the functions here. The
data itself is read through a `ByteSource`.
"""

from __future__ import annotations

import os
import re
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, TypeVar

from tfckpt_reader.storage.file_state import FileState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType

_Answer = TypeVar("_Answer")
_URL = re.compile(r"([a-z][a-z0-9.+-]+)://")


class FolderEntry(Protocol):
    """A name in a folder, as in ``os.DirEntry``."""

    @property
    def name(self) -> str:
        """Its last component."""

    @property
    def path(self) -> str:
        """The folder's path and its name."""

    def is_dir(self) -> bool:
        """Return whether it leads to a folder."""

    def is_symlink(self) -> bool:
        """Return whether it is a link."""


def is_url(path: str) -> bool:
    """Return whether a path is a URL: everything else is on this machine."""
    return "://" in path and _URL.match(path) is not None


def path_of(path: str | os.PathLike[str] | bytes, filesystem: object = None) -> str:
    """Return a user's path as the rest of the package takes it.

    Args:
        path: A path or a URL; ``file://`` is taken off.
        filesystem: The user's own store (obstore) or filesystem (fsspec) for the path.

    Raises:
        CheckpointError: nothing is installed that reads such URLs.
    """
    name = os.fsdecode(path)
    if filesystem is None:
        name = name.removeprefix("file://")
        if not is_url(name):
            return name
    from tfckpt_reader.storage.remote.stores import name_of

    return name_of(name, filesystem)


def portable_path(path: str) -> tuple[str, object]:
    """Return the absolute path or URL, and its filesystem, for `path_of` in another process."""
    if is_url(path):
        from tfckpt_reader.storage.remote.stores import user_path

        return user_path(path)
    folder, base = os.path.split(path)  # the base may be empty
    return os.path.join(os.path.abspath(folder), base), None


def _remote() -> ModuleType:
    from tfckpt_reader.storage.remote import folders

    return folders


def _answer(local: Callable[[str], _Answer], name: str, path: str) -> _Answer:
    if "://" in path and is_url(path):
        found: _Answer = getattr(_remote(), name)(path)
        return found
    return local(path)


def _by_place(local: Callable[[str], _Answer], name: str) -> Callable[[str], _Answer]:
    """Return a question: `local` answers for a path, and `remote.folders` for a URL."""
    return partial(_answer, local, name)


exists = _by_place(os.path.exists, "exists")
"""Whether a path leads, directly or by links, to anything."""
is_file = _by_place(os.path.isfile, "is_file")
"""Whether a path leads, directly or by links, to a regular file."""
is_folder = _by_place(os.path.isdir, "is_folder")
"""Whether a path leads, directly or by links, to a folder."""
absolute_path = _by_place(os.path.abspath, "absolute_path")
"""A path from the root, without "." and ".."."""
real_path = _by_place(os.path.realpath, "absolute_path")
"""An absolute path with all links resolved."""
modified_time = _by_place(os.path.getmtime, "modified_time")
"""Time of a file's last change, in seconds since the epoch; OSError if it is unreadable."""


def _list_names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder or "."))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return []


list_names = _by_place(_list_names, "list_names")
"""The names in a folder, sorted; none where it is unreadable. "" is the current one."""


def _list_entries(folder: str) -> Sequence[FolderEntry]:
    with os.scandir(folder) as listing:
        return sorted(listing, key=attrgetter("name"))


list_entries = _by_place(_list_entries, "list_entries")
"""The entries of a folder with their types, sorted by name; OSError if it is unreadable."""


def can_list(folder: str) -> bool:
    """Return whether the names in a folder can be known: some stores do not list them."""
    return not is_url(folder) or bool(_remote().can_list(folder))


def join(folder: str, *names: str) -> str:
    """Return the path of a name in a folder, as ``os.path.join``; no URL unless `folder` is one."""
    if not is_url(folder):
        return os.path.join(folder or os.curdir * any(map(is_url, names)), *names)
    for name in names:
        is_whole = is_url(name) or name.startswith("/")
        folder = name if is_whole else f"{folder.removesuffix('/')}/{name}"
    return folder


def split(path: str) -> tuple[str, str]:
    """Return the folder in a path, and its last component; "" where it ends in a slash."""
    if not is_url(path):
        return os.path.split(path)
    root, end = path.index("://") + 3, path.rindex("/") + 1
    return (path[: end - 1], path[end:]) if end > root else (path[:root], path[root:])


def folder_of(path: str) -> str:
    """Return the folder in a path; "" is the current one."""
    return split(path)[0]


def identity_of(folder: str) -> object:
    """Return what two paths to one folder have in common; None if that is unknown.

    Raises:
        OSError: the folder is missing or unreadable.
    """
    if is_url(folder):
        return None
    status = os.stat(folder)
    return (status.st_dev, status.st_ino) if status.st_ino else None


def is_permitted(path: str) -> bool:
    """Return whether this process may read a file."""
    return is_url(path) or os.access(path, os.R_OK)


def closed_folder(path: str) -> str | None:
    """Return the folder at a path, or the next above it, if this process may not list it."""
    if is_url(path):
        return None
    while path and not os.path.isdir(path):
        above = os.path.dirname(path)
        path = above if above != path else ""
    folder = path or "."
    return None if os.access(folder, os.R_OK | os.X_OK) else folder


def is_same_file(path: str, other: str) -> bool:
    """Return whether two paths lead to one existing file."""
    if is_url(path) or is_url(other):
        return absolute_path(path) == absolute_path(other) and is_file(path)
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _state_of(path: str) -> FileState | None:
    try:
        return FileState.of(os.stat(path))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


state_of = _by_place(_state_of, "state_of")
"""The state of a file; None for a missing file."""


def states_of(paths: Iterable[str], *, pinned: bool = False) -> dict[str, FileState | None]:
    """Return the states of files, all as they are now.

    Args:
        paths: The files.
        pinned: Where each read of remote bytes is compared with the state seen before, return
            that: it costs no request.
    """
    names = list(paths)
    if any(map(is_url, names)):
        states: dict[str, FileState | None] = _remote().states_of(names, pinned=pinned)
        return states
    return {path: _state_of(path) for path in names}


def size_of(path: str) -> int:
    """Return the bytes of a file; 0 for a missing one."""
    state = state_of(path)
    return state.size if state else 0


def peek(path: str, size: int, *, at_end: bool = False) -> bytes:
    """Return at most `size` bytes from one end of a regular file; b"" if it is unreadable."""
    if is_url(path):
        start: bytes = _remote().peek(path, size, at_end=at_end)
        return start
    if not os.path.isfile(path):  # opening a pipe or a device can block
        return b""
    try:
        with open(path, "rb") as file:
            if at_end:
                file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""
