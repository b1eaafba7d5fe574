"""Writing bytes at offsets of a new file, on any thread, so that little is left to sync.

Independent of any format. Where the system allows it, room is set aside first, and what was written
goes to disk at once and leaves the system's cache later.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress

_WORTH_ROOM = 1 << 20
"""Below this many bytes, setting room aside gains nothing."""
_STEP = 64 << 20
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_STRIDE = 1 << 19
"""Writes end at multiples of this many bytes, so that they fill whole pages. Linux may have to
search its cache for larger ones: with a megabyte per write, 1.3 GB took 0.7 s in some runs and 1.2
s in others."""
_WORTH_WRITEBACK = 1 << 18
"""Below this many bytes, starting the writeback costs more than it gains."""
_CACHED = 1 << 30
"""Bytes of a file, those written last, that stay in the system's cache."""
_seek_lock = threading.Lock()


class Room:
    """Room on disk for a new file, set aside in steps, each when something is written into it.

    Writing takes half the time then, where the file system can do so. Not all at once: an index may
    claim more bytes than there are, and this is noticed later.

    Args:
        fd: The file, still empty.
        size: Bytes that it will have.
    """

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size
        self._works = size >= _WORTH_ROOM and _can_set_aside(fd)
        self._done: set[int] = set()
        self._lock = threading.Lock()

    def at(self, offset: int, size: int) -> None:
        """Set aside the steps that `size` bytes at an offset lie in. May be called on any thread.

        Raises:
            OSError: the disk lacks the room, or the system allows no file of that size.
        """
        for step in range(offset // _STEP, -(-(offset + size) // _STEP) if self._works else 0):
            if step not in self._done:
                with self._lock:
                    self._set_aside(step * _STEP)
                    self._done.add(step)

    def _set_aside(self, begin: int) -> None:
        try:
            os.posix_fallocate(self._fd, begin, min(_STEP, self._size - begin))
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise
            self._works = False


def _can_set_aside(fd: int) -> bool:
    """Return whether a file system can set room aside for an empty file.

    Where it cannot, the C library writes zeros instead: here into one block only.
    """
    if not (hasattr(os, "posix_fallocate") and hasattr(os, "SEEK_DATA")):
        return False
    try:
        os.posix_fallocate(fd, 0, 1)
    except OSError:
        return False
    try:
        os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:
        return True  # no data
    return False


def write_at(fd: int, data: bytes | memoryview, offset: int, room: Room | None = None) -> None:
    """Write all of `data` at `offset` of a file, for which `room` may be set aside."""
    if room is not None:
        room.at(offset, len(data))
    done = 0
    while done < len(data):
        begin = offset + done
        written = _pwrite(fd, data[done : done + _STRIDE - begin % _STRIDE], begin)
        if written >= _WORTH_WRITEBACK and hasattr(os, "posix_fadvise"):
            _write_back(fd, begin, written)
        done += written


def _write_back(fd: int, begin: int, size: int) -> None:
    """Let the system begin to write new bytes to disk, so that the final sync is short.

    The advice is that they are not needed soon; unwritten bytes must not be dropped. Given again
    much later, it drops them: else a large file would drive its own source out of the cache.
    """
    for first in (begin, begin - _CACHED):
        if first >= 0:
            with suppress(OSError):
                os.posix_fadvise(fd, first, size, os.POSIX_FADV_DONTNEED)


def _pwrite(fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write some of `data` at `offset` of a file; return the number of bytes."""
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    with _seek_lock:  # a file has one position
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)
