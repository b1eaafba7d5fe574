"""Atomic writing of a folder with folders in it, file by file.

Independent of any format.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tfckpt_reader.storage.workers import each
from tfckpt_reader.storage.writing.atomic import atomic_folder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    Put = Callable[[str, bytes | bytearray], None]
    """Stores the bytes of a file, given its name with ``/`` after each folder. Called on any
    thread."""

SYNCED_AT_ONCE = 8
"""Files: a disk syncs them together in hardly more time than one of them."""


@contextmanager
def atomic_tree(
    path: str, replaced: Collection[str] = (), *, replace: bool = True
) -> Iterator[Put]:
    """Make a folder for files in folders; on success it is renamed to `path`, else removed.

    Args:
        path: Final name of the folder.
        replaced: Names of the files in an existing one, with ``/`` after each folder.
        replace: As for `atomic_folder`.

    Raises:
        FileExistsError: as `atomic_folder` does.
        OSError: as `atomic_folder` does.
    """
    names = {name.partition("/")[0] for name in replaced}
    with atomic_folder(path, names, replace=replace) as root:
        folders: set[str] = set()

        def put(name: str, data: bytes | bytearray) -> None:
            put_file(root, name, data, folders, sync=True)

        yield put
        paths = (os.path.join(root, folder) for folder in folders)
        with closing(each(paths, _sync, SYNCED_AT_ONCE)) as synced:
            for _ in synced:
                pass


def put_file(
    root: str, name: str, data: bytes | bytearray, folders: set[str], *, sync: bool
) -> None:
    """Write a new file into a folder.

    Args:
        root: The folder.
        name: The file's name, with ``/`` after each folder.
        data: Its bytes.
        folders: Those that are there; new ones are added.
        sync: Sync the file.
    """
    folder, _, _ = name.rpartition("/")
    if folder and folder not in folders:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        folders.add(folder)
    with open(os.path.join(root, name), "xb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _sync(folder: str, _buffer: memoryview) -> None:
    sync_folder(folder)
