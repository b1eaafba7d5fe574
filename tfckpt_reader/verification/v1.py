"""Check a V1 checkpoint: its tables, its headers, and the values of every slice.

Parses nothing itself. Data is read, never mapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.formats.v1.reader import V1
from tfckpt_reader.paths.layout import missing_text
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.tensor.slices import slice_key, slice_name
from tfckpt_reader.verification.codes import ROWS_LOST, reaches
from tfckpt_reader.verification.findings import code_of
from tfckpt_reader.verification.numbers import FLOATS, look, remarks, together
from tfckpt_reader.verification.report import coverage_of
from tfckpt_reader.verification.table import check_names, check_table

if TYPE_CHECKING:
    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.spec import TensorSpec
    from tfckpt_reader.verification.findings import Findings


def check_v1(
    location: Location, findings: Findings, progress: Progress, level: str
) -> tuple[int, int]:
    """Report what is wrong with a V1 set; return the tensors it has and the bytes checked.

    Its files are tables, of which every block has a crc: the first level reads all of them.
    """
    if location.missing:
        count = len(location.missing) + len(location.files)
        findings.add("TFC301", missing_text(location.missing, count), file=location.prefix)
    files = [path for path in location.files if _is_sound(path, findings)]
    if not files:
        return 0, 0
    reader = V1(location.prefix, files, mapped=False)
    keys = [set(check_table(table, findings, values=False)) - {b""} for table in reader.tables]
    specs = _v1_specs(reader, findings)
    findings.names = frozenset(spec.name for spec in specs)
    check_names(sorted(findings.names), reader.path, findings)
    findings.coverage = coverage_of(location.files, findings.names)
    sound = [spec for spec in specs if _is_whole(reader, spec, keys, findings)]
    nbytes = 0
    if reaches(level, "data"):
        values = reaches(level, "values")
        nbytes = _check_values(reader, sound, findings, progress, values=values)
    _check_strays(reader, specs, keys, findings)
    return len(specs), nbytes


def _is_whole(reader: V1, spec: TensorSpec, keys: list[set[bytes]], findings: Findings) -> bool:
    """Tell whether the slices of a tensor tile it, and all have a row."""
    try:
        reader.require_tiling(spec, spec.all_rows)
    except CheckpointError as error:
        findings.add_error(code_of(error, "TFC402"), error)
        return False
    if findings.has("TFC104"):
        return True  # its row may have been in a block that is lost: the next level says it better
    for piece in reader.slices(spec):
        shard = piece.shard or 0
        if piece.elements and slice_key(spec.key, piece.extents) not in keys[shard]:
            file = reader.tables[shard].source.name
            what = f"slice {piece}: the file has no row for it"
            findings.add("TFC204", what, file=file, tensor=spec.name)
            return False
    return True


def _check_values(
    reader: V1,
    specs: list[TensorSpec],
    findings: Findings,
    progress: Progress,
    *,
    values: bool,
) -> int:
    """Decode all values, and with `values` look at them; return the bytes of the sound ones."""
    total, done = sum(spec.nbytes or 0 for spec in specs), 0
    for spec in specs:
        try:
            if values and spec.elements and spec.dtype in FLOATS:
                _look_at(reader, spec, findings)
            else:
                reader.check(spec)
            done += spec.nbytes or 0
            progress(done, total)
        except CheckpointError as error:
            is_slice = error.kind is ErrorKind.SLICES
            findings.add_error("TFC204" if is_slice else "TFC402", error)
    return done


def _look_at(reader: V1, spec: TensorSpec, findings: Findings) -> None:
    raw = (part.reshape(-1).view("u1").data for part in reader.slice_arrays(spec) if part.size)
    seen = together([look(piece, spec.dtype) for piece in raw])
    file = reader.tables[reader.slices(spec)[0].shard or 0].source.name
    for code, what, got in remarks(spec.name, spec.dtype, spec.shape, seen):
        findings.add(code, what, file=file, tensor=spec.name, got=got)


def _check_strays(
    reader: V1, specs: list[TensorSpec], keys: list[set[bytes]], findings: Findings
) -> None:
    """Report rows that no header lists."""
    if findings.has(*ROWS_LOST):
        return
    for spec in specs:
        for piece in reader.slices(spec):
            keys[piece.shard or 0].discard(slice_key(spec.key, piece.extents))
    for table, stray in zip(reader.tables, keys, strict=True):
        for key in sorted(stray):
            what = "the header does not list this slice"
            name = name_of(slice_name(key))
            findings.add("TFC205", what, file=table.source.name, tensor=name)


def _is_sound(path: str, findings: Findings) -> bool:
    """Tell whether a file can be opened at all; one that cannot must not hide the others."""
    try:
        V1(path, [path], mapped=False)
    except CheckpointError as error:
        findings.add_error(code_of(error, "TFC101", unreadable="TFC309"), error)
        return False
    return True


def _v1_specs(reader: V1, findings: Findings) -> list[TensorSpec]:
    specs: list[TensorSpec] = []
    for name in reader.names():
        with findings.collect("TFC203"):
            spec = reader.lookup(name)
            specs += [spec] if spec else []
    return specs
