"""Atomic writing: a file or folder gets its final name only once it is complete and synced.

Independent of any format. The temporary one lies beside it, so that a rename suffices.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIX = ".tfckpt-unfinished"
"""Ending of a temporary name; it stays on disk only if the process is killed."""
REPLACED = ".tfckpt-replaced"
"""Ending of the old folder's temporary name; it stays on disk only if the process is killed."""

_NAME_BYTES = 100
"""Bytes of the final name within a temporary one: names have a limit, mostly of 255 bytes."""


@contextmanager
def atomic_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file to write; on success it is synced and renamed to `path`, else removed.

    Raises:
        OSError: it cannot be written, synced or renamed. `path` is unchanged then.
    """
    with _temporary_for(path) as temporary:
        file = open(temporary, "xb")  # noqa: SIM115 - closed below; a file of others is not removed
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


@contextmanager
def atomic_folder(path: str, replaced: Iterable[str] = ()) -> Iterator[str]:
    """Make an empty folder for files; on success it is renamed to `path`, else removed.

    The caller syncs the files, and makes no folders in it.

    Args:
        path: Final name of the folder.
        replaced: Names of the files in an existing folder of that name. They are removed with it
            after the new one has its name.

    Raises:
        OSError: it cannot be made, synced or renamed. `path` is unchanged then.
    """
    with _temporary_for(path) as temporary:
        os.mkdir(temporary)
        try:
            yield temporary
            sync_folder(temporary)
            _replace_folder(temporary, path, replaced)
        except BaseException:
            with suppress(OSError):
                _remove(temporary, os.listdir(temporary))
            raise


@contextmanager
def scratch_folder(path: str) -> Iterator[str]:
    """Make an empty folder beside `path`; at the end it is removed, with the files left in it.

    Raises:
        OSError: it cannot be made.
    """
    with _temporary_for(path) as temporary:
        os.mkdir(temporary)
        try:
            yield temporary
        finally:
            with suppress(OSError):
                _remove(temporary, os.listdir(temporary))


@contextmanager
def _temporary_for(path: str) -> Iterator[str]:
    """Yield a new name in the folder of `path`; on success, sync that folder.

    Users do not know the temporary name, so an error about it becomes one about `path`.
    """
    temporary = _name_beside(path, SUFFIX)
    try:
        yield temporary
    except OSError as error:
        is_ours = error.filename is None or str(error.filename).startswith(temporary)
        if error.errno and is_ours:
            raise OSError(error.errno, error.strerror, path) from error
        raise
    sync_folder(os.path.dirname(path) or ".")


def _name_beside(path: str, suffix: str) -> str:
    folder, base = os.path.split(path)
    start = os.fsdecode(os.fsencode(base)[:_NAME_BYTES])
    return os.path.join(folder, f".{start}.{os.urandom(4).hex()}{suffix}")


def _replace_folder(temporary: str, path: str, replaced: Iterable[str]) -> None:
    # No system renames a folder over a filled one, hence two steps.
    old = _name_beside(path, REPLACED)
    try:
        if os.path.lexists(path):
            os.rename(path, old)
        os.rename(temporary, path)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(path):
            os.rename(old, path)
        raise
    if os.path.lexists(old):
        with suppress(OSError):  # a file that others added meanwhile stays
            _remove(old, replaced)


def _remove(folder: str, names: Iterable[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def sync_folder(folder: str) -> None:
    """Sync a folder: a rename is on disk only then. Some systems cannot, which is no error."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(fd)
    os.close(fd)


_seek_lock = threading.Lock()
_WINDOW = 1 << 19
"""Bytes per write. Linux may have to search its cache for larger ones: with a megabyte per write,
1.3 GB took 0.7 s in some runs and 1.2 s in others."""
_WORTH_WRITEBACK = 1 << 18
"""Below this many bytes, starting the writeback costs more than it gains."""


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset` of a file."""
    done = 0
    while done < len(data):
        written = _pwrite(fd, data[done : done + _WINDOW], offset + done)
        if written >= _WORTH_WRITEBACK and hasattr(os, "posix_fadvise"):
            # Let the system begin to write these bytes to disk, so that the final sync is short.
            # The advice is that they are not needed soon; unwritten bytes must not be dropped.
            with suppress(OSError):
                os.posix_fadvise(fd, offset + done, written, os.POSIX_FADV_DONTNEED)
        done += written


def _pwrite(fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write some of `data` at `offset` of a file; return the number of bytes."""
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    with _seek_lock:  # a file has one position
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)
