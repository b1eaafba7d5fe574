"""Verify one checkpoint: every block, every entry, every byte of data, and the bytes between.

Parses nothing itself. Each check calls the readers' parsers and collects their errors: one defect
does not hide the next. Data is read, never mapped, in bounded memory: a file cut meanwhile is an
error and not the end of the process.

Where TensorFlow is lenient, reading is too, and the defect is reported here: duplicate keys,
overlapping segments, bytes without an owner, a missing header, a wrong size of strings.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, UnsupportedError, enough_memory
from tfckpt_reader.formats.v2.lost import renamed_files
from tfckpt_reader.objects.selection import Selection, words
from tfckpt_reader.paths.companions import graph_file_of, saved_model_of
from tfckpt_reader.paths.layout import LACKS, Location, unmerged_note
from tfckpt_reader.paths.listing import listed_once
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.unchanged import read_unchanged
from tfckpt_reader.progress import Progress, no_progress
from tfckpt_reader.storage.filesystem import join
from tfckpt_reader.verification.checks.checked import Checked
from tfckpt_reader.verification.checks.fingerprint import FINGERPRINT_FILE
from tfckpt_reader.verification.checks.restored_keys import (
    check_restored_keys,
    read_adjacent_graph,
)
from tfckpt_reader.verification.checks.v2 import check_v2
from tfckpt_reader.verification.codes import CODES, require_level
from tfckpt_reader.verification.diagnosis import diagnose
from tfckpt_reader.verification.evidence import gather
from tfckpt_reader.verification.findings import Findings
from tfckpt_reader.verification.report import Problem, Report
from tfckpt_reader.verification.roles import of_roles, require_values

__all__ = ["Problem", "Report", "verify"]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfckpt_reader.paths.unchanged import Unchanged


_OTHER_PARTS = ("slices", "stray-slice")
"""Names of the codes for slices that may lie in another part of a save."""


@listed_once()
def verify(
    path: str | os.PathLike[str] | bytes | Location,
    *,
    level: str = "data",
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    on_progress: Progress | None = None,
    filesystem: object = None,
) -> Report:
    """Check a checkpoint and report all its defects.

    NumPy is imported at level values only.

    Args:
        path: As for `open`.
        level: Depth of the checks; each level includes those before. "index": the index alone.
            "sizes": presence and size of the data files. "data": every byte. "values": warn of NaN,
            infinities, and weights without information.
        only: At level values, warn only of tensors of these roles: "weights", "optimizer" …, as for
            `convert`.
        without: The same; do not warn of these.
        on_progress: Called now and then with the bytes of data checked and their total.
        filesystem: As for `open`.

    Raises:
        ValueError: `level` or a role is unknown, or roles are given for another level.
        CheckpointNotFoundError: there is nothing to verify.
        CheckpointError: the file cannot be read: no permission, a pipe. Readable bytes of any kind
            end in the report instead.
    """
    require_level(level)
    selection = Selection(only=words(only), without=words(without))
    require_values(selection, level)
    damage: CorruptCheckpointError | None = None
    try:
        location = locate(path, filesystem=filesystem)
    except CorruptCheckpointError as error:
        damage = error
        location = Location("", error.file or "")

    def attempt(before: Unchanged) -> Report:
        report = _report(location, damage, on_progress or no_progress, level)
        if not report.ok:
            before.settle()
            if before.earlier_change is not None:
                raise before.earlier_change
        return report

    try:
        report = read_unchanged(location, attempt, tuple(_others(location)))
        return of_roles(report, selection)
    except CorruptCheckpointError as error:
        if error.kind is not ErrorKind.CHANGED:
            raise
        findings = Findings()
        findings.add_error("TFC357", error)
        problems = tuple(findings.problems)
        return Report(location.prefix, location.version, 0, 0, problems, location.notes, level)


def _others(location: Location) -> Iterator[str]:
    """Yield the paths of files that are compared with those of the tensors."""
    if not location.version:
        yield location.prefix
        return
    graph, model = graph_file_of(location.prefix), saved_model_of(location.base)
    yield from () if graph is None else (graph,)
    yield from () if model is None else (join(model, FINGERPRINT_FILE),)


def _report(
    location: Location, damage: CorruptCheckpointError | None, progress: Progress, level: str
) -> Report:
    findings, checked = Findings(), Checked()
    notes: tuple[str, ...] = ()
    if damage is not None:
        findings.add_error("TFC101", damage)
    try:
        with enough_memory(location.prefix):
            graph = read_adjacent_graph(location)
            for facts in _check(location, findings, progress, level):
                checked = facts  # an error leaves those of the stages before it
            notes = check_restored_keys(location, checked, graph, findings)
    except UnsupportedError as error:
        findings.most += 1  # room for this problem
        findings.add_error("TFC901", error)
    _mark_unmerged(location, findings)
    diagnosis: tuple[str, ...] = ()
    index = f"{location.prefix}.index"
    with suppress(UnsupportedError), enough_memory(index):
        evidence = gather(findings.problems, checked, index)
        diagnosis = diagnose(findings.problems, evidence, renamed_files(checked.lost_files))
    return Report(
        location.prefix,
        location.version,
        checked.tensors,
        checked.nbytes,
        tuple(findings.problems),
        (*location.notes, *notes),
        level=level,
        coverage=checked.coverage,
        diagnosis=diagnosis,
    )


def _mark_unmerged(location: Location, findings: Findings) -> None:
    """Report a part of a save as one; the slices that it lacks lie in the other parts."""
    note = unmerged_note(location.prefix) if location.version == "V2" else ""
    problems = [
        replace(each, code="TFC207") if note and CODES[each.code].name in _OTHER_PARTS else each
        for each in findings.problems
    ]
    findings.problems = []
    if LACKS in note:
        findings.add("TFC207", note, file=f"{location.prefix}.index")
    findings.problems += problems


def _check(
    location: Location, findings: Findings, progress: Progress, level: str
) -> Iterator[Checked]:
    if location.version == "V1":
        from tfckpt_reader.verification.checks.v1 import check_v1

        return check_v1(location, findings, progress, level)
    return check_v2(location, findings, progress, level) if location.version else iter(())
