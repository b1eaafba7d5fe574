"""Atomic writing: a file or folder gets its final name only once it is complete and synced.

Independent of any format. The temporary one lies beside it, so that a rename suffices.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.storage.writing.unfinished import (
    REPLACED,
    SUFFIX,
    at_any_end,
    name_beside,
    remove,
    unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


@contextmanager
def atomic_file(path: str, *, replace: bool = True) -> Iterator[IO[bytes]]:
    """Open a file to write; on success it is synced and renamed to `path`, else removed.

    Args:
        path: Final name of the file. One that it replaces gives it its permissions.
        replace: Replace what has that name in the end.

    Raises:
        FileExistsError: something has that name in the end, and not `replace`. It is unchanged.
        OSError: it cannot be written, synced or renamed. `path` is unchanged then.
    """
    with _temporary_for(path, _make_file) as temporary:
        _keep_permissions(path, temporary)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            name_file(temporary, path)


@contextmanager
def atomic_folder(
    path: str, replaced: Collection[str] = (), *, replace: bool = True
) -> Iterator[str]:
    """Make an empty folder for files; on success it is renamed to `path`, else removed.

    The caller syncs the files, and makes no folders in it.

    Args:
        path: Final name of the folder. One that it replaces gives it its permissions.
        replaced: Names of the files in an existing folder of that name. They are removed with it
            after the new one has its name.
        replace: Replace what has that name in the end.

    Raises:
        FileExistsError: something has that name in the end, and not `replace`; or other files were
            put into it. It is unchanged.
        OSError: it cannot be made, synced or renamed. `path` is unchanged then.
    """
    with _temporary_for(path, os.mkdir) as temporary:
        _keep_permissions(path, temporary)
        yield temporary
        sync_folder(temporary)
        if replace and os.path.lexists(path):
            _replace_folder(temporary, path, replaced)
        else:
            _name_folder(temporary, path)


@contextmanager
def scratch_folder(path: str) -> Iterator[str]:
    """Make an empty folder beside `path`; at the end it is removed, with the files left in it.

    Raises:
        OSError: it cannot be made.
    """
    with _temporary_for(path, os.mkdir) as temporary:
        yield temporary


@contextmanager
def _temporary_for(path: str, make: Callable[[str], None]) -> Iterator[str]:
    """Yield the name of a new file or folder beside `path`; on success, sync their folder.

    Users do not know the temporary name, so an error about it becomes one about `path`.
    """
    try:
        with unfinished(path, make) as temporary:
            yield temporary
    except OSError as error:
        is_ours = error.filename is None or SUFFIX in str(error.filename)
        if error.errno and is_ours:
            raise OSError(error.errno, error.strerror, path) from error
        raise
    sync_folder(os.path.dirname(path) or ".")


def _keep_permissions(path: str, temporary: str) -> None:
    with suppress(OSError):  # most often: there is nothing to replace
        os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))


def _make_file(path: str) -> None:
    with open(path, "xb"):
        pass


def name_file(temporary: str, path: str) -> None:
    """Rename a file to a free name.

    Raises:
        FileExistsError: it is not free; what has it stays.
    """
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError:  # a file system without links: the name is reserved first
        _name_by(os.replace, _make_file, os.unlink, temporary, path)


def _name_folder(temporary: str, path: str) -> None:
    if os.name == "nt":
        os.rename(temporary, path)  # which replaces nothing there
    else:  # a folder replaces an empty one, so the name is reserved by one
        _name_by(os.rename, os.mkdir, os.rmdir, temporary, path)


def _name_by(
    rename: Callable[[str, str], None],
    make: Callable[[str], None],
    undo: Callable[[str], None],
    temporary: str,
    path: str,
) -> None:
    try:
        make(path)
        rename(temporary, path)
    except FileExistsError as error:
        raise _taken(path) from error
    except BaseException as error:
        with suppress(OSError):
            undo(path)
        if isinstance(error, OSError) and error.errno == errno.ENOTEMPTY:
            raise _taken(path) from error
        raise


def _taken(path: str) -> FileExistsError:
    return FileExistsError(f"{path} was put there meanwhile, and stays; nothing was written")


def _replace_folder(temporary: str, path: str, replaced: Collection[str]) -> None:
    # No system renames a folder over a filled one, hence two steps.
    old = name_beside(path, REPLACED)
    with at_any_end(partial(_settle, old, path)):
        os.rename(path, old)
        if set(os.listdir(old)) - set(replaced):
            raise _taken(path)
        os.rename(temporary, path)


def _settle(old: str, path: str) -> None:
    """Remove the old folder if the new one has its name, else give it its name back."""
    if os.path.lexists(path):
        remove(old)
    else:
        with suppress(OSError):
            os.rename(old, path)


def sync_folder(folder: str) -> None:
    """Sync a folder: a rename is on disk only then. Some systems cannot, which is no error."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(fd)
    os.close(fd)


def open_unfinished(path: str) -> int:
    """Return a descriptor to write to an unfinished file of another process.

    Raises:
        CheckpointNotFoundError: this process does not see it.
        OSError: it cannot be opened.
    """
    try:
        return os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(
            "this process does not see the unfinished file that another one made",
            file=path,
            advice="Write to a folder that all processes share, under the same path",
        ) from error
