"""Many segments at once: read on threads, their crcs compared.

Knows no index. The unit of reading is a *window*: a chunk of a long segment, or adjacent short
segments. Windows are read in any order, several at a time; the crc of a long segment is combined
from those of its windows.
"""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.formats.v2.proportion import require_proportion
from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.storage.source import CHUNK, PAGE
from tfckpt_reader.storage.workers import MOST_THREADS, WORTH_THREADS, each, new_buffers
from tfckpt_reader.tensor.dense import portable_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.formats.v2.shards import Shards
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


class Span(NamedTuple):
    """The bytes of one segment in a window."""

    number: int
    """Of the segment."""
    first: int
    """Bytes of the segment before them."""
    size: int


class Window(NamedTuple):
    """Bytes that are read at once, and whose they are, without gaps."""

    shard: int
    offset: int
    size: int
    spans: list[Span]


class Summed(NamedTuple):
    """Bytes of one segment, from one window or from several in a row, and their crc."""

    number: int
    """Of the segment."""
    first: int
    size: int
    outcome: int | CheckpointError
    """The crc, or the error that prevents reading the bytes."""


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

    def work(batch: list[Window], buffer: memoryview) -> list[Summed]:
        summed: list[Summed] = []
        for window in batch:
            _sum(window, buffer, segments, sink, shards, summed)
        return summed

    outcomes = _Outcomes(len(segments))
    total = sum(segments[number].nbytes for number in whole)
    numbered = ((number, segments[number]) for number in whole)
    is_distant = is_url(shards.prefix)
    with closing(_each_batch(numbered, total, work, is_distant=is_distant)) as done:
        for batch, summed in done:
            if on_read is not None:
                on_read(sum(window.size for window in batch))
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


def _each_batch(
    numbered: Iterator[tuple[int, Segment]],
    total: int,
    work: Callable[[list[Window], memoryview], list[Summed]],
    *,
    is_distant: bool,
) -> Generator[tuple[list[Window], list[Summed]], None, None]:
    """Yield each batch of windows with its `work`, as `each` does."""
    if is_distant:
        buffers = new_buffers(MOST_THREADS, DISTANT_WINDOW)
        batches = _batches(windows(numbered, DISTANT_WINDOW), 1)
        return each(batches, work, MOST_THREADS, buffers)
    batches = _batches(windows(numbered, CHUNK), _BATCH if total >= WORTH_BATCHES else 1)
    return each(batches, work, None if total >= WORTH_THREADS else 1)


def _batches(found: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(found, size)):
        yield batch


def _sum(
    window: Window,
    buffer: memoryview,
    segments: Sequence[Segment],
    sink: Sink | None,
    shards: Shards,
    summed: list[Summed],
) -> None:
    """Read a window; add the crc of each span to `summed`, or the error that prevents reading it.

    The window has the same alignment to pages in the buffer as in the file.
    """
    lead = window.offset % PAGE
    data = buffer[lead : lead + window.size]
    try:
        if data:  # else its place may be past the end
            shards.file(window.shard).readinto(window.offset, data)
    except CheckpointError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            raise
        if len(window.spans) == 1:
            summed.append(Summed(*window.spans[0], error))
            return
        for alone in _alone(window):
            _sum(alone, buffer, segments, sink, shards, summed)
        return
    begin = 0
    for span in window.spans:
        raw = data[begin : begin + span.size]
        begin += span.size
        summed.append(_continued(summed, span, raw))
        if sink is not None:
            dtype = segments[span.number].dtype
            sink(span.number, span.first, portable_bytes(raw, dtype, big_endian=shards.big_endian))


def _continued(summed: list[Summed], span: Span, raw: memoryview) -> Summed:
    """Return the crc of a span, with the bytes before it if those came last."""
    if summed:
        number, first, size, crc = summed[-1]
        if (number, first + size) == span[:2] and isinstance(crc, int):
            summed.pop()
            return Summed(number, first, size + span.size, crc32c(raw, crc))
    return Summed(*span, crc32c(raw))


def _alone(window: Window) -> Iterator[Window]:
    """Yield a window for each span, to isolate the ones that cannot be read."""
    offset = window.offset
    for span in window.spans:
        yield Window(window.shard, offset, span.size, [span])
        offset += span.size


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
