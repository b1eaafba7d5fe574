"""Every byte of a bundle's tensors, against their checksums; and what numbers they hold.

Rank 8: parses nothing itself. Data is read, never mapped, in bounded memory.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.report import code_of_data
from tfckpt_reader.storage import CHUNK
from tfckpt_reader.streams import Scanned
from tfckpt_reader.tensor import canonical_bytes
from tfckpt_reader.values import FLOATS, Look, look, remarks, together

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from tfckpt_reader.bundle import Bundle
    from tfckpt_reader.report import Findings
    from tfckpt_reader.spec import Run, TensorSpec
    from tfckpt_reader.streams import OnRead, Take

    Progress = Callable[[int, int], None]


def check_data(
    bundle: Bundle,
    runs: Sequence[Run],
    findings: Findings,
    progress: Progress,
    values: Values | None,
) -> int:
    """Report which runs are damaged, and what `values`, if given, finds in those that are not.

    All of them are wholly there. Returns the bytes that are sound.
    """
    total, sound, seen = sum(run.nbytes for run in runs), 0, 0

    def on_read(nbytes: int) -> None:
        nonlocal seen
        seen += nbytes
        progress(seen, total)

    def take(number: int, first: int, piece: memoryview) -> Look | None:
        dtype = runs[number].dtype
        return look(piece, dtype, first) if dtype in FLOATS else None

    with closing(_check_runs(bundle, runs, take if values else None, on_read)) as done:
        for number, error, taken in done:
            run = runs[number]
            if error is not None:
                findings.add_error(code_of_data(error), error)
                continue
            sound += run.nbytes
            if not run.dtype.itemsize and taken[0] != run.nbytes:
                _bad_size(bundle, run, taken[0], findings)
            if values is not None and run.dtype in FLOATS:
                values.add(run, bundle.shards.source(run).name, together(taken))
    return sound


def _check_runs(
    bundle: Bundle, runs: Sequence[Run], take: Take | None, on_read: OnRead
) -> Generator[Scanned, None, None]:
    """Read runs and compare their crcs: numbers as `streams.scan` does.

    Of strings and variants, `taken` is how many bytes they need.
    """
    big_endian = bundle.shards.big_endian
    for number, run in enumerate(runs):
        taken: list[Any] = []
        try:
            if not run.dtype.itemsize:
                taken.append(bundle.shards.check(run))
                on_read(run.nbytes)
            for piece in bundle.shards.stored(run, check=True) if run.dtype.itemsize else ():
                on_read(len(piece))
                if take is not None:
                    plain = canonical_bytes(piece, run.dtype, big_endian=big_endian)
                    taken.append(take(number, len(taken) * CHUNK, plain))
        except CheckpointError as error:
            yield Scanned(number, error, [])
        else:
            yield Scanned(number, None, taken)


def _bad_size(bundle: Bundle, run: Run, used: int, findings: Findings) -> None:
    findings.add(
        "TFC403",
        f"its {run.dtype}s take another number of bytes than the entry says",
        file=bundle.path,
        tensor=run.name,
        expected=used,
        got=run.nbytes,
    )


class Values:
    """Remarks on the numbers of tensors, as soon as all of a tensor has been looked at."""

    def __init__(self, specs: Iterable[TensorSpec], findings: Findings) -> None:
        self._findings = findings
        self._sliced = {spec.name: spec for spec in specs if spec.slices}
        self._parts: dict[str, list[tuple[Run, str, Look]]] = {}

    def add(self, run: Run, file: str, seen: Look) -> None:
        """Take what a run holds. A tensor with a damaged slice is never complete."""
        spec = self._sliced.get(run.name)
        parts = [(run, file, seen)]
        if spec is not None:
            parts = self._parts.setdefault(run.name, [])
            parts.append((run, file, seen))
            if len(parts) < len(spec.slices):
                return
            del self._parts[run.name]
        whole = together([part for _, _, part in parts])
        odd = next((part for part in parts if part[2].first >= 0), parts[0])
        offset = odd[0].offset + max(odd[2].first, 0)
        shape = run.shape if spec is None else spec.shape
        for code, what, got in remarks(run.name, run.dtype, shape, whole):
            self._findings.add(code, what, file=odd[1], offset=offset, tensor=run.name, got=got)
