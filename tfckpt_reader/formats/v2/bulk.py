"""Many segments at once: read on threads, their crcs compared.

Knows no index. Windows are read in any order, several at a time, here or by a `Spread` in other
processes; the crc of a long segment is combined from those of its windows.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.portable import PortableSink
from tfckpt_reader.formats.v2.proportion import require_proportion
from tfckpt_reader.formats.v2.units import Span, Unit, Window, read_unit
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.storage.workers import WORTH_THREADS, current_spread, each

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.storage.workers import Spread
    from tfckpt_reader.tensor.spec import Segment

_MOST_SPANS = 1 << 12
"""In a window: the crc of each is in memory until the window is done."""
WORTH_BATCHES = 256 << 20
"""Above this size, in bytes, a worker reads several windows per hand-over: a hand-over takes as
long as reading a quarter of a window."""
_BATCH = 8
"""Windows per hand-over."""
_MOST_WINDOWS = 256
"""Windows per hand-over to another process, which takes about a millisecond."""
_UNITS_EACH = 4
"""Units that each process gets at least, so that all end at about the same time."""


class Scanned(NamedTuple):
    """The outcome of reading one segment."""

    number: int
    """Of the segment."""
    error: CheckpointError | None
    """The reason if its position or its bytes are wrong."""


def windows(numbered: Iterable[tuple[int, Segment]]) -> Iterator[Window]:
    """Cut segments, each with its number, into windows of at most `CHUNK` bytes."""
    spans: list[Span] = []
    shard: int | None = None
    begin = end = 0
    for number, segment in numbered:
        nbytes = segment.nbytes
        joins = segment.shard == shard and segment.offset == end and end - begin + nbytes <= CHUNK
        joins = joins and len(spans) < _MOST_SPANS
        for first in range(0, nbytes or 1, CHUNK):
            if not joins:
                if shard is not None:
                    yield Window(shard, begin, end - begin, spans)
                shard, spans = segment.shard, []
                begin = end = segment.offset + first
            size = min(CHUNK, nbytes - first)
            spans.append(Span(number, first, size))
            end += size
    if shard is not None:
        yield Window(shard, begin, end - begin, spans)


def scan(
    shards: Shards,
    segments: Sequence[Segment],
    sink: Sink | None = None,
    on_read: OnRead | None = None,
) -> Generator[Scanned, None, None]:
    """Read all bytes of segments of numbers, on threads, and compare their crcs. To be closed.

    An error in a segment is in its `Scanned` and stops no other; one raised by `sink` stops all.

    Args:
        shards: The data files.
        segments: Best in the order of their offsets.
        sink: Called with the number of a segment and some of its bytes, before the crc is known.
        on_read: Called for each window.
    """
    require_proportion(shards, segments)
    whole: list[int] = []
    for number, segment in enumerate(segments):
        try:
            shards.file_of(segment)
            whole.append(number)
        except CheckpointError as error:
            yield Scanned(number, error)

    total = sum(segments[number].nbytes for number in whole)
    numbered = ((number, segments[number]) for number in whole)
    spread = current_spread() if total >= WORTH_THREADS and _is_portable(sink) else None
    units = (
        Unit(batch, shards.file, segments, shards.big_endian, sink)
        for batch in _batches(windows(numbered), _windows_per_unit(total, spread))
    )
    sums = PartialChecksums(len(segments))
    unread: dict[int, tuple[int, CheckpointError]] = {}
    run = spread or partial(each, threads=None if total >= WORTH_THREADS else 1)
    with closing(run(units, read_unit)) as done:
        for unit, (summed, taken) in done:
            for values in taken:
                cast("PortableSink", sink).merge(values)
            if on_read is not None:
                on_read(unit.size)
            for number, first, size, outcome in summed:
                if isinstance(outcome, CheckpointError):
                    unread[number] = min(unread.get(number, (first, outcome)), (first, outcome))
                sums.add(number, first, size, outcome if isinstance(outcome, int) else 0)
                segment = segments[number]
                if sums.sizes[number] == segment.nbytes:
                    _, cause = unread.pop(number, (0, None))
                    yield Scanned(number, _error(shards, segment, sums.crcs[number], cause))


def _is_portable(sink: Sink | None) -> bool:
    return sink is None or isinstance(sink, PortableSink)


def _windows_per_unit(total: int, spread: Spread | None) -> int:
    if spread is None:
        return _BATCH if total >= WORTH_BATCHES else 1
    return max(_BATCH, min(_MOST_WINDOWS, total // CHUNK // (_UNITS_EACH * spread.width)))


def _batches(found: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(found, size)):
        yield batch


def _error(
    shards: Shards, segment: Segment, crc: int, unread: CheckpointError | None
) -> CheckpointError | None:
    """Return the error of a segment: that of reading it, or of its crc."""
    try:
        if unread is not None:
            raise unread
        shards.require_crc(segment, crc)
    except CheckpointError as error:
        error.tensor = error.tensor or segment.name
        return error
    return None
