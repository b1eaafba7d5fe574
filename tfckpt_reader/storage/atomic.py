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


def _temporary(path: str, suffix: str) -> str:
    """Return a new name in the same folder."""
    folder, base = os.path.split(path)
    start = os.fsdecode(os.fsencode(base)[:_NAME_BYTES])
    return os.path.join(folder, f".{start}.{os.urandom(4).hex()}{suffix}")


@contextmanager
def atomic_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file to write; on success it is synced and renamed to `path`, else removed.

    Raises:
        OSError: it cannot be written, synced or renamed. `path` is unchanged then.
    """
    temporary = _temporary(path, SUFFIX)
    try:
        file = open(temporary, "xb")  # noqa: SIM115 - closed below; a file of others is not removed
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        _rename_error(error, temporary, path)
        raise
    _sync_folder(os.path.dirname(path) or ".")


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
    temporary = _temporary(path, SUFFIX)
    try:
        os.mkdir(temporary)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        yield temporary
        _sync_folder(temporary)
        _replace_folder(temporary, path, replaced)
    except BaseException as error:
        with suppress(OSError):
            _remove(temporary, os.listdir(temporary))
        _rename_error(error, temporary, path)
        raise
    _sync_folder(os.path.dirname(path) or ".")


def _replace_folder(temporary: str, path: str, replaced: Iterable[str]) -> None:
    # No system renames a folder over a filled one, hence two steps.
    old = _temporary(path, REPLACED)
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


def _rename_error(error: BaseException, temporary: str, path: str) -> None:
    """Replace an error about the temporary name, unknown to users, by one about `path`."""
    if not isinstance(error, OSError) or not error.errno:
        return
    if error.filename is None or str(error.filename).startswith(temporary):
        raise OSError(error.errno, error.strerror, path) from error


def _sync_folder(folder: str) -> None:
    # The rename is on disk only once its folder is; some systems cannot sync a folder.
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
    for done in range(0, len(data), _WINDOW):
        window = data[done : done + _WINDOW]
        _write_all(fd, window, offset + done)
        if len(window) >= _WORTH_WRITEBACK:
            _start_writeback(fd, offset + done, len(window))


if hasattr(os, "pwrite"):

    def _write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset` of a file."""
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:] if done else data, offset + done)

else:

    def _write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset`, one thread at a time: a file has one position."""
        with _seek_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            done = 0
            while done < len(data):
                done += os.write(fd, data[done:])


if hasattr(os, "posix_fadvise"):

    def _start_writeback(fd: int, offset: int, size: int) -> None:
        """Let the system begin to write these bytes to disk, so that the final sync is short.

        The advice is that they are not needed soon. The system must not drop unwritten bytes, so
        it begins to write them.
        """
        with suppress(OSError):  # advice only
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)

else:

    def _start_writeback(fd: int, offset: int, size: int) -> None:
        """Do nothing: this system cannot begin to write bytes to disk without waiting."""
