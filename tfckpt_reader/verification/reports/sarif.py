"""SARIF 2.1.0, which GitHub's code scanning, Azure DevOps and editors show.

Specified at https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Each code is a rule, each problem a
result. The files have bytes and no lines, so a region is a byte offset. GitHub refuses a document
with a result without a file: a problem of no file is located at the checkpoint.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from tfckpt_reader.text import count_of, printable
from tfckpt_reader.verification.codes import CODES, ERROR, INFORMATION, WARNING
from tfckpt_reader.verification.reports.json_report import json_stream
from tfckpt_reader.verification.reports.locations import text_of, uri, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfckpt_reader.verification.codes import Code
    from tfckpt_reader.verification.report import Problem, Report

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {ERROR: "error", WARNING: "warning", INFORMATION: "note"}
_RULES = {code: number for number, code in enumerate(CODES)}
_MOST = 25_000
"""Results: GitHub accepts no more. Errors come first."""
_FINGERPRINT = "tfckptProblem/v1"


def sarif(
    reports: Sequence[Report], *, version: str, top: str = ".", failed: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the text of a SARIF document of the reports.

    Args:
        reports: Their problems are the results, worst severity first.
        version: Version of this package.
        top: The top of the repository; paths are relative to it.
        failed: Errors of unverified paths.
    """
    problems = worst_first(reports)
    notes = [("error", text) for text in failed]
    rest = len(problems) - _MOST
    if rest > 0:
        notes.append(("warning", f"{count_of(rest, 'problem')} more than these were found"))
    invocation: dict[str, Any] = {"executionSuccessful": not failed}
    if notes:
        invocation["toolExecutionNotifications"] = [
            {"level": level, "message": {"text": printable(text)}} for level, text in notes
        ]
    rules = [_rule(number, code) for number, code in CODES.items()]
    tool = {"driver": {"name": "tfckpt", "version": version, "rules": rules}}
    seen: dict[str, int] = {}
    results = (_result(*pair, top, seen) for pair in problems[:_MOST])
    run = {"tool": tool, "invocations": [invocation], "results": results}
    yield from json_stream({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
    yield "\n"


def _rule(number: str, code: Code) -> dict[str, Any]:
    return {
        "id": number,
        "name": "".join(part.capitalize() for part in code.name.split("-")),
        "shortDescription": {"text": code.meaning},
        "fullDescription": {"text": code.meaning},
        "help": {"text": code.cure},
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
    }


def _result(problem: Problem, path: str, top: str, seen: dict[str, int]) -> dict[str, Any]:
    where = uri(path, top)
    # Viewers expect a region even for a whole file.
    region = {"byteOffset": max(0, problem.offset or 0)}
    physical = {"artifactLocation": {"uri": where}, "region": region}
    location: dict[str, Any] = {"physicalLocation": physical}
    if problem.tensor is not None:
        name = printable(problem.tensor)
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "member"}]
    return {
        "ruleId": problem.code,
        "ruleIndex": _RULES[problem.code],
        "level": _LEVELS[problem.severity],
        "message": {"text": text_of(problem)},
        "locations": [location],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(problem, where, seen)},
    }


def _fingerprint(problem: Problem, where: str, seen: dict[str, int]) -> str:
    """Return an identifier that is the same in the next run: a save changes offsets and values."""
    key = "\0".join((problem.code, where, problem.tensor or ""))
    seen[key] = seen.get(key, -1) + 1
    text = f"{key}\0{seen[key]}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
