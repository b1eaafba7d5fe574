"""Many segments at once: read on threads, their crcs compared.

Knows no index. Windows are read in any order, several at a time, here or by a `Spread` in other
processes; the crc of a long segment is combined from those of its windows.
"""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.portable import PortableSink
from tfckpt_reader.formats.v2.proportion import require_proportion
from tfckpt_reader.formats.v2.units import Span, Unit, Window, read_unit
from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.storage.workers import (
    MOST_THREADS,
    WORTH_THREADS,
    current_spread,
    each,
    new_buffers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.formats.v2.units import Summed
    from tfckpt_reader.storage.workers import Spread
    from tfckpt_reader.tensor.spec import Segment

_MOST_SPANS = 1 << 12
"""In a chunk of a window: the crc of each is in memory until the window is done."""
WORTH_BATCHES = 256 << 20
"""Above this size, in bytes, a worker reads several windows per hand-over: a hand-over takes as
long as reading a quarter of a window."""
_BATCH = 8
"""Windows per hand-over."""
DISTANT_WINDOW = 8 << 20
"""Bytes of a window of a distant file, read by one of several threads."""
_LARGEST_UNIT = 256 << 20
"""Bytes per hand-over to another process, which takes about a millisecond."""
_SMALLEST_UNIT = 8 << 20
_UNITS_EACH = 4
"""Units that each process gets at least, so that all end at about the same time."""


class Scanned(NamedTuple):
    """The outcome of reading one segment."""

    number: int
    """Of the segment."""
    error: CheckpointError | None
    """The reason if its position or its bytes are wrong."""


def windows(numbered: Iterable[tuple[int, Segment]], largest: int) -> Iterator[Window]:
    """Cut segments, each with its number, into windows of at most `largest` bytes."""
    most_spans = _MOST_SPANS * max(1, largest // CHUNK)
    spans: list[Span] = []
    shard: int | None = None
    begin = end = 0
    for number, segment in numbered:
        nbytes = segment.nbytes
        joins = segment.shard == shard and segment.offset == end and end - begin + nbytes <= largest
        joins = joins and len(spans) < most_spans
        for first in range(0, nbytes or 1, largest):
            if not joins:
                if shard is not None:
                    yield Window(shard, begin, end - begin, spans)
                shard, spans = segment.shard, []
                begin = end = segment.offset + first
            size = min(largest, nbytes - first)
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
    largest = DISTANT_WINDOW if is_url(shards.prefix) else CHUNK

    def units(windows_each: int) -> Iterator[Unit]:
        for batch in _batches(windows(numbered, largest), windows_each):
            yield Unit(batch, shards.file, segments, shards.big_endian, sink)

    outcomes = _Outcomes(len(segments))
    with closing(_each_unit(units, total, spread, largest)) as done:
        for unit, (summed, taken) in done:
            _merge(sink, taken)
            if on_read is not None:
                on_read(unit.size)
            for part in summed:
                segment = segments[part.number]
                outcome = outcomes.add(part, segment.nbytes)
                if outcome is not None:
                    yield Scanned(part.number, _error(shards, segment, outcome))


class _Outcomes:
    """The outcomes of segments, put together from those of their parts."""

    def __init__(self, count: int) -> None:
        self._sums = PartialChecksums(count)
        self._errors: dict[int, tuple[int, CheckpointError]] = {}
        """Number of a segment -> offset of the first unread part, and its error."""

    def add(self, part: Summed, nbytes: int) -> int | CheckpointError | None:
        """Return the crc or the error of a segment of `nbytes` bytes; None before its last part."""
        number, first, size, outcome = part
        if size == nbytes:
            return outcome
        if isinstance(outcome, CheckpointError):
            known = self._errors.get(number, (first, outcome))
            self._errors[number] = min(known, (first, outcome), key=itemgetter(0))
            outcome = 0
        self._sums.add(number, first, size, outcome)
        if self._sums.sizes[number] < nbytes:
            return None
        return self._errors.pop(number, (0, self._sums.crcs[number]))[1]


def _is_portable(sink: Sink | None) -> bool:
    return sink is None or isinstance(sink, PortableSink)


def _merge(sink: Sink | None, taken: Iterable[Any]) -> None:
    for values in taken:
        cast("PortableSink", sink).merge(values)


def _each_unit(
    units: Callable[[int], Iterator[Unit]], total: int, spread: Spread | None, largest: int
) -> Generator[tuple[Unit, tuple[list[Summed], list[Any]]], None, None]:
    """Yield each unit with its `read_unit`, as `each` does.

    Args:
        units: Returns all units of so many windows.
        total: Bytes of all.
        spread: Runs them in other processes.
        largest: Bytes of a window.
    """
    if spread is not None:
        share = min(_LARGEST_UNIT, max(_SMALLEST_UNIT, total // (_UNITS_EACH * spread.width)))
        return spread(units(max(1, share // largest)), read_unit)
    if largest == DISTANT_WINDOW:
        return each(units(1), read_unit, MOST_THREADS, new_buffers(MOST_THREADS, largest))
    batch = _BATCH if total >= WORTH_BATCHES else 1
    return each(units(batch), read_unit, None if total >= WORTH_THREADS else 1)


def _batches(found: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(found, size)):
        yield batch


def _error(
    shards: Shards, segment: Segment, outcome: int | CheckpointError
) -> CheckpointError | None:
    """Return the error of a segment: that of reading it, or of its crc."""
    if outcome == segment.crc32c:
        return None
    try:
        if isinstance(outcome, CheckpointError):
            raise outcome
        shards.require_crc(segment, outcome)
    except CheckpointError as error:
        error.tensor = error.tensor or segment.name
        return error
    return None
