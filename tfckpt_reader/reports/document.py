"""Reports as JSON documents: what ``--json`` prints. docs/verify.schema.json describes them.

Rank 3: makes dictionaries; the version of the schema is added by whoever prints them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tfckpt_reader.report import ERROR, INFORMATION, WARNING, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.report import Report


_COLUMNS = tuple(field.name for field in fields(Problem))


def _problem(problem: Problem) -> dict[str, Any]:
    # Not dataclasses.asdict, which copies deeply: there may be 100,000.
    return {name: getattr(problem, name) for name in _COLUMNS}


def document(report: Report) -> dict[str, Any]:
    """Return a report as a document of its own, for `json_pieces`: its problems are an iterator."""
    return {
        "path": report.path,
        "version": report.version,
        "level": report.level,
        "ok": report.ok,
        "notes": list(report.notes),
        "tensors": report.tensors,
        "bytes": report.nbytes,
        "diagnosis": list(report.diagnosis),
        "problems": map(_problem, report.problems),
    }


def documents(reports: Sequence[Report], failed: Sequence[str] = ()) -> dict[str, Any]:
    """Return many reports, and why something could not be verified at all, as one document."""
    severities = [problem.severity for report in reports for problem in report.problems]
    return {
        "ok": not failed and all(report.ok for report in reports),
        "checkpoints": sum(bool(report.version) for report in reports),
        "tensors": sum(report.tensors for report in reports),
        "bytes": sum(report.nbytes for report in reports),
        "errors": severities.count(ERROR),
        "warnings": severities.count(WARNING),
        "remarks": severities.count(INFORMATION),
        "failed": list(failed),
        "reports": map(document, reports),
    }
