"""Check a V1 checkpoint: its tables, its headers, and the values of every slice.

Data is read, never mapped. FORMAT 4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.formats.v1.reader import V1
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.tensor.slices import slice_key, slice_name
from tfckpt_reader.verification.checks import numbers
from tfckpt_reader.verification.checks.checked import Checked, kinds_of
from tfckpt_reader.verification.checks.table_blocks import check_names, check_table
from tfckpt_reader.verification.codes import reaches
from tfckpt_reader.verification.findings import code_of
from tfckpt_reader.verification.report import coverage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.tensor.spec import TensorSpec
    from tfckpt_reader.verification.findings import Findings

    Keys = list[set[bytes]]
    """Keys of the rows of each table, without the header."""


def check_v1(
    location: Location, findings: Findings, progress: Progress, level: str
) -> Iterator[Checked]:
    """Report defects of a V1 set; yield the facts after each stage, as `check_v2` does.

    Its files are tables with a crc in every block: the first level reads all of them.
    """
    if location.missing:
        findings.add("TFC301", location.missing, file=location.prefix)

    def report(error: CheckpointError) -> None:
        findings.add_error(code_of(error, "TFC101", unreadable="TFC309"), error)

    reader = V1(location.prefix, location.files, mapped=False, on_error=report)
    if not reader.tables:
        return
    keys, has_all_rows = _check_tables(reader, findings)
    before = findings.errors
    specs = _specs(reader, findings)
    names = kinds_of(specs)
    check_names(sorted(names), reader.path, findings)
    coverage = coverage_of(location.files, names)
    tables = tuple(table.source for table in reader.tables)
    checked = Checked(names, coverage=coverage, tables=tables)
    yield checked
    known = keys if has_all_rows else None
    sound = [spec for spec in specs if _is_whole(reader, spec, known, findings)]
    all_known = has_all_rows and findings.errors == before
    nbytes = 0
    if reaches(level, "data"):
        scans = reaches(level, "values")
        nbytes = _check_values(reader, sound, findings, progress, scans=scans)
    if all_known:
        _check_strays(reader, specs, keys, findings)
    # Rows are the data: after an error of any kind, names may be lost.
    is_sound = not findings.errors
    yield replace(checked, names_are_complete=is_sound, tensors=len(specs), nbytes=nbytes)


def _check_tables(reader: V1, findings: Findings) -> tuple[Keys, bool]:
    """Return the keys of all sound rows, and whether no block is lost."""
    keys, is_complete = [], True
    for table in reader.tables:
        contents = check_table(table, findings, values=False)
        rows = set(contents.rows)
        rows.discard(b"")
        keys.append(rows)
        is_complete = is_complete and contents.is_complete
    return keys, is_complete


def _specs(reader: V1, findings: Findings) -> list[TensorSpec]:
    specs: list[TensorSpec] = []
    for name in reader.names():
        with findings.collect("TFC203"):
            spec = reader.lookup(name)
            specs += [spec] if spec else []
    return specs


def _is_whole(reader: V1, spec: TensorSpec, keys: Keys | None, findings: Findings) -> bool:
    """Return whether the slices of a tensor tile it, and have a row each.

    Without `keys` its row may lie in a lost block: reading the values gives the better error.
    """
    try:
        reader.require_tiling(spec, spec.all_rows)
    except CheckpointError as error:
        findings.add_error(code_of(error, "TFC402"), error)
        return False
    if keys is None:
        return True
    for tensor_slice in reader.slices(spec):
        shard = tensor_slice.shard or 0
        if tensor_slice.elements and slice_key(spec.key, tensor_slice.extents) not in keys[shard]:
            file = reader.tables[shard].source.name
            what = f"slice {tensor_slice}: the file has no row for it"
            findings.add("TFC204", what, file=file, tensor=spec.name)
            return False
    return True


def _check_values(
    reader: V1, specs: list[TensorSpec], findings: Findings, progress: Progress, *, scans: bool
) -> int:
    """Decode all values, and with `scans` scan them; return the bytes of the sound ones."""
    total, done = sum(spec.nbytes or 0 for spec in specs), 0
    for spec in specs:
        try:
            if scans and spec.elements and spec.dtype in numbers.FLOATS:
                _scan(reader, spec, findings)
            else:
                reader.check(spec)
            done += spec.nbytes or 0
            progress(done, total)
        except CheckpointError as error:
            is_slice = error.kind is ErrorKind.SLICES
            findings.add_error("TFC204" if is_slice else "TFC402", error)
    return done


def _scan(reader: V1, spec: TensorSpec, findings: Findings) -> None:
    raw = (part.reshape(-1).view("u1").data for part in reader.slice_arrays(spec) if part.size)
    merged = numbers.merge([numbers.scan(window, spec.dtype) for window in raw])
    file = reader.tables[reader.slices(spec)[0].shard or 0].source.name
    for code, what, got in numbers.anomalies(spec.name, spec.dtype, spec.shape, merged):
        findings.add(code, what, file=file, tensor=spec.name, got=got)


def _check_strays(reader: V1, specs: list[TensorSpec], keys: Keys, findings: Findings) -> None:
    """Report rows missing from the header."""
    for spec in specs:
        for tensor_slice in reader.slices(spec):
            keys[tensor_slice.shard or 0].discard(slice_key(spec.key, tensor_slice.extents))
    for table, stray in zip(reader.tables, keys, strict=True):
        for key in sorted(stray):
            what = "the header does not list this slice"
            name = name_of(slice_name(key))
            findings.add("TFC205", what, file=table.source.name, tensor=name)
