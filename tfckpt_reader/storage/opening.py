"""A path or a URL as a ByteSource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.storage.local import File

if TYPE_CHECKING:
    from tfckpt_reader.storage.source import ByteSource


def open_file(path: str, *, mapped: bool = False) -> ByteSource:
    """Open a file.

    Args:
        path: A path or a URL.
        mapped: Let reads of a local file be views of a memory map.

    Raises:
        CheckpointNotFoundError: there is no such file.
        CheckpointError: it cannot be opened.
    """
    if not is_url(path):
        return File(path, mapped=mapped)
    from tfckpt_reader.storage.remote.objects import RemoteFile

    return RemoteFile(path)
