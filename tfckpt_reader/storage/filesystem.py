"""The file-system seam: all searches for files go through this module.

Independent of any format. Paths are plain strings, and callers only join and split them. Remote
storage attaches here: each function then passes a URL on to a remote implementation of the same
few questions, chosen by its scheme. The data itself is read through a `ByteSource`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator


def list_names(folder: str) -> list[str]:
    """Return the names in a folder, sorted; none where it is unreadable. "" is the current one."""
    try:
        return sorted(os.listdir(folder or "."))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return []


def exists(path: str) -> bool:
    """Return whether a file or folder has this path, directly or by links."""
    return os.path.exists(path)


def is_file(path: str) -> bool:
    """Return whether a regular file has this path, directly or by links."""
    return os.path.isfile(path)


def is_folder(path: str) -> bool:
    """Return whether a folder has this path, directly or by links."""
    return os.path.isdir(path)


def is_permitted(path: str) -> bool:
    """Return whether this process may read a file."""
    return os.access(path, os.R_OK)


def size_of(path: str) -> int:
    """Return the bytes of a file; 0 for a missing one."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def modified_time(path: str) -> float:
    """Return the time of a file's last change, in seconds since the epoch.

    Raises:
        OSError: the file is missing or unreadable.
    """
    return os.path.getmtime(path)


def version_of(path: str) -> tuple[int, int] | None:
    """Return a file's bytes and its last change in nanoseconds; None for a missing file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def is_same_file(path: str, other: str) -> bool:
    """Return whether two paths lead to one existing file."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def absolute_path(path: str) -> str:
    """Return a path from the root, without "." and ".."; links stay."""
    return os.path.abspath(path)


def real_path(path: str) -> str:
    """Return a path from the root with all links resolved."""
    return os.path.realpath(path)


def read_start(path: str, size: int) -> bytes:
    """Return at most `size` bytes from the start of a regular file; b"" if it is unreadable."""
    return _read(path, size, from_end=False)


def read_end(path: str, size: int) -> bytes:
    """Return at most `size` bytes from the end of a regular file; b"" if it is unreadable."""
    return _read(path, size, from_end=True)


def _read(path: str, size: int, *, from_end: bool) -> bytes:
    if not os.path.isfile(path):  # opening a pipe or a device can block
        return b""
    try:
        with open(path, "rb") as file:
            if from_end:
                file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""


@dataclass(slots=True)
class Folder:
    """A folder met by `walk`."""

    path: str
    files: list[str] = field(default_factory=list)
    """Names of everything in it but folders, sorted."""
    links_out: list[str] = field(default_factory=list)
    """Paths of links to folders outside of the walk."""
    error: str | None = None
    """Why it could not be listed."""


def walk(top: str, skipped: Container[str]) -> Iterator[Folder]:
    """Yield a folder and all folders below it, each once, parents first, in the order of names.

    Links to folders are not followed.

    Args:
        top: The folder to begin with.
        skipped: Names of folders to leave out.
    """
    pending, seen = [top], set()
    inside = os.path.join(os.path.realpath(top), "")
    while pending:
        folder = Folder(pending.pop())
        try:
            status = os.stat(folder.path)
            identity = status.st_dev, status.st_ino
            if status.st_ino and identity in seen:
                continue  # mounted, or joined on Windows, at two paths
            seen.add(identity)
            with os.scandir(folder.path) as listing:
                entries = sorted(listing, key=attrgetter("name"))
        except OSError as error:
            folder.error = error.strerror or str(error)
            entries = []
        inner = []
        for entry in entries:
            if not _is_folder(entry):
                folder.files.append(entry.name)
            elif entry.is_symlink():
                if not os.path.join(os.path.realpath(entry.path), "").startswith(inside):
                    folder.links_out.append(entry.path)
            elif entry.name not in skipped:
                inner.append(entry.path)
        pending += reversed(inner)
        yield folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
