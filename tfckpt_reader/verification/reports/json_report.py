"""Reports as JSON documents, for ``--json``. docs/verify.schema.json describes them.

Makes dictionaries; the caller adds the version of the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tfckpt_reader.verification.codes import ERROR, INFORMATION, WARNING
from tfckpt_reader.verification.report import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Report


_COLUMNS = tuple(field.name for field in fields(Problem))


def document(report: Report) -> dict[str, Any]:
    """Return one report as a document for `json_stream`: its problems are an iterator."""
    # Not dataclasses.asdict, which copies deeply: there may be 100,000.
    problems = ({name: getattr(each, name) for name in _COLUMNS} for each in report.problems)
    return {
        "path": report.path,
        "version": report.version,
        "level": report.level,
        "ok": report.ok,
        "notes": list(report.notes),
        "tensors": report.tensors,
        "bytes": report.nbytes,
        "diagnosis": list(report.diagnosis),
        "problems": problems,
    }


def documents(reports: Sequence[Report], failed: Sequence[str] = ()) -> dict[str, Any]:
    """Return many reports, and the errors of unverified paths, as one document."""
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


def json_stream(value: object, indent: str = "") -> Iterator[str]:
    """Yield the text of a value, pure ASCII, indented by a space per level.

    Args:
        value: A JSON value, which may contain iterators. These become lists with an item on each
            line, and are advanced only as the text is consumed.
        indent: Prefix of each line but the first.
    """
    text = _text(value, indent=1)
    inner, comma = f"\n{indent} ", ""
    if text is not None:
        yield text.replace("\n", f"\n{indent}")
    elif isinstance(value, dict):
        yield "{"
        for key, item in value.items():
            yield f"{comma}{inner}{json.dumps(key)}: "
            yield from json_stream(item, indent + " ")
            comma = ","
        yield f"\n{indent}}}"
    elif isinstance(value, (list, Iterator)):
        yield "["
        for item in value:
            yield comma + inner
            line = _text(item)
            yield from json_stream(item, indent + " ") if line is None else [line]
            comma = ","
        yield f"\n{indent}]" if comma else "]"


def _text(value: object, indent: int | None = None) -> str | None:
    """Return the text of a value; None if it contains an iterator."""
    try:
        return json.dumps(value, indent=indent)
    except TypeError:
        return None
