"""The seam for writing: atomic, on this machine or, for a URL, to its store.

Independent of any format. `storage.remote` is imported for URLs alone.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from tfckpt_reader.storage.filesystem import exists, folder_of, is_url
from tfckpt_reader.storage.writing.atomic import atomic_file
from tfckpt_reader.storage.writing.tree import atomic_tree
from tfckpt_reader.storage.writing.unfinished import remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from tfckpt_reader.storage.writing.tree import Put


def has_name(path: str) -> bool:
    """Return whether anything has a name, also a link that leads nowhere."""
    return exists(path) if is_url(path) else os.path.lexists(path)


def require_place(path: str) -> None:
    """Require a folder for a new name, or a store that can be written to.

    Raises:
        FileNotFoundError: there is no such folder.
        CheckpointError: there is no such store, or it is only read from.
    """
    if is_url(path):
        from tfckpt_reader.storage.remote.writing import require_store

        require_store(path)
        return
    folder = folder_of(path)
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: there is no folder {folder}")


def tidy_place(path: str) -> list[str]:
    """Remove what killed runs left where a name is written; return a line for each."""
    if is_url(path):
        from tfckpt_reader.storage.remote.writing import scratch_place

        return remove_leftovers(scratch_place())
    return remove_leftovers(folder_of(path) or ".")


def file_names(folder: str) -> list[str]:
    """Return the names of all files in a folder and in the folders in it, with ``/``."""
    if is_url(folder):
        from tfckpt_reader.storage.remote import writing

        return writing.file_names(folder)
    found = []
    for inner, _, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(inner, name), folder) for name in files]
    return [name.replace(os.sep, "/") for name in found]


def new_file(path: str, *, replace: bool) -> AbstractContextManager[IO[bytes]]:
    """Open a file to write; on success it gets the name `path`, else nothing is left of it.

    Args:
        path: Its name. For a URL it is written to a temporary file, then sent.
        replace: Replace what has that name in the end, instead of raising FileExistsError.
    """
    if is_url(path):
        from tfckpt_reader.storage.remote.writing import uploaded_file

        return uploaded_file(path, replace=replace)
    return atomic_file(path, replace=replace)


def new_tree(path: str, replaced: Collection[str], *, replace: bool) -> AbstractContextManager[Put]:
    """Yield a function that puts files into a folder; on success it gets the name `path`.

    Args:
        path: Its name. For a URL they are written to a temporary folder, then sent, those at the
            root last; a former folder is lost then, even if an error comes later.
        replaced: Names of the files in a former folder, with ``/`` after each folder.
        replace: Replace what has that name in the end, instead of raising FileExistsError.
    """
    if is_url(path):
        from tfckpt_reader.storage.remote.writing import uploaded_tree

        return uploaded_tree(path, replaced, replace=replace)
    return atomic_tree(path, replaced, replace=replace)
