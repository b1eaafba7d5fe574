"""The file-system seam: all searches for files go through this module.

Independent of any format. Paths are plain strings, and callers only join and split them. Remote
storage attaches here: a URL then goes to a remote implementation of the same few questions, chosen
by its scheme. The data itself is read through a `ByteSource`.
"""

from __future__ import annotations

import os
from operator import attrgetter

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


def is_same_file(path: str, other: str) -> bool:
    """Return whether two paths lead to one existing file."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def version_of(path: str) -> tuple[int, int] | None:
    """Return a file's bytes and its last change in nanoseconds; None for a missing file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def size_of(path: str) -> int:
    """Return the bytes of a file; 0 for a missing one."""
    version = version_of(path)
    return version[0] if version else 0


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
