"""Check a V2 bundle: index, entries, shards, the bytes of every tensor, and what lies between.

Parses nothing itself. Data is read, never mapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, UnsupportedError, located
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.index import Header, require_possible
from tfckpt_reader.paths.layout import guessed_shard_count, shard_path
from tfckpt_reader.storage.local import File
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.tensor.slices import is_slice_key, slice_key, slice_name
from tfckpt_reader.tensor.spec import WHOLE_AXIS
from tfckpt_reader.verification.codes import ROWS_LOST, reaches
from tfckpt_reader.verification.findings import code_of
from tfckpt_reader.verification.fingerprint import check_fingerprint
from tfckpt_reader.verification.report import coverage_of
from tfckpt_reader.verification.table import check_names, check_table
from tfckpt_reader.verification.v2_data import Values, check_data
from tfckpt_reader.verification.v2_files import check_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.spec import Segment, TensorSpec
    from tfckpt_reader.verification.findings import Findings
    from tfckpt_reader.verification.table import Rows


def check_v2(
    location: Location, findings: Findings, progress: Progress, level: str
) -> tuple[int, int]:
    """Report what is wrong with a bundle; return the tensors it has and the bytes checked."""
    try:
        file = File(location.prefix + ".index")
        table = Table(file)
    except (CorruptCheckpointError, UnsupportedError) as error:
        findings.add_error(code_of(error, "TFC101"), error)
        return 0, 0
    rows = check_table(table, findings)
    check_fingerprint(file, findings)
    header = _check_header(location.prefix, table, rows, findings)
    bundle = Bundle(location.prefix, mapped=False, table=table, header=header, find=rows.get)
    specs = _check_entries(bundle, rows, findings)
    runs = _runs(bundle, specs, findings)
    findings.names = frozenset(spec.name for spec in specs)
    findings.coverage = coverage_of(_files(bundle, runs), findings.names)
    # Without a header nobody knows the byte order, and so not one number.
    looks = reaches(level, "values") and header.present
    values = Values(specs) if looks else None
    # All that is needed from here on are the runs; of very many tensors, the rest is in the way.
    rows.clear()
    del specs
    return _check_files(bundle, runs, findings, progress, values, level)


def _check_files(
    bundle: Bundle,
    runs: list[Segment],
    findings: Findings,
    progress: Progress,
    values: Values | None,
    level: str,
) -> tuple[int, int]:
    """Report what is wrong with the data files; return the tensors and the bytes checked."""
    count = len(findings.names or ())
    doubtful = _check_places(bundle, runs, findings)
    if not reaches(level, "sizes"):
        return count, 0
    lost = check_sizes(bundle, runs, doubtful, findings)
    if not reaches(level, "data"):
        return count - len(lost), 0
    sound = [run for number, run in enumerate(runs) if number not in doubtful]
    return count - len(lost), check_data(bundle, sound, findings, progress, values)


def _check_header(prefix: str, table: Table, rows: Rows, findings: Findings) -> Header:
    path = table.source.name
    value = rows.get(b"")
    if value is None:
        if not findings.has("TFC104"):
            findings.add("TFC201", "the index has no header row", file=path)
        return _guess(prefix)
    try:
        with located(path):
            header = Header.decode(value)
    except CheckpointError as error:
        findings.add_error(code_of(error, "TFC202"), error)
        return _guess(prefix)
    if header.endianness not in (0, 1):
        what = "the header has an unknown byte order"
        findings.add("TFC202", what, file=path, expected="0 or 1", got=header.endianness)
    if header.num_shards < 1:
        what = "the header counts no shards"
        findings.add("TFC202", what, file=path, expected="1 or more", got=header.num_shards)
        return _guess(prefix)
    return header


def _guess(prefix: str) -> Header:
    return Header(guessed_shard_count(prefix), present=False)


def _check_entries(bundle: Bundle, rows: Rows, findings: Findings) -> list[TensorSpec]:
    """Decode every entry; leave out the rows of slices that some tensor accounts for.

    Those of very many slices would fill the memory: they are taken out before their turn comes.
    """
    specs: dict[bytes, TensorSpec] = {}
    known: set[bytes] = {b""}
    for is_late in (False, True):
        for key in [key for key in rows if key.startswith(b"\0") == is_late]:
            if key in known or key not in rows:
                continue
            with findings.collect("TFC203"):
                spec = specs[key] = bundle.spec_of(key, rows[key], rows.get)
                for piece in spec.slices:
                    its_key = slice_key(key, piece.extents)
                    specs.pop(its_key, None)
                    if piece.shard is None:  # it has no sound row: `part` says why
                        known.add(its_key)
                    else:
                        rows.pop(its_key, None)
    for key in specs:
        if not is_slice_key(key):
            check_names([name_of(key)], bundle.path, findings)
        elif not findings.has(*ROWS_LOST):
            what = "looks like the row of a slice, but no tensor has it"
            name = name_of(slice_name(key))
            findings.add("TFC205", what, file=bundle.path, tensor=name)
    return list(specs.values())


def _runs(bundle: Bundle, specs: Iterable[TensorSpec], findings: Findings) -> list[Segment]:
    """Return all runs of bytes in the order they lie on disk."""
    runs: list[Segment] = []
    for spec in specs:
        if not spec.slices:
            runs += bundle.segments(spec)
            continue
        with findings.collect("TFC204"):
            bundle.partitions.require_tiling(spec, spec.all_rows)
        if any(set(piece.extents) <= {WHOLE_AXIS} for piece in spec.slices):
            what = "is stored in a slice that is all of it, which TensorFlow cannot read"
            findings.add("TFC204", what, file=bundle.path, tensor=spec.name)
        for piece in spec.slices:
            with findings.collect("TFC204"):
                runs.append(bundle.partitions.segment(piece))
    return sorted(runs, key=lambda run: (run.shard, run.offset))


def _files(bundle: Bundle, runs: list[Segment]) -> list[str]:
    used = sorted({run.shard for run in runs if run.shard >= 0})
    count = bundle.header.num_shards
    return [bundle.path, *(shard_path(bundle.prefix, shard, count) for shard in used)]


def _check_places(bundle: Bundle, runs: list[Segment], findings: Findings) -> set[int]:
    """Report entries whose numbers cannot be right; return which runs are theirs."""
    doubtful: set[int] = set()
    beyond: set[int] = set()
    count = bundle.header.num_shards
    for number, run in enumerate(runs):
        try:
            with located(bundle.path, tensor=run.name):
                require_possible(run)
        except CheckpointError as error:
            findings.add_error(code_of(error, "TFC203"), error)
            doubtful.add(number)
            continue
        if bundle.header.present and run.shard >= count:
            doubtful.add(number)
            if run.shard not in beyond:
                beyond.add(run.shard)
                findings.add(
                    "TFC203",
                    "index entry: there is no such shard",
                    file=bundle.path,
                    tensor=run.name,
                    expected=f"a shard below {count}",
                    got=run.shard,
                )
    return doubtful
