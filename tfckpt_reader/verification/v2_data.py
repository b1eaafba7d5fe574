"""Every byte of a bundle's tensors, against their checksums; and what numbers they hold.

Parses nothing itself. Data is read, never mapped, in bounded memory.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.errors import CheckpointError, UnsupportedError
from tfckpt_reader.formats.v2.bulk import scan
from tfckpt_reader.verification.findings import code_of_data
from tfckpt_reader.verification.numbers import FLOATS, Look, look, remarks, together

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from tfckpt_reader.formats.reader import OnRead
    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.spec import Segment, TensorSpec
    from tfckpt_reader.verification.findings import Findings

_MOST_TIMES, _FEW = 16, 1 << 30
"""So many times the bytes of the data files, and some, are read where tensors overlap; a small
index can claim a large file 100,000 times."""


def check_data(
    bundle: Bundle,
    runs: Sequence[Segment],
    findings: Findings,
    progress: Progress,
    values: Values | None,
) -> int:
    """Report which runs are damaged, and what `values`, if given, finds in those that are not.

    All of them are wholly there. Returns the bytes that are sound.

    Raises:
        UnsupportedError: they overlap so often that it would take for ever.
    """
    total, sound, seen = sum(run.nbytes for run in runs), 0, 0
    there = sum(bundle.shards.file(shard).size for shard in {run.shard for run in runs})
    if total > _MOST_TIMES * there + _FEW:
        problem = f"its tensors claim {total:,} bytes of {there:,}: so many overlaps are not read"
        raise UnsupportedError(problem, file=bundle.path)

    def on_read(nbytes: int) -> None:
        nonlocal seen
        seen += nbytes
        progress(seen, total)

    begin, order = len(findings.problems), []
    with closing(_read_all(bundle, runs, values is not None, on_read)) as done:
        for number, error, found in done:
            run = runs[number]
            if error is not None:
                order.append(number)
                findings.add_error(code_of_data(error), error)
                continue
            sound += run.nbytes
            if not run.dtype.itemsize and found != run.nbytes:
                order.append(number)
                _bad_size(bundle, run, found, findings)
            if values is not None and run.dtype in FLOATS:
                values.add(number, run, found)
    pairs = zip(order, findings.problems[begin:], strict=True)
    findings.problems[begin:] = [problem for _, problem in sorted(pairs, key=lambda pair: pair[0])]
    if values is not None:
        values.report(findings)
    return sound


def _read_all(
    bundle: Bundle,
    runs: Sequence[Segment],
    looks: bool,  # noqa: FBT001 - private
    on_read: OnRead,
) -> Generator[tuple[int, CheckpointError | None, Any], None, None]:
    """Read all runs, in any order, numbers on threads; yield each one's number and what is wrong.

    And third, of strings and variants how many bytes they need; of floats, if `looks`, what they
    are like.
    """
    numbers = [i for i, run in enumerate(runs) if run.dtype.itemsize]
    seen: dict[int, Look] = {}
    one_at_a_time = threading.Lock()

    def take(number: int, first: int, piece: memoryview) -> None:
        dtype = runs[numbers[number]].dtype
        if dtype in FLOATS:
            found = look(piece, dtype, first)
            with one_at_a_time:
                both = [seen[number], found] if number in seen else [found]
                seen[number] = together(sorted(both, key=lambda each: each.first))

    numeric = [runs[i] for i in numbers]
    with closing(scan(bundle.shards, numeric, take if looks else None, on_read)) as scanned:
        for number, error in scanned:
            yield numbers[number], error, seen.pop(number, None)
    for number, run in enumerate(runs):
        if not run.dtype.itemsize:
            try:
                used = bundle.layout(run).check(run)
                on_read(run.nbytes)
                yield number, None, used
            except CheckpointError as error:
                yield number, error, None


def _bad_size(bundle: Bundle, run: Segment, used: int, findings: Findings) -> None:
    findings.add(
        "TFC403",
        f"its {run.dtype}s take another number of bytes than the entry says",
        file=bundle.path,
        tensor=run.name,
        expected=used,
        got=run.nbytes,
    )


class _Part(NamedTuple):
    """What the pieces of a tensor that were looked at so far are like."""

    pieces: int
    """How many those are."""
    number: int
    """Of that run of them which holds the first NaN or infinity; or else of the first."""
    run: Segment
    seen: Look

    def joined(self, other: _Part) -> _Part:
        a, b = sorted((self, other), key=lambda part: (part.seen.first < 0, part.number))
        return _Part(a.pieces + b.pieces, a.number, a.run, together([a.seen, b.seen]))


class Values:
    """What the numbers of tensors are like, as soon as all of a tensor has been looked at."""

    def __init__(self, specs: Iterable[TensorSpec]) -> None:
        self._sliced = {s.name: (len(s.slices), s.shape) for s in specs if s.slices}
        self._parts: dict[str, _Part] = {}
        self._odd: list[tuple[int, Segment, int, str, str, str | None]] = []

    def add(self, number: int, run: Segment, seen: Look) -> None:
        """Take what a run holds. A tensor with a damaged slice is never complete."""
        count, shape = self._sliced.get(run.name, (1, run.shape))
        part = _Part(1, number, run, seen)
        if run.name in self._parts:
            part = part.joined(self._parts.pop(run.name))
        if part.pieces < count:
            self._parts[run.name] = part
            return
        place = part.run.offset + max(part.seen.first, 0)
        for code, what, got in remarks(run.name, run.dtype, shape, part.seen):
            self._odd.append((part.number, part.run, place, code, what, got))

    def report(self, findings: Findings) -> None:
        """Report what is odd, in the order in which it lies."""
        files = {runs[0].shard: file for file, runs in findings.runs.items()}
        for _, run, offset, code, what, got in sorted(self._odd, key=lambda odd: (odd[0], odd[3])):
            file = files[run.shard]
            findings.add(code, what, file=file, offset=offset, tensor=run.name, got=got)
