"""Units of work: some windows of data files, read and summed by a thread or another process.

Knows no index, and not who runs the units. A *window* is what is read at once: a chunk of a long
segment, or adjacent short segments.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.formats.portable import PortableSink
from tfckpt_reader.paths.unchanged import FileRecord, require_same
from tfckpt_reader.storage.filesystem import path_of, state_of
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.source import PAGE, page_buffer
from tfckpt_reader.tensor.dense import portable_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tfckpt_reader.formats.reader import Sink
    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.spec import Segment


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


class Unit(NamedTuple):
    """Windows to read, and everything needed for it.

    Pickled, it has no more than its windows need, for a process that sees the same files.
    """

    windows: list[Window]
    file_of: Callable[[int], ByteSource]
    """Returns a data file by its number."""
    segments: Sequence[Segment] | Mapping[int, Segment]
    big_endian: bool
    sink: Sink | None

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(window.size for window in self.windows)

    def __reduce__(self) -> tuple[Any, ...]:
        numbers = {span.number for window in self.windows for span in window.spans}
        paths = {w.shard: self.file_of(w.shard).name for w in self.windows}
        records = {shard: FileRecord.of(path, state_of(path)) for shard, path in paths.items()}
        segments = {number: self.segments[number] for number in numbers}
        sink = self.sink.part(numbers) if isinstance(self.sink, PortableSink) else None
        return PortedUnit, (self.windows, records, segments, self.big_endian, sink)


class PortedUnit:
    """A unit in another process than that of its maker.

    Args:
        windows: As for `Unit`.
        records: Number -> a data file as its maker saw it.
        segments: As for `Unit`.
        big_endian: As for `Unit`.
        sink: Its `take` is called.
    """

    def __init__(
        self,
        windows: list[Window],
        records: Mapping[int, FileRecord],
        segments: Mapping[int, Segment],
        big_endian: bool,  # noqa: FBT001 - as in `Unit`
        sink: PortableSink | None,
    ) -> None:
        self._fields = windows, segments, big_endian
        self._records = records
        self._sink = sink
        self._taken: list[Any] = []

    @cached_property
    def _files(self) -> dict[int, ByteSource]:
        require_same(self._records.values())
        return {n: open_file(path_of(*record.place)) for n, record in self._records.items()}

    def _take(self, number: int, first: int, data: memoryview) -> None:
        if self._sink is not None:
            self._taken.append(self._sink.take(number, first, data))

    def read(self, buffer: memoryview) -> tuple[list[Summed], list[Any]]:
        """Read the windows here: see `read_unit`.

        Raises:
            CheckpointError: this process sees other files.
        """
        windows, segments, big_endian = self._fields
        needed = max(window.size for window in windows) + PAGE
        buffer = buffer if len(buffer) >= needed else page_buffer(needed)
        take = None if self._sink is None else self._take
        unit = Unit(windows, self._files.__getitem__, segments, big_endian, take)
        try:
            summed, _ = read_unit(unit, buffer)
        finally:
            if self._sink is not None:
                self._sink.finish()
        return summed, self._taken


def read_unit(unit: Unit | PortedUnit, buffer: memoryview) -> tuple[list[Summed], list[Any]]:
    """Read the windows of a unit.

    Returns:
        The crcs, or errors; and of a unit of another process the values for `PortableSink.merge`.
    """
    if isinstance(unit, PortedUnit):
        return unit.read(buffer)
    summed: list[Summed] = []
    for window in unit.windows:
        _sum(window, buffer, unit, summed)
    return summed, []


def _sum(window: Window, buffer: memoryview, unit: Unit, summed: list[Summed]) -> None:
    """Read a window; add the crc of each span to `summed`, or the error that prevents reading it.

    The window has the same alignment to pages in the buffer as in the file.
    """
    lead = window.offset % PAGE
    data = buffer[lead : lead + window.size]
    try:
        if data:  # else its place may be past the end
            unit.file_of(window.shard).readinto(window.offset, data)
    except CheckpointError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            raise
        if len(window.spans) == 1:
            summed.append(Summed(*window.spans[0], error))
            return
        for alone in _alone(window):
            _sum(alone, buffer, unit, summed)
        return
    begin = 0
    for span in window.spans:
        raw = data[begin : begin + span.size]
        begin += span.size
        summed.append(_continued(summed, span, raw))
        if unit.sink is not None:
            dtype = unit.segments[span.number].dtype
            portable = portable_bytes(raw, dtype, big_endian=unit.big_endian)
            unit.sink(span.number, span.first, portable)


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
