"""Atomic writing to URLs: of a file, or of a folder whose root's files come last.

All is written to a temporary folder of this machine first, then sent: a file in parts, which the
store puts together at the end. A folder's files appear one after another.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, UnsupportedError
from tfckpt_reader.storage.filesystem import split
from tfckpt_reader.storage.remote.store import asking
from tfckpt_reader.storage.remote.stores import store_of
from tfckpt_reader.storage.workers import each
from tfckpt_reader.storage.writing.atomic import scratch_folder
from tfckpt_reader.storage.writing.tree import put_file
from tfckpt_reader.storage.writing.unfinished import at_any_end

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager

    from tfckpt_reader.storage.remote.store import Store
    from tfckpt_reader.storage.writing.tree import Put

_PART, _MOST_PARTS = 8 << 20, 9000
"""Least bytes of a part, and the limit on their number; S3 takes 10,000."""
_PIECE = 1 << 20
_SENT_AT_ONCE = 8
"""Files of a folder."""


class _TakenError(CheckpointError):
    """Something has the name by now."""


def require_store(url: str) -> None:
    """Refuse a URL that cannot be written to.

    Raises:
        UnsupportedError: its server is only read from.
        CheckpointError: there is no such store, or nothing installed for it.
    """
    if not store_of(url)[0].lists:
        advice = "Write to a store such as s3://, gs:// or az://, or to this machine"
        raise UnsupportedError("a web server is only read from", file=url, advice=advice)


def scratch_place() -> str:
    """Return the folder of this machine for temporary files; ``TMPDIR`` names another."""
    return tempfile.gettempdir()


def file_names(url: str) -> list[str]:
    """Return the names of all files in a folder and in the folders in it, with ``/``."""
    store, key = store_of(url)
    with asking(url):
        return [each.removeprefix(key).lstrip("/") for each in store.keys(key)]


@contextmanager
def uploaded_file(url: str, *, replace: bool) -> Iterator[IO[bytes]]:
    """Open a temporary file to write; on success it is sent to `url`.

    Args:
        url: The name. It appears when all is there.
        replace: Replace what has that name in the end.

    Raises:
        FileExistsError: something has that name in the end, and not `replace`. It is unchanged.
        CheckpointError: the store cannot be written to.
    """
    store, key = store_of(url)
    with _scratch(url) as folder, open(os.path.join(folder, "file"), "w+b") as file:
        yield file
        file.flush()
        size = os.fstat(file.fileno()).st_size
        pieces = _pieces(file, None if replace else store, key)
        try:
            with asking(url):
                store.put_parts(key, pieces, max(_PART, size // _MOST_PARTS))
            store.seen.put(key, None)
        except _TakenError:
            raise _taken(url) from None


def _scratch(url: str) -> AbstractContextManager[str]:
    return scratch_folder(os.path.join(scratch_place(), split(url)[1]))


def _taken(url: str) -> FileExistsError:
    return FileExistsError(f"{url} was put there meanwhile, and stays; nothing was written")


def _pieces(file: IO[bytes], free_in: Store | None, key: str) -> Iterator[bytes]:
    """Yield the bytes of a file; at the end, require that the key is free in a store, if any."""
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece
    if free_in is None:
        return
    # On a thread of its own: obstore does not let itself be called from the iterator that it reads.
    with ThreadPoolExecutor(1) as pool:
        if pool.submit(free_in.head, key).result() is not None:
            raise _TakenError("something has the name by now")


@contextmanager
def uploaded_tree(url: str, replaced: Collection[str], *, replace: bool) -> Iterator[Put]:
    """Yield a function that puts files into a temporary folder; on success they are sent to `url`.

    Those at its root are sent last. After an error none is left.

    Args:
        url: The folder's name.
        replaced: Names of the files in it, which are removed before the others are sent.
        replace: Replace what has that name in the end.

    Raises:
        FileExistsError: other files are there in the end. They are unchanged.
        CheckpointError: the store cannot be written to.
    """
    with _scratch(url) as folder:
        names: list[str] = []
        folders: set[str] = set()

        def put(name: str, data: bytes | bytearray) -> None:
            put_file(folder, name, data, folders, sync=False)
            names.append(name)

        yield put
        if set(file_names(url)) - set(replaced if replace else ()):
            raise _taken(url)
        with asking(url):
            _send(folder, names, replaced, *store_of(url))


def _send(
    folder: str, names: Collection[str], replaced: Collection[str], store: Store, key: str
) -> None:
    """Send the files of a folder, those at its root last, after removing others.

    Args:
        folder: A folder of this machine.
        names: Those of its files.
        replaced: Names of the files to remove.
        store: Gets the files.
        key: The folder's in the store.
    """
    _remove(store, [f"{key}/{name}" for name in sorted(replaced, key=_depth)])
    sent: list[str] = []

    def send(name: str, _buffer: memoryview) -> None:
        with open(os.path.join(folder, name), "rb") as file:
            sent.append(f"{key}/{name}")
            store.put(f"{key}/{name}", file.read())

    for name in names:
        store.seen.put(f"{key}/{name}", None)
    last = [name for name in names if "/" not in name]
    with at_any_end(partial(_undo, store, sent)):
        for some in ([name for name in names if "/" in name], last):
            with closing(each(some, send, _SENT_AT_ONCE)) as done:
                for _ in done:
                    pass
        sent.clear()


def _depth(name: str) -> int:
    return name.count("/")


def _remove(store: Store, keys: list[str]) -> None:
    if keys:
        store.delete(keys)


def _undo(store: Store, sent: list[str]) -> None:
    with suppress(Exception):
        _remove(store, list(sent))
