"""Are the data files of a bundle there, large enough, and is every byte of them somebody's?

Parses nothing itself; reads only what no tensor claims. Files are read, never mapped.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.storage.filesystem import size_of
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.source import chunks
from tfckpt_reader.text import count_of
from tfckpt_reader.verification.codes import ROWS_LOST
from tfckpt_reader.verification.findings import code_of_data

if TYPE_CHECKING:
    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.tensor.spec import Segment
    from tfckpt_reader.verification.findings import Findings


def check_sizes(
    bundle: Bundle, runs: list[Segment], doubtful: set[int], findings: Findings
) -> set[str]:
    """Report what is wrong with the data files, but for the bytes of tensors.

    Returns the names of tensors whose file is not there.

    Args:
        bundle: The checkpoint.
        runs: All that should lie in its files, in the order in which it lies.
        doubtful: Numbers of runs of which an error was told; those that are not wholly there are
            added.
        findings: Gets what is found, and under `runs` what lies where.
    """
    _check_shard_names(bundle, runs, findings)
    lost: set[str] = set()
    by_shard: dict[int, list[int]] = {}
    for number, run in enumerate(runs):
        by_shard.setdefault(run.shard, []).append(number)
    for shard, numbers in by_shard.items():
        its_runs = [runs[number] for number in numbers]
        try:
            file = bundle.shards.file(shard) if shard >= 0 else None
        except CheckpointError as error:
            if not doubtful.issuperset(numbers):
                _add_lost_shard(error, its_runs, findings)
            doubtful.update(numbers)
            lost.update(run.name for run in its_runs)
            continue
        if file is None:
            continue
        findings.runs[file.name] = its_runs
        for number in numbers:
            _check_range(bundle, runs[number], number, doubtful, findings)
        try:
            _check_space_between(file, its_runs, findings)
        except CheckpointError as error:
            findings.add_error(code_of_data(error), error)
    return lost


def _check_shard_names(bundle: Bundle, runs: list[Segment], findings: Findings) -> None:
    count = bundle.header.num_shards
    there = shard_counts(bundle.prefix)
    if count not in there and there:
        findings.add(
            "TFC307",
            "the data files are named for another number of shards",
            file=bundle.path,
            expected=count,
            got=", ".join(str(n) for n in sorted(there)),
        )
    used = {run.shard for run in runs}
    for n, shards in sorted(there.items()):
        others = sorted(shards - used if n == count or count not in there else shards)
        for path in (shard_path(bundle.prefix, shard, n) for shard in others):
            is_ours = n == count and not size_of(path)  # a worker that had nothing to save
            if not is_ours and not findings.has(*ROWS_LOST):
                findings.add("TFC308", "no tensor of this checkpoint lies in it", file=path)


def _add_lost_shard(error: CheckpointError, runs: list[Segment], findings: Findings) -> None:
    code = code_of_data(error)
    if code in ("TFC301", "TFC309"):
        error.problem += f", with {count_of(len(runs), 'tensor')}"
    else:
        error.tensor = runs[0].name
    findings.add_error(code, error)


def _check_range(
    bundle: Bundle, run: Segment, number: int, doubtful: set[int], findings: Findings
) -> None:
    if number not in doubtful:
        try:
            bundle.shards.source(run)
        except CheckpointError as error:
            findings.add_error(code_of_data(error), error)
            doubtful.add(number)


def _check_space_between(file: File, runs: list[Segment], findings: Findings) -> None:
    """Report overlaps; and if no row is lost, holes and what follows the last tensor."""
    end, all_known = 0, not findings.has(*ROWS_LOST)
    before, gaps = "", []
    for run in (run for run in runs if run.nbytes > 0):
        if run.offset < end:
            findings.add(
                "TFC303",
                f"begins inside tensor {before!r}",
                file=file.name,
                offset=run.offset,
                tensor=run.name,
                expected=f"an offset from {end} on",
                got=run.offset,
            )
        elif min(run.offset, file.size) > end and all_known:
            gaps.append(range(end, min(run.offset, file.size)))
        if run.offset + run.nbytes > end:
            end, before = run.offset + run.nbytes, run.name
    rest, alignment = file.size - end, gcd(*(run.offset for run in runs))
    if rest > 0 and all_known:
        if rest < alignment and file.size % alignment == 0:
            gaps.append(range(end, file.size))  # filled up, as all others are filled up
        else:
            what = f"{count_of(rest, 'byte')} after the last tensor"
            findings.add("TFC306", what, file=file.name, offset=end)
    _check_gaps(file, gaps, findings)


def _check_gaps(file: File, gaps: list[range], findings: Findings) -> None:
    """Report each gap that is not zero, and in one remark all that are."""
    zero = []
    for gap in gaps:
        if _is_zero(file, gap):
            zero.append(gap)
            continue
        what = f"{count_of(len(gap), 'byte')} that no tensor claims, not zero"
        findings.add("TFC304", what, file=file.name, offset=gap.start)
    if zero:
        places = f" in {len(zero):,} places" if len(zero) > 1 else ""
        what = f"{count_of(sum(map(len, zero)), 'byte')}{places} that no tensor claims, all zero"
        findings.add("TFC305", what, file=file.name, offset=zero[0].start)


def _is_zero(file: File, gap: range) -> bool:
    pieces = chunks(file, gap.start, len(gap))
    return all(bytes(piece).count(0) == len(piece) for piece in pieces)
