"""Deflate on threads, to the same bytes however many of them there are.

Knows no zip file.

Bytes are cut into blocks of one size. Each is deflated by itself and ends on a whole byte with a
full flush, which lets the next begin without looking back: joined, they are one stream of RFC
1951. A block's matches do not reach into the block before it, which costs about a thousandth.
"""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.storage.workers import processors

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

BLOCK = 1 << 20
"""Bytes in a block before it is deflated. Another number makes other files."""
_LEVEL = 6
_RAW = -15
"""A window of 32 KiB, and no header of zlib's own."""


class Block(NamedTuple):
    """Some bytes of a stream."""

    data: bytes | bytearray
    last: bool
    """Whether it ends its stream."""


class Deflated(NamedTuple):
    """A block that was deflated."""

    data: bytes
    size: int
    """Bytes that it was before."""
    crc32: int
    """Of these."""
    last: bool


def blocks(pieces: Iterable[bytes | memoryview]) -> Iterator[Block]:
    """Cut a stream into blocks; pieces are copied, so that they may be overwritten."""
    block = bytearray()
    for piece in pieces:
        done = 0
        while done < len(piece):
            if len(block) == BLOCK:
                yield Block(block, last=False)
                block = bytearray()
            part = piece[done : done + BLOCK - len(block)]
            block += part
            done += len(part)
    yield Block(block, last=True)


def deflated(wanted: Iterable[Block]) -> Generator[Deflated, None, None]:
    """Deflate blocks, of any number of streams, and yield them in their order. To be closed.

    Only a few blocks for each thread are in memory.
    """
    threads = processors()
    waiting: deque[Future[Deflated]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in wanted:
            waiting.append(_begun(pool, block))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _begun(pool: ThreadPoolExecutor, block: Block) -> Future[Deflated]:
    try:
        return pool.submit(_deflate, block)
    except RuntimeError:  # the system gives no more threads
        done: Future[Deflated] = Future()
        done.set_result(_deflate(block))
        return done


def _deflate(block: Block) -> Deflated:
    machine = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    data = machine.compress(block.data)
    data += machine.flush(zlib.Z_FINISH if block.last else zlib.Z_FULL_FLUSH)
    return Deflated(data, len(block.data), zlib.crc32(block.data), block.last)
