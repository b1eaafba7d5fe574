"""A ByteSource as a stream, for libraries that read files."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.storage.opening import open_file

if TYPE_CHECKING:
    from typing import BinaryIO

    from tfckpt_reader.storage.source import ByteSource

_BUFFER = 1 << 20


def open_stream(path: str) -> BinaryIO:
    """Open a file, local or remote, for reading from its beginning.

    Raises:
        OSError: it cannot be opened.
        CheckpointError: the same, of a URL.
    """
    if not is_url(path):
        return open(path, "rb")
    return io.BufferedReader(_Stream(open_file(path)), _BUFFER)


class _Stream(io.RawIOBase):
    """The bytes of a source, from a position on."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self._source.size - self._position))
        if size:
            self._source.readinto(self._position, view[:size])
        self._position += size
        return size
