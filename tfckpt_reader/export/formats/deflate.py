"""Deflate on threads, with the same result for any number of them.

Knows no zip file.

A stream is cut into blocks of one size. Each is deflated independently and ends on a whole byte
with a full flush: joined, the results are one stream of RFC 1951. No match reaches into the
previous block; this costs about a thousandth in size.
"""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tfckpt_reader.encoding.checksum import CHECKSUMS, IEEE
from tfckpt_reader.storage.workers import processors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Task = TypeVar("Task")
    Result = TypeVar("Result")

BLOCK = 1 << 20
"""Uncompressed bytes in a block. Changing it changes the files."""
_LEVEL = 6
_RAW = -15
"""A window of 32 KiB, without zlib's header."""


class Block(NamedTuple):
    """A block to deflate."""

    data: bytes | bytearray
    last: bool
    """Whether it is the last of its stream."""


class Deflated(NamedTuple):
    """A deflated block."""

    data: bytes
    size: int
    """Uncompressed bytes."""
    crc32: int
    """Of the uncompressed bytes."""
    last: bool


def blocks(stream: Iterable[bytes | memoryview]) -> Iterator[Block]:
    """Cut a stream into blocks. The bytes are copied: their buffers may be reused."""
    block = bytearray()
    for data in stream:
        done = 0
        while done < len(data):
            if len(block) == BLOCK:
                yield Block(block, last=False)
                block = bytearray()
            room = BLOCK - len(block)
            block += data[done : done + room]
            done += room
    yield Block(block, last=True)


def deflated(stream: Iterable[Block]) -> Generator[Deflated, None, None]:
    """Deflate the blocks of one or more streams, and yield them in order; see `in_order`."""
    return in_order(_deflate, stream)


def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], threads: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``work(task)`` for each task, in order, done on threads. The caller closes it.

    Only a few tasks and results for each thread are in memory.

    Args:
        work: Called on several threads at once.
        tasks: Fetched on the caller's thread.
        threads: Number of threads; default: that of the processors.
    """
    threads = threads or processors()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for task in tasks:
            waiting.append(_submit(pool, work, task))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _submit(pool: ThreadPoolExecutor, work: Callable[[Task], Result], task: Task) -> Future[Result]:
    try:
        return pool.submit(work, task)
    except RuntimeError:  # the system gives no more threads
        done: Future[Result] = Future()
        done.set_result(work(task))
        return done


def _deflate(block: Block) -> Deflated:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    data = compressor.compress(block.data)
    data += compressor.flush(zlib.Z_FINISH if block.last else zlib.Z_FULL_FLUSH)
    return Deflated(data, len(block.data), CHECKSUMS[IEEE](block.data), block.last)
