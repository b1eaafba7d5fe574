"""A path or a URL as a ByteSource."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.storage.local import File

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

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


@runtime_checkable
class _Distant(Protocol):
    """A source with reads that each take long."""

    def near(self, ranges: Iterable[tuple[int, int]]) -> AbstractContextManager[None]:
        """Fetch ranges of offset and size at once; reads inside the block find them."""


def near(source: ByteSource, ranges: Iterable[tuple[int, int]]) -> AbstractContextManager[None]:
    """Fetch ranges of a remote file in few requests, for the reads inside the block.

    Args:
        source: A file; of a local one nothing is read.
        ranges: Offsets and sizes, in bytes.
    """
    return source.near(ranges) if isinstance(source, _Distant) else nullcontext()
