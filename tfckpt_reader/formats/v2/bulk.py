"""Bytes of tensors on their way out: put together, or read on threads; their crcs compared.

Knows no index; is told runs of bytes and asks for the files they lie in.

What is read at once is a window: a chunk of a long run, or as many short runs as lie side by side
in one chunk. Windows are done in any order, several at a time; the crc of a long run is put
together from those of its chunks.
"""

from __future__ import annotations

from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.encoding.checksum import Sums, crc32c
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.storage.source import CHUNK, PAGE
from tfckpt_reader.storage.workers import (
    WORTH_THREADS,
    each,
)
from tfckpt_reader.tensor.dense import canonical_bytes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from tfckpt_reader.formats.reader import OnRead, Take
    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.tensor.spec import Run


_MOST_PIECES = 1 << 12
"""Of a window: the crc of each piece is in memory until the window is done."""
WORTH_BATCHES = 256 << 20
"""Bytes from which on a thread does a few windows before it hands over what came of them, which
takes it as long as to read a quarter of one."""
_BATCH = 8
"""Windows."""


class Piece(NamedTuple):
    """The part of a run that lies in a window."""

    number: int
    """Of the run."""
    first: int
    """Bytes of the run before it."""
    size: int


class Window(NamedTuple):
    """Bytes that are read at once, and whose they are, without gaps."""

    shard: int
    offset: int
    size: int
    pieces: list[Piece]


class Scanned(NamedTuple):
    """What came of a run, once all its bytes were read."""

    number: int
    """Of the run."""
    error: CheckpointError | None
    """What is wrong with its place or its bytes."""


def windows(places: Iterable[tuple[int, Run]]) -> Iterator[Window]:
    """Cut runs, each with its number, into windows of at most `CHUNK` bytes."""
    pieces: list[Piece] = []
    shard: int | None = None
    begin = end = 0
    for number, run in places:
        joins = run.shard == shard and run.offset == end and end - begin + run.nbytes <= CHUNK
        joins = joins and len(pieces) < _MOST_PIECES
        for first in range(0, run.nbytes or 1, CHUNK):
            if not joins:
                if shard is not None:
                    yield Window(shard, begin, end - begin, pieces)
                shard, pieces = run.shard, []
                begin = end = run.offset + first
            size = min(CHUNK, run.nbytes - first)
            pieces.append(Piece(number, first, size))
            end += size
    if shard is not None:
        yield Window(shard, begin, end - begin, pieces)


def scan(
    shards: Shards,
    runs: Sequence[Run],
    take: Take | None = None,
    on_read: OnRead | None = None,
) -> Generator[Scanned, None, None]:
    """Read all bytes of runs of numbers, on threads, and compare their crcs. To be closed.

    What is wrong with a run is in its `Scanned`, and stops no other; what `take` raises stops all.

    Args:
        shards: Where the runs lie.
        runs: Best in the order in which they lie.
        take: Given the number of a run and a piece of its bytes, before their crc is known.
        on_read: Called for each window.
    """
    whole: list[int] = []
    for number, run in enumerate(runs):
        try:
            shards.source(run)
            whole.append(number)
        except CheckpointError as error:
            yield Scanned(number, error)
    places = ((number, runs[number]) for number in whole)

    def work(batch: list[Window], buffer: memoryview) -> list[int | CheckpointError]:
        return [crc for window in batch for crc in _crcs(window, buffer, runs, take, shards)]

    sums = Sums(len(runs))
    unread: dict[int, tuple[int, CheckpointError]] = {}
    total = sum(runs[number].nbytes for number in whole)
    threads = None if total >= WORTH_THREADS else 1
    batches = _batches(windows(places), _BATCH if total >= WORTH_BATCHES else 1)
    with closing(each(batches, work, threads)) as done:
        for batch, outcomes in done:
            if on_read is not None:
                on_read(sum(window.size for window in batch))
            pieces = chain.from_iterable(window.pieces for window in batch)
            for (number, first, size), found in zip(pieces, outcomes, strict=True):
                if isinstance(found, CheckpointError):
                    unread[number] = min(unread.get(number, (first, found)), (first, found))
                sums.add(number, first, size, found if isinstance(found, int) else 0)
                run = runs[number]
                if sums.sizes[number] == run.nbytes:
                    _, cause = unread.pop(number, (0, None))
                    yield Scanned(number, _wrong(shards, run, sums.crcs[number], cause))


def _batches(found: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(found, size)):
        yield batch


def _crcs(
    window: Window,
    buffer: memoryview,
    runs: Sequence[Run],
    take: Take | None,
    shards: Shards,
) -> list[int | CheckpointError]:
    """Read a window, and return the crc of each piece, or why it cannot be read.

    As the window lies in its pages, so it lies in the buffer's.
    """
    lead = window.offset % PAGE
    data = buffer[lead : lead + window.size]
    try:
        shards.file(window.shard).readinto(window.offset, data)
    except CheckpointError as error:
        if len(window.pieces) == 1:
            return [error]
        alone = _alone(window)
        return [crc for w in alone for crc in _crcs(w, buffer, runs, take, shards)]
    crcs: list[int | CheckpointError] = []
    begin = 0
    for number, first, size in window.pieces:
        raw = data[begin : begin + size]
        begin += size
        crcs.append(crc32c(raw))
        if take is not None:
            dtype = runs[number].dtype
            take(number, first, canonical_bytes(raw, dtype, big_endian=shards.big_endian))
    return crcs


def _alone(window: Window) -> Iterator[Window]:
    """Yield a window for each piece, to find out which of them cannot be read."""
    offset = window.offset
    for piece in window.pieces:
        yield Window(window.shard, offset, piece.size, [piece])
        offset += piece.size


def _wrong(
    shards: Shards, run: Run, crc: int, unread: CheckpointError | None
) -> CheckpointError | None:
    """Return what is wrong with a run: what kept it from being read, or its crc."""
    try:
        if unread is not None:
            raise unread
        shards.require_crc(run, crc)
    except CheckpointError as error:
        error.tensor = error.tensor or run.name
        return error
    return None
