"""Check every byte of a bundle's tensors against its checksum, and scan their numbers.

Data is read, never mapped, in bounded memory.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.portable import PortableSink
from tfckpt_reader.formats.v2.bulk import scan
from tfckpt_reader.formats.v2.proportion import require_proportion
from tfckpt_reader.progress import counter
from tfckpt_reader.verification.checks import numbers
from tfckpt_reader.verification.codes import CODES, DAMAGED_TENSOR
from tfckpt_reader.verification.findings import code_of_data

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

    from tfckpt_reader.formats.reader import OnRead
    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import Segment, TensorSpec
    from tfckpt_reader.verification.findings import Findings


def check_data(
    bundle: Bundle,
    segments: Sequence[Segment],
    findings: Findings,
    progress: Progress,
    tensors: ScannedTensors | None,
) -> tuple[int, list[Segment]]:
    """Report damaged segments, and with `tensors` the anomalies in the sound ones.

    All segments lie within their files. Returns the bytes of the sound ones, and those with wrong
    bytes.

    Raises:
        UnsupportedError: reading them would take too long, since they overlap too often.
    """
    total, sound = sum(segment.nbytes for segment in segments), 0
    require_proportion(bundle.shards, segments)
    damaged, begin, order = [], len(findings.problems), []
    on_read, scans = counter(progress, total), tensors is not None
    with closing(_read_all(bundle, segments, on_read, scans=scans)) as done:
        for number, error, outcome in done:
            segment = segments[number]
            if error is not None:
                order.append(number)
                code = code_of_data(error)
                damaged += [segment] if CODES[code].name in DAMAGED_TENSOR else []
                findings.add_error(code, error)
                continue
            sound += segment.nbytes
            if not segment.dtype.itemsize and outcome != segment.nbytes:
                order.append(number)
                findings.add(
                    "TFC403",
                    f"its {segment.dtype}s take a different number of bytes than the entry says",
                    file=bundle.path,
                    tensor=segment.name,
                    expected=outcome,
                    got=segment.nbytes,
                )
            if tensors is not None and segment.dtype in numbers.FLOATS:
                tensors.add(number, segment, outcome)
    pairs = zip(order, findings.problems[begin:], strict=True)
    findings.problems[begin:] = [problem for _, problem in sorted(pairs, key=lambda pair: pair[0])]
    if tensors is not None:
        tensors.report(bundle, findings)
    return sound, damaged


def _read_all(
    bundle: Bundle, segments: Sequence[Segment], on_read: OnRead, *, scans: bool
) -> Generator[tuple[int, CheckpointError | None, Any], None, None]:
    """Read all segments, in any order, numbers on threads; yield each one's number and error.

    Third, of strings and variants the bytes that they need; of floats, if `scans`, their scan.
    """
    numeric = [number for number, segment in enumerate(segments) if segment.dtype.itemsize]
    runs = [segments[number] for number in numeric]
    sink = _NumberScans([segment.dtype for segment in runs])
    with closing(scan(bundle.shards, runs, sink if scans else None, on_read)) as done:
        for index, error in done:
            yield numeric[index], error, sink.merged.pop(index, None)
    for number, segment in enumerate(segments):
        if not segment.dtype.itemsize:
            try:
                needed = bundle.layout(segment).check(segment)
                on_read(segment.nbytes)
                yield number, None, needed
            except CheckpointError as error:
                yield number, error, None


class _NumberScans(PortableSink):
    """Scans of the floats of segments.

    Args:
        dtypes: Number -> dtype of a segment.
    """

    def __init__(self, dtypes: Sequence[DataType] | Mapping[int, DataType]) -> None:
        self._dtypes = dtypes
        self.merged: dict[int, numbers.Scan] = {}
        """Number of a segment -> scan of what was read of it."""
        self._lock = threading.Lock()

    def take(self, number: int, first: int, data: memoryview) -> tuple[int, numbers.Scan | None]:
        """Scan the numbers of a window."""
        dtype = self._dtypes[number]
        return number, numbers.scan(data, dtype, first) if dtype in numbers.FLOATS else None

    def merge(self, taken: tuple[int, numbers.Scan | None]) -> None:
        """Join a scan with those of the same segment."""
        number, scanned = taken
        if scanned is None:
            return
        with self._lock:
            both = [self.merged[number], scanned] if number in self.merged else [scanned]
            self.merged[number] = numbers.merge(sorted(both, key=lambda each: each.first))

    def part(self, wanted: Collection[int]) -> _NumberScans:
        """Return a sink for some segments."""
        return _NumberScans({number: self._dtypes[number] for number in wanted})

    def __reduce__(self) -> tuple[Any, ...]:
        return _NumberScans, (self._dtypes,)


class _Scanned(NamedTuple):
    """Scan of the segments of a tensor read so far."""

    segments: int
    """How many they are."""
    number: int
    """Number of the segment with the first NaN or infinity; else of the first segment."""
    segment: Segment
    """The segment of that number."""
    numbers: numbers.Scan

    def joined(self, other: _Scanned) -> _Scanned:
        a, b = sorted((self, other), key=lambda each: (each.numbers.first < 0, each.number))
        both = numbers.merge([a.numbers, b.numbers])
        return _Scanned(a.segments + b.segments, a.number, a.segment, both)


class ScannedTensors:
    """Anomalies of tensors, each known once all segments of the tensor are scanned."""

    def __init__(self, specs: Iterable[TensorSpec]) -> None:
        self._sliced = {s.name: (len(s.slices), s.shape) for s in specs if s.slices}
        self._unfinished: dict[str, _Scanned] = {}
        self._anomalies: list[tuple[int, Segment, int, str, str, str | None]] = []

    def add(self, number: int, segment: Segment, scanned: numbers.Scan) -> None:
        """Add the scan of a sound segment. A tensor with a damaged slice is never finished."""
        count, shape = self._sliced.get(segment.name, (1, segment.shape))
        merged = _Scanned(1, number, segment, scanned)
        if segment.name in self._unfinished:
            merged = merged.joined(self._unfinished.pop(segment.name))
        if merged.segments < count:
            self._unfinished[segment.name] = merged
            return
        offset = merged.segment.offset + max(merged.numbers.first, 0)
        found = numbers.anomalies(segment.name, segment.dtype, shape, merged.numbers)
        for code, what, got in found:
            self._anomalies.append((merged.number, merged.segment, offset, code, what, got))

    def report(self, bundle: Bundle, findings: Findings) -> None:
        """Report the anomalies by segment."""
        ordered = sorted(self._anomalies, key=lambda anomaly: (anomaly[0], anomaly[3]))
        for _, segment, offset, code, what, got in ordered:
            file = bundle.shards.file(segment.shard).name
            findings.add(code, what, file=file, offset=offset, tensor=segment.name, got=got)
