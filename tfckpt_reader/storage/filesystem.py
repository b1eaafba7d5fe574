"""The file-system seam: all searches for files go through this module.

Independent of any format. Paths are plain strings, and callers only join and split them. Remote
storage attaches here: a URL then goes to a remote implementation of the same few questions, chosen
by its scheme. The data itself is read through a `ByteSource`.
"""

from __future__ import annotations

import os
from operator import attrgetter
from typing import NamedTuple

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind
from tfckpt_reader.text import count_of

exists, is_file, is_folder = os.path.exists, os.path.isfile, os.path.isdir
"""Whether a path leads, directly or by links, to anything, to a regular file, or to a folder."""
absolute_path, real_path = os.path.abspath, os.path.realpath
"""A path from the root, without "." and ".."; `real_path` also resolves all links."""
modified_time = os.path.getmtime
"""Time of a file's last change, in seconds since the epoch; OSError if it is unreadable."""


def list_names(folder: str) -> list[str]:
    """Return the names in a folder, sorted; none where it is unreadable. "" is the current one."""
    try:
        return sorted(os.listdir(folder or "."))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return []


def list_entries(folder: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder with their types, sorted by name.

    Raises:
        OSError: the folder is missing or unreadable.
    """
    with os.scandir(folder) as listing:
        return sorted(listing, key=attrgetter("name"))


def is_permitted(path: str) -> bool:
    """Return whether this process may read a file."""
    return os.access(path, os.R_OK)


def closed_folder(path: str) -> str | None:
    """Return the folder at a path, or the next above it, if this process may not list it."""
    while path and not os.path.isdir(path):
        above = os.path.dirname(path)
        path = above if above != path else ""
    folder = path or "."
    return None if os.access(folder, os.R_OK | os.X_OK) else folder


def is_same_file(path: str, other: str) -> bool:
    """Return whether two paths lead to one existing file."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


class FileState(NamedTuple):
    """Attributes of a file that differ after a change of its contents."""

    size: int
    """Bytes."""
    modified: int
    """Time of the last change, in nanoseconds since the epoch."""
    identity: tuple[int, int]
    """Of the file itself, under whatever name: a replacement has another one."""

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """Return the state in a result of ``os.stat``. Links and permissions do not count."""
        return cls(status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino))


def state_of(path: str) -> FileState | None:
    """Return the state of a file; None for a missing file."""
    try:
        return FileState.of(os.stat(path))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


def changed(path: str, before: FileState | None, now: FileState | None) -> CorruptCheckpointError:
    """Return the error for a file that changed while it was read."""
    replaced = before and now and before.identity != now.identity
    return CorruptCheckpointError(
        f"the file has changed while it was read{': it was replaced' * bool(replaced)}",
        kind=ErrorKind.CHANGED,
        file=path,
        expected=_text(before),
        got=_text(now),
        advice="Wait until its writer is done, and try again",
    )


def _text(state: FileState | None) -> str:
    if state is None:
        return "no file"
    return f"{count_of(state.size, 'byte')}, changed at {state.modified / 1e9:.3f} s"


def size_of(path: str) -> int:
    """Return the bytes of a file; 0 for a missing one."""
    state = state_of(path)
    return state.size if state else 0


def peek(path: str, size: int, *, at_end: bool = False) -> bytes:
    """Return at most `size` bytes from one end of a regular file; b"" if it is unreadable."""
    if not os.path.isfile(path):  # opening a pipe or a device can block
        return b""
    try:
        with open(path, "rb") as file:
            if at_end:
                file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""
