"""The interface of a readable run of bytes, and buffers to read into.

Knows no TensorFlow name and no format. Reads into memory aligned to a page were five times as fast
here as into a bytearray, hence `page_buffer`.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, Protocol

from tfckpt_reader.errors import TruncatedError, UnsupportedError
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALL = 1 << 16
"""Buffers below this size, in bytes, gain nothing from whole pages."""
_PRIVATE: dict[str, Any] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
)
"""The default would be shared with a forked child, which would write into it."""
CHUNK = 1 << 20
"""Bytes read at a time when a range is streamed."""
PAGE = mmap.PAGESIZE
"""Bytes of a page of memory."""


class ByteSource(Protocol):
    """A run of bytes with a name, readable at any offset."""

    map: memoryview | None
    """All of it, where it is in memory or mapped."""
    window: int
    """Bytes that are best read at a time when many are."""

    @property
    def name(self) -> str:
        """Its path, for errors."""

    @property
    def size(self) -> int:
        """Bytes in it when it was opened."""

    def read(self, offset: int, size: int) -> memoryview:
        """Return `size` bytes at `offset`, read-only: a view where possible, else a copy."""

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill a writable buffer of bytes with the bytes at `offset`."""


def require_inside(source: ByteSource, offset: int, size: int) -> None:
    """Refuse a range that is not within a source.

    Raises:
        TruncatedError: it reaches past the end.
    """
    if offset < 0 or size < 0 or offset + size > source.size:
        raise TruncatedError(
            f"{count_of(size, 'byte')} are needed here, past the end of the file",
            file=source.name,
            offset=offset,
            expected=f"a file of at least {count_of(offset + size, 'byte')}",
            got=count_of(source.size, "byte"),
        )


def page_buffer(size: int) -> memoryview:
    """Return `size` writable bytes, aligned to a page if they are many.

    Raises:
        UnsupportedError: the machine lacks that much memory.
    """
    try:
        if size < _SMALL:
            return memoryview(bytearray(size))
        return memoryview(mmap.mmap(-1, size, **_PRIVATE))
    except (MemoryError, OSError, OverflowError) as error:
        raise UnsupportedError(
            f"{count_of(size, 'byte')} are needed at once, more than this machine gives"
        ) from error


def chunks(source: ByteSource, offset: int, size: int, item: int = 1) -> Iterator[memoryview]:
    """Read a range into one reused buffer, and yield it chunk by chunk.

    A chunk is overwritten by the next. It holds a multiple of `item` bytes, at most a window. In
    large ranges it has the same alignment to pages as in the file.
    """
    buffer = page_buffer(min(source.window, size) + PAGE)
    step = source.window - source.window % item
    for done in range(0, size, step):
        lead = (offset + done) % PAGE
        chunk = buffer[lead : lead + min(step, size - done)]
        source.readinto(offset + done, chunk)
        yield chunk
