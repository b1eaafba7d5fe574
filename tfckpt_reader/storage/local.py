"""Local files as byte sources: mapped, or read into buffers.

Knows no TensorFlow name and no format.

* A view of a mapped file keeps the map alive, whatever happens to the `File`. ``np.memmap`` is not
  used: touching its view after the map is closed kills the process.
* A File has no ``close()``. Its descriptor is closed with the last reference to it, so a thread
  that still reads never meets a descriptor that was given to another file.
* There can be more Files than a process may have descriptors. A File gives its descriptor up when
  asked (`open_files`), and opens the file again to read, if the file is unchanged.
* Touching a mapped file that somebody truncated kills the process (SIGBUS). `File.readinto`, or
  ``mapped=False``, reads instead.
"""

from __future__ import annotations

import os
import stat
import threading

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    TruncatedError,
)
from tfckpt_reader.storage.file_state import FileState, changed
from tfckpt_reader.storage.open_files import MAP_HAS_ITS_OWN, Descriptor, keep, map_file
from tfckpt_reader.storage.source import CHUNK, page_buffer, require_inside
from tfckpt_reader.text import count_of

_LARGEST_READ = 1 << 30


class File:
    """A regular file as a ByteSource.

    Args:
        path: The file. Anything but a regular file (pipe, device, directory) is refused.
        mapped: Let `read` return views of a memory map instead of copies. The map is made at the
            first read; if the system refuses one, reads are copies.

    Attributes:
        map: All of the file, read-only, once it is mapped; else None.

    Raises:
        CheckpointNotFoundError: there is no such file.
        CheckpointError: the file cannot be opened.
    """

    window = CHUNK

    def __init__(self, path: str, *, mapped: bool = False) -> None:
        self.name = path
        self.map: memoryview | None = None
        self._lock = threading.Lock()
        self._held: Descriptor | None = None
        self._seen: FileState | None = None
        self.size = self._open()[1].size
        self._wants_map = mapped and self.size > 0

    def read(self, offset: int, size: int) -> memoryview:
        """Return `size` bytes at `offset`, read-only: a view of the map, or a copy."""
        if self._wants_map and 0 <= offset <= offset + size <= self.size:
            view = self.map or self._mapped()
            if view is not None:
                return view[offset : offset + size]
        require_inside(self, offset, size)
        buffer = page_buffer(size)
        self.readinto(offset, buffer)
        return buffer.toreadonly()

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with the bytes at `offset`; never touches the map.

        Raises:
            TruncatedError: the file ends, or has meanwhile been cut, before the buffer is full.
        """
        require_inside(self, offset, len(buffer))
        done = 0
        while done < len(buffer):
            try:
                got = self._pread(offset + done, buffer[done : done + _LARGEST_READ])
            except CheckpointError:
                raise
            except OSError as error:
                raise CheckpointError(
                    f"cannot be read: {error.strerror}", file=self.name, offset=offset + done
                ) from error
            if not got:
                raise TruncatedError(
                    "the file has become shorter while it was read",
                    file=self.name,
                    offset=offset + done,
                    expected=count_of(self.size, "byte"),
                    got=count_of(self._size_now(), "byte"),
                )
            done += got

    def _descriptor(self) -> Descriptor:
        """Return the descriptor. Callers hold a reference: the File can drop its own at any time.

        Raises:
            CorruptCheckpointError: the file was opened again, and has changed.
        """
        return self._held or self._open()[0]

    def _open(self) -> tuple[Descriptor, FileState]:
        number, status = _open_regular(self.name)
        held, seen = Descriptor(number), FileState.of(status)
        if self._seen not in (None, seen):
            raise changed(self.name, self._seen, seen)
        self._held, self._seen = held, seen
        keep(self)
        return held, seen

    def _size_now(self) -> int:
        held = self._descriptor()
        return os.fstat(held.number).st_size

    def make_room(self) -> None:
        """Give up the descriptor, and the map if it has one too; a read under way holds its own."""
        self._held = None
        if MAP_HAS_ITS_OWN:
            self.map = None

    def _mapped(self) -> memoryview | None:
        with self._lock:
            if self.map is not None:
                return self.map
            held = self._descriptor()
            try:
                found = map_file(held)
            except (OSError, ValueError, OverflowError):
                self._wants_map = False
                return None
            if found is None:
                return None
            view = memoryview(found)
            # The file may have been cut since its size was taken.
            if len(view) < self.size:
                raise TruncatedError(
                    "the file has become shorter since it was opened",
                    file=self.name,
                    expected=count_of(self.size, "byte"),
                    got=count_of(len(view), "byte"),
                )
            self.map = view
            return view

    if hasattr(os, "preadv"):

        def _pread(self, offset: int, buffer: memoryview) -> int:
            held = self._descriptor()
            return os.preadv(held.number, [buffer], offset)

    else:

        def _pread(self, offset: int, buffer: memoryview) -> int:
            # No positioned read here (Windows, old macOS): one seek and read at a time.
            held = self._descriptor()
            with self._lock:
                os.lseek(held.number, offset, os.SEEK_SET)
                data = os.read(held.number, len(buffer))
            buffer[: len(data)] = data
            return len(data)


def _open_regular(path: str) -> tuple[int, os.stat_result]:
    # Check before opening: opening a pipe or a device can block, or have effects.
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise CheckpointError("is not a regular file", file=path)
        fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise CheckpointNotFoundError("no such file", file=path) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CheckpointError(f"cannot be opened: {reason}", file=path) from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise CheckpointError("is not a regular file", file=path)
    return fd, status
