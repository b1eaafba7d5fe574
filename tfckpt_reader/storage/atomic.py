"""A file, or a folder, that is written aside and takes its name only when it is whole.

Knows no format.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIX = ".tfckpt-unfinished"
"""Ends the name of what was being written; left behind only if the process was killed."""
REPLACED = ".tfckpt-replaced"
"""Ends the name of a folder that made room for a new one; left behind only likewise."""

_NAME_KEPT = 100
"""Bytes of the file's own name in it: names have a limit, mostly of 255 bytes."""


def _beside(path: str, suffix: str) -> str:
    folder, base = os.path.split(path)
    start = os.fsdecode(os.fsencode(base)[:_NAME_KEPT])
    return os.path.join(folder, f".{start}.{os.urandom(4).hex()}{suffix}")


@contextmanager
def written_aside(path: str) -> Iterator[IO[bytes]]:
    """Give a file to write; on success it is synced and renamed to `path`, else removed.

    Raises:
        OSError: it cannot be written, synced or renamed. `path` is then as it was before.
    """
    aside = _beside(path, SUFFIX)
    try:
        file = open(aside, "xb")  # noqa: SIM115 - closed below; what is not ours is not removed
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(aside)
        _rename_error(error, aside, path)
        raise
    _sync_folder(os.path.dirname(path) or ".")


@contextmanager
def folder_written_aside(path: str, replaced: Iterable[str] = ()) -> Iterator[str]:
    """Give an empty folder to put files into; on success it is renamed to `path`, else removed.

    The files are synced by whoever writes them; there must be no folders in it.

    Args:
        path: What the folder shall be called.
        replaced: Names of the files in a folder of that name, if there is one; they are removed,
            and it with them, once the new one is in its place.

    Raises:
        OSError: it cannot be made, synced or renamed. `path` is then as it was before.
    """
    aside = _beside(path, SUFFIX)
    try:
        os.mkdir(aside)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        yield aside
        _sync_folder(aside)
        _take_place(aside, path, replaced)
    except BaseException as error:
        with suppress(OSError):
            _remove(aside, os.listdir(aside))
        _rename_error(error, aside, path)
        raise
    _sync_folder(os.path.dirname(path) or ".")


def _take_place(aside: str, path: str, replaced: Iterable[str]) -> None:
    # No system renames a folder over one that is not empty, so there are two steps.
    away = _beside(path, REPLACED)
    try:
        if os.path.lexists(path):
            os.rename(path, away)
        os.rename(aside, path)
    except BaseException:
        if os.path.lexists(away) and not os.path.lexists(path):
            os.rename(away, path)
        raise
    if os.path.lexists(away):
        with suppress(OSError):  # what somebody has put there meanwhile stays, under that name
            _remove(away, replaced)


def _remove(folder: str, names: Iterable[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def _rename_error(error: BaseException, aside: str, path: str) -> None:
    """Let an error say `path` where it says a name that nobody but us knows."""
    if not isinstance(error, OSError) or not error.errno:
        return
    if error.filename is None or str(error.filename).startswith(aside):
        raise OSError(error.errno, error.strerror, path) from error


def _sync_folder(folder: str) -> None:
    # The rename itself is on disk only when its folder is; some systems cannot sync a folder.
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(fd)
    os.close(fd)


_one_at_a_time = threading.Lock()
_AT_ONCE = 1 << 19
"""Bytes of a write. What Linux caches of larger ones it may have to look for: a megabyte at a time,
1.3 GB took 0.7 s in some runs and 1.2 s in others."""
_WORTH_HURRY = 1 << 18
"""Bytes from which on a call to the system costs less than it gains."""


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset` of a file."""
    for done in range(0, len(data), _AT_ONCE):
        piece = data[done : done + _AT_ONCE]
        _write_all(fd, piece, offset + done)
        if len(piece) >= _WORTH_HURRY:
            _hurry(fd, offset + done, len(piece))


if hasattr(os, "pwrite"):

    def _write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset` of a file."""
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:] if done else data, offset + done)

else:

    def _write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset` of a file; here the position of a file is shared."""
        with _one_at_a_time:
            os.lseek(fd, offset, os.SEEK_SET)
            done = 0
            while done < len(data):
                done += os.write(fd, data[done:])


if hasattr(os, "posix_fadvise"):

    def _hurry(fd: int, offset: int, size: int) -> None:
        """Let the system begin to put these bytes on disk: less is left for the sync at the end.

        Bytes that are not needed soon are what it is told of; those not on disk yet it must keep,
        and it begins to write them.
        """
        with suppress(OSError):  # advice only
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)

else:

    def _hurry(fd: int, offset: int, size: int) -> None:
        """Nothing here begins to put bytes on disk without waiting for it."""
