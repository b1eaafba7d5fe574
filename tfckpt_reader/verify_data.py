"""Every byte of a bundle's tensors, against their checksums.

Rank 8: parses nothing itself. Data is read, never mapped, in bounded memory.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.report import code_of_data
from tfckpt_reader.streams import Scanned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tfckpt_reader.bundle import Bundle
    from tfckpt_reader.report import Findings
    from tfckpt_reader.spec import Run

    Progress = Callable[[int, int], None]
    OnRead = Callable[[int], None]


def check_data(bundle: Bundle, runs: Sequence[Run], findings: Findings, progress: Progress) -> int:
    """Report which of `runs`, all of them wholly there, are damaged; return the sound bytes."""
    total, sound, seen = sum(run.nbytes for run in runs), 0, 0

    def on_read(nbytes: int) -> None:
        nonlocal seen
        seen += nbytes
        progress(seen, total)

    with closing(_check_runs(bundle, runs, on_read)) as done:
        for number, error, taken in done:
            run = runs[number]
            if error is not None:
                findings.add_error(code_of_data(error), error)
                continue
            sound += run.nbytes
            if not run.dtype.itemsize and taken[0] != run.nbytes:
                findings.add(
                    "TFC403",
                    f"its {run.dtype}s take another number of bytes than the entry says",
                    file=bundle.path,
                    tensor=run.name,
                    expected=taken[0],
                    got=run.nbytes,
                )
    return sound


def _check_runs(
    bundle: Bundle, runs: Sequence[Run], on_read: OnRead
) -> Generator[Scanned, None, None]:
    """Yield for each run what is wrong with it; of strings and variants, the bytes they take."""
    for number, run in enumerate(runs):
        try:
            taken = []
            if run.dtype.itemsize:
                for piece in bundle.shards.stored(run, check=True):
                    on_read(len(piece))
            else:
                taken.append(bundle.shards.check(run))
                on_read(run.nbytes)
            yield Scanned(number, None, taken)
        except CheckpointError as error:
            yield Scanned(number, error, [])
