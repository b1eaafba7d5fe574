"""A file that is written aside and takes its name only when it is whole.

Rank 1: knows no format.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".tfckpt-unfinished"
"""Ends the name of a file that was being written; left behind only if the process was killed."""

_NAME_KEPT = 100
"""Bytes of the file's own name in it: names have a limit, mostly of 255 bytes."""


@contextmanager
def written_aside(path: str) -> Iterator[IO[bytes]]:
    """Give a file to write; on success it is synced and renamed to `path`, else removed.

    Raises:
        OSError: it cannot be written, synced or renamed. `path` is then as it was before.
    """
    folder, base = os.path.split(path)
    start = os.fsdecode(os.fsencode(base)[:_NAME_KEPT])
    aside = os.path.join(folder, f".{start}.{secrets.token_hex(4)}{SUFFIX}")
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
        if isinstance(error, OSError) and error.errno and error.filename in (None, aside):
            # Nobody but us knows that name; what could not be written is `path`.
            raise OSError(error.errno, error.strerror, path) from error
        raise
    _sync_folder(folder or ".")


def _sync_folder(folder: str) -> None:
    # The rename itself is on disk only when its folder is; some systems cannot sync a folder.
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(fd)
    os.close(fd)
