"""Is a checkpoint whole? Every block, every entry, every byte of data, and what lies between.

Parses nothing itself. The parsers are asked piece by piece, with a collector around each
question, so that one defect does not hide the next. Data is read, never mapped, in bounded
memory: a file that is cut meanwhile is an error and not the end of the process.

Where TensorFlow is lenient, reading is too, and the defect is reported here: duplicate keys,
overlapping ranges, bytes that belong to nobody, a missing header, a wrong size of strings. The
footer and the metaindex, which no crc covers and TensorFlow never looks at, are checked as well.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError, enough_memory
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.progress import Progress, no_progress
from tfckpt_reader.verification.codes import require_level
from tfckpt_reader.verification.evidence import gather
from tfckpt_reader.verification.findings import Findings
from tfckpt_reader.verification.graph import check_graphs, graph_beside
from tfckpt_reader.verification.report import Problem, Report
from tfckpt_reader.verification.v2 import check_v2

__all__ = ["Problem", "Report", "verify"]

if TYPE_CHECKING:
    pass


def verify(
    path: str | os.PathLike[str] | bytes | Location,
    *,
    level: str = "data",
    on_progress: Progress | None = None,
) -> Report:
    """Check a checkpoint and report all that is wrong with it.

    NumPy is imported at level values only.

    Args:
        path: As for `open`.
        level: How far to go; each includes those before. "index": what the index says. "sizes":
            that the data files are there and fit. "data": every byte. "values": warn of NaN,
            infinities, and weights that hold nothing.
        on_progress: Called now and then with the bytes of data checked and their total.

    Raises:
        ValueError: there is no such level.
        CheckpointNotFoundError: there is nothing to verify.
        CheckpointError: what is there cannot be read: no permission, a pipe. Bytes that can be
            read, whatever they are, end in the report instead.
    """
    require_level(level)
    findings = Findings()
    tensors = nbytes = 0
    try:
        location = locate(path)
    except CorruptCheckpointError as error:
        findings.add_error("TFC101", error)
        location = Location("", error.file or "")
    check = _CHECKS.get(location.version, _check_nothing)
    try:
        with enough_memory(location.prefix):
            beside = graph_beside(location)
            tensors, nbytes = check(location, findings, on_progress or no_progress, level)
            check_graphs(location, findings, level, beside)
    except UnsupportedError as error:
        findings.most += 1  # room to say so
        findings.add_error("TFC901", error)
    return Report(
        location.prefix,
        location.version,
        tensors,
        nbytes,
        tuple(findings.problems),
        (*location.notes, *findings.notes),
        level=level,
        coverage=findings.coverage,
        diagnosis=_diagnosis(findings, location.prefix + ".index"),
    )


def _diagnosis(findings: Findings, index: str) -> tuple[str, ...]:
    if not findings.problems:
        return ()
    from tfckpt_reader.verification.diagnosis import diagnose

    try:
        with enough_memory(index):
            return diagnose(findings.problems, gather(findings, index))
    except UnsupportedError:
        return ()


def _check_v1(
    location: Location, findings: Findings, progress: Progress, level: str
) -> tuple[int, int]:
    from tfckpt_reader.verification.v1 import check_v1

    return check_v1(location, findings, progress, level)


def _check_nothing(*_arguments: object) -> tuple[int, int]:
    return 0, 0


_CHECKS = {"V1": _check_v1, "V2": check_v2}
