"""Check a V2 bundle: index, entries, shards, the bytes of every tensor, and what lies between.

Rank 9: parses nothing itself. Data is read, never mapped.
"""

from __future__ import annotations

from contextlib import closing
from math import gcd
from typing import TYPE_CHECKING

from tfckpt_reader.bundle import Bundle
from tfckpt_reader.entry import Header
from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    UnsupportedError,
    count_of,
    located,
)
from tfckpt_reader.folder import guessed_shard_count, shard_counts, shard_path
from tfckpt_reader.report import ROWS_LOST, code_of, code_of_data
from tfckpt_reader.slices import slice_key, slice_name
from tfckpt_reader.spec import all_rows, name_of
from tfckpt_reader.storage import File, chunks
from tfckpt_reader.streams import scan
from tfckpt_reader.table import Table
from tfckpt_reader.verify_table import check_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tfckpt_reader.folder import Location
    from tfckpt_reader.report import Findings
    from tfckpt_reader.spec import Run, TensorSpec
    from tfckpt_reader.verify_table import Rows

    Progress = Callable[[int, int], None]


def check_v2(location: Location, findings: Findings, progress: Progress) -> tuple[int, int]:
    """Report what is wrong with a bundle; return the tensors it has and the bytes checked."""
    try:
        table = Table(File(location.prefix + ".index"))
    except (CorruptCheckpointError, UnsupportedError) as error:
        findings.add_error(code_of(error, "TFC101"), error)
        return 0, 0
    rows = check_table(table, findings)
    header = _check_header(location.prefix, table, rows, findings)
    bundle = Bundle(location.prefix, mapped=False, header=header, find=rows.get)
    specs = _check_entries(bundle, rows, findings)
    runs = _runs(bundle, specs, findings)
    _check_shard_names(bundle, runs, findings)
    nbytes, lost = _check_shards(bundle, runs, findings, progress)
    return len(specs) - len(lost), nbytes


def _check_header(prefix: str, table: Table, rows: Rows, findings: Findings) -> Header:
    path = table.source.name
    value = rows.get(b"")
    if value is None:
        if not findings.has("TFC104"):
            findings.add("TFC201", "the index has no header row", file=path)
        return Header(guessed_shard_count(prefix))
    try:
        with located(path):
            header = Header.decode(value)
    except CheckpointError as error:
        findings.add_error(code_of(error, "TFC202"), error)
        return Header(guessed_shard_count(prefix))
    if header.endianness not in (0, 1):
        what = "the header has an unknown byte order"
        findings.add("TFC202", what, file=path, expected="0 or 1", got=header.endianness)
    if header.num_shards < 1:
        what = "the header counts no shards"
        findings.add("TFC202", what, file=path, expected="1 or more", got=header.num_shards)
        return Header(guessed_shard_count(prefix))
    return header


def _check_entries(bundle: Bundle, rows: Rows, findings: Findings) -> list[TensorSpec]:
    """Decode every entry; leave out the rows of slices that some tensor accounts for."""
    specs: dict[bytes, TensorSpec] = {}
    for key, value in rows.items():
        if key:
            with findings.collect("TFC203"):
                specs[key] = bundle.spec_of(key, value, rows.get)
    for spec in list(specs.values()):
        for piece in spec.slices:
            specs.pop(slice_key(spec.key, piece.extents), None)
    for key in specs:
        if key.startswith(b"\0") and not findings.has(*ROWS_LOST):
            what = "looks like the row of a slice, but no tensor has it"
            name = name_of(slice_name(key))
            findings.add("TFC205", what, file=bundle.path, tensor=name)
    return list(specs.values())


def _runs(bundle: Bundle, specs: Iterable[TensorSpec], findings: Findings) -> list[Run]:
    """Return all runs of bytes in the order they lie on disk."""
    runs: list[Run] = []
    for spec in specs:
        if not spec.slices:
            runs += bundle.runs(spec)
            continue
        with findings.collect("TFC204"):
            bundle.require_tiling(spec, all_rows(spec))
        for piece in spec.slices:
            with findings.collect("TFC204"):
                runs.append(bundle.part(spec, piece))
    return sorted(runs, key=lambda run: (run.shard, run.offset))


def _check_shard_names(bundle: Bundle, runs: list[Run], findings: Findings) -> None:
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
            if not findings.has(*ROWS_LOST):
                findings.add("TFC308", "no tensor of this checkpoint lies in it", file=path)


def _check_shards(
    bundle: Bundle, runs: list[Run], findings: Findings, progress: Progress
) -> tuple[int, set[str]]:
    """Check the bytes of all runs, shard by shard; return how many are sound, and what is lost."""
    by_shard: dict[int, list[Run]] = {}
    for run in runs:
        by_shard.setdefault(run.shard, []).append(run)
    total, sound, seen = sum(max(0, run.nbytes) for run in runs), 0, 0
    lost: set[str] = set()

    def report(nbytes: int) -> None:
        nonlocal seen
        seen += nbytes
        progress(seen, total)

    for shard, its_runs in by_shard.items():
        if shard < 0:
            sound += _check_runs(bundle, its_runs, findings, report)
            continue
        try:
            file = bundle.shards.file(shard)
        except CheckpointError as error:
            _add_lost_shard(error, its_runs, findings)
            lost.update(run.name for run in its_runs)
            continue
        sound += _check_runs(bundle, its_runs, findings, report)
        with findings.collect("TFC302"):
            _check_space_between(file, its_runs, findings)
    return sound, lost


def _add_lost_shard(error: CheckpointError, runs: list[Run], findings: Findings) -> None:
    code = code_of(error, "TFC301")
    if code == "TFC301":
        error.problem += f", with {count_of(len(runs), 'tensor')}"
    else:
        error.tensor = runs[0].name
    findings.add_error(code, error)


def _check_runs(
    bundle: Bundle, runs: list[Run], findings: Findings, report: Callable[[int], None]
) -> int:
    """Check the bytes of runs, numbers on threads; return how many are sound."""
    errors: dict[int, CheckpointError] = {}
    numbers = [i for i, run in enumerate(runs) if run.dtype.itemsize]
    with closing(scan(bundle.shards, [runs[i] for i in numbers], on_read=report)) as scanned:
        for done in scanned:
            if done.error is not None and len(errors) <= findings.most:
                errors[numbers[done.number]] = done.error
    sound = 0
    for i, run in enumerate(runs):
        try:
            if i in errors:
                raise errors[i]
            if not run.dtype.itemsize:
                _check_objects(bundle, run, findings, report)
        except CheckpointError as error:
            findings.add_error(code_of_data(error), error)
        else:
            sound += run.nbytes
    return sound


def _check_objects(
    bundle: Bundle, run: Run, findings: Findings, report: Callable[[int], None]
) -> None:
    """Check strings or variants, which are decoded."""
    used = bundle.shards.check(run)
    report(run.nbytes)
    if used != run.nbytes:
        findings.add(
            "TFC403",
            f"its {run.dtype}s take another number of bytes than the entry says",
            file=bundle.path,
            tensor=run.name,
            expected=used,
            got=run.nbytes,
        )


def _check_space_between(file: File, runs: list[Run], findings: Findings) -> None:
    """Report overlaps; and if no row is lost, holes and what follows the last tensor."""
    end, all_known = 0, not findings.has(*ROWS_LOST)
    before = ""
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
            _hole(file, end, min(run.offset, file.size), findings)
        if run.offset + run.nbytes > end:
            end, before = run.offset + run.nbytes, run.name
    if file.size > end and all_known:
        _tail(file, end, gcd(*(run.offset for run in runs)), findings)


def _hole(file: File, begin: int, end: int, findings: Findings) -> None:
    zero = _is_zero(file, begin, end)
    what = f"{count_of(end - begin, 'byte')} between tensors, "
    what += "all zero" if zero else "not zero, and nobody's"
    findings.add("TFC305" if zero else "TFC304", what, file=file.name, offset=begin)


def _tail(file: File, end: int, alignment: int, findings: Findings) -> None:
    """Report bytes behind the last tensor, unless they fill it up as all others are filled up."""
    what = f"{count_of(file.size - end, 'byte')} after the last tensor"
    fills_up = file.size - end < alignment and file.size % alignment == 0
    if fills_up and _is_zero(file, end, file.size):
        findings.add("TFC305", what + ", all zero", file=file.name, offset=end)
    else:
        findings.add("TFC306", what, file=file.name, offset=end)


def _is_zero(file: File, begin: int, end: int) -> bool:
    pieces = chunks(file, begin, end - begin)
    return all(bytes(piece).count(0) == len(piece) for piece in pieces)
