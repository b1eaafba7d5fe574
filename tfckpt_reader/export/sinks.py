"""Sinks for the bytes of arrays, written at their offsets in one file or several.

Knows no tensor and no format. Another process can write to the same unfinished files: a sink
pickles as their paths.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfckpt_reader.storage.filesystem import absolute_path
from tfckpt_reader.storage.writing.atomic import open_unfinished
from tfckpt_reader.storage.writing.offsets import Room, write_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    ArraySink = Callable[[int, int, bytes | memoryview], None]
    """Writes bytes of an array, given its number and the count of its bytes before them. Called on
    any thread."""


class PortableArraySink(ABC):
    """An `ArraySink` for other processes, too."""

    @abstractmethod
    def __call__(self, number: int, first: int, data: bytes | memoryview) -> None:
        """Write bytes of an array."""

    @abstractmethod
    def part(self, numbers: Collection[int]) -> PortableArraySink:
        """Return a sink for some of the arrays, which pickles."""

    @abstractmethod
    def finish(self) -> None:
        """Sync and close what this process opened."""


class FileSink(PortableArraySink):
    """Writes arrays to one file.

    Args:
        path: The file. Another process opens it by its path.
        offsets: Number of an array -> offset of its first byte.
        fd: A descriptor of it, which stays open.
        size: Bytes of the file, if it is still empty: room is set aside for them.
    """

    def __init__(
        self,
        path: str,
        offsets: Sequence[int] | Mapping[int, int],
        fd: int | None = None,
        size: int = 0,
    ) -> None:
        self._path, self._offsets = path, offsets
        self._fd, self._is_own = fd, False
        self._room = None if fd is None else Room(fd, size)

    def __call__(self, number: int, first: int, data: bytes | memoryview) -> None:
        """Write bytes of an array."""
        if self._fd is None:
            self._fd, self._is_own = open_unfinished(self._path), True
        write_at(self._fd, data, self._offsets[number] + first, self._room)

    def part(self, numbers: Collection[int]) -> FileSink:
        """Return a sink for some of the arrays, which pickles."""
        return FileSink(absolute_path(self._path), {n: self._offsets[n] for n in numbers})

    def finish(self) -> None:
        """Sync and close the file if this process opened it."""
        if self._fd is None or not self._is_own:
            return
        try:
            os.fsync(self._fd)
        finally:
            os.close(self._fd)
            self._fd, self._is_own = None, False


class ShardSink(PortableArraySink):
    """Writes arrays to several files.

    Args:
        files: Number of a file -> its sink.
        shards: Number of an array -> number of its file.
    """

    def __init__(
        self,
        files: Sequence[FileSink] | Mapping[int, FileSink],
        shards: Sequence[int] | Mapping[int, int],
    ) -> None:
        self._files, self._shards = files, shards

    def __call__(self, number: int, first: int, data: bytes | memoryview) -> None:
        """Write bytes of an array."""
        self._files[self._shards[number]](number, first, data)

    def part(self, numbers: Collection[int]) -> ShardSink:
        """Return a sink for some of the arrays, which pickles."""
        shards = {number: self._shards[number] for number in numbers}
        by_file = {file: [n for n in shards if shards[n] == file] for file in set(shards.values())}
        files = {file: self._files[file].part(some) for file, some in by_file.items()}
        return ShardSink(files, shards)

    def finish(self) -> None:
        """Sync and close the files that this process opened."""
        files = self._files
        for file in files.values() if isinstance(files, Mapping) else files:
            file.finish()
