"""The command ``verify``: arguments in, lines out, exit code back.

Prints what the layers below say; cli/outcome.py writes it to files and services.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli import report_files as outcome
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.text import count_of
from tfckpt_reader.verification.checkpoint import verify as check
from tfckpt_reader.verification.codes import CODES, ERROR, UNREAD, WARNING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Report

_MOST_PROBLEMS = 50
"""Problems of a checkpoint that `verify` prints; JSON has all."""


def verify(arguments: Namespace) -> int:
    """Check checkpoints: 0 if all are sound, 1 if not, or with --strict if there are warnings.

    2 if something that was found could not be read.

    Raises:
        CheckpointError: something cannot be verified at all; the rest was, and is told.
    """
    if arguments.all and arguments.latest:
        raise ValueError("--all verifies every checkpoint, --latest one: leave out one of them")
    outcome.require_writable(arguments)
    reports, errors = _verified(arguments)
    for error in errors[:-1]:
        output.remark(str(error))
    if reports or len(arguments.path) > 1:
        _tell(reports, errors, arguments)
    outcome.deliver(reports, [str(error) for error in errors], arguments)
    if errors:
        raise errors[-1]
    if any(problem.code in UNREAD for report in reports for problem in report.problems):
        return 2
    warned = any(p.severity == WARNING for report in reports for p in report.problems)
    sound = all(report.ok for report in reports)
    return 1 if not sound or (arguments.strict and warned) else 0


def _verified(arguments: Namespace) -> tuple[list[Report], list[CheckpointError]]:
    """Verify each checkpoint once, by whichever of its files it was named."""
    reports: dict[tuple[str, str], Report] = {}
    errors: list[CheckpointError] = []
    with output.Progress("verify") as progress:
        for path in arguments.path:
            try:
                for report in _reports(path, arguments, reports, progress):
                    reports.setdefault(_key(report.version, report.path), report)
            except CheckpointError as error:
                if not arguments.all and os.path.isdir(path) and error.advice is None:
                    error.advice = "With --all it is looked for in the folders below, too"
                errors.append(error)
    return list(reports.values()), errors


def _key(version: str, path: str) -> tuple[str, str]:
    return version, os.path.abspath(path)


def _reports(
    path: str,
    arguments: Namespace,
    known: dict[tuple[str, str], Report],
    progress: output.Progress,
) -> Sequence[Report]:
    if arguments.all:
        from tfckpt_reader.verification.folder import verify_all

        return verify_all(path, level=arguments.level, on_progress=progress)
    try:
        location = locate(path, latest=arguments.latest)
    except CorruptCheckpointError:  # of which `check` makes a report
        return [check(path, level=arguments.level, on_progress=progress)]
    if _key(location.version, location.prefix) in known:
        return []
    return [check(location, level=arguments.level, on_progress=progress)]


def _tell(reports: list[Report], errors: list[CheckpointError], arguments: Namespace) -> None:
    """Print the reports: one alone, or several and their sum."""
    many = arguments.all or len(arguments.path) > 1
    if arguments.json:
        from tfckpt_reader.verification.reports.json_report import document, documents

        failed = [str(error) for error in errors]
        output.say_json(documents(reports, failed) if many else document(reports[0]))
        return
    for report in sorted(reports, key=lambda report: bool(report.problems)):
        output.notes(report.notes)
        output.say(*(str(problem) for problem in report.problems[:_MOST_PROBLEMS]))
        if len(report.problems) > _MOST_PROBLEMS:
            more = len(report.problems) - _MOST_PROBLEMS
            output.say(f"… and {more:,} more: --json has them all")
        if many:
            output.say(*_verdict(report))
    output.say(*_meanings(reports))
    output.say(*([_sum(reports, len(errors))] if many else _verdict(reports[0])))


def _verdict(report: Report) -> list[str]:
    """Return what a report comes to; nothing of a folder where there is nothing to say."""
    if not report.version and not report.problems:
        return []
    return [*(f"diagnosis: {line}" for line in report.diagnosis), str(report)]


def _meanings(reports: list[Report]) -> list[str]:
    """Return a line per kind of problem: what it means, and what to do."""
    found = dict.fromkeys(problem.code for report in reports for problem in report.problems)
    return [f"{code}: {CODES[code].meaning} {CODES[code].cure}" for code in found]


def _sum(reports: list[Report], failed: int) -> str:
    """Return what many reports come to, in a line."""
    checkpoints = [report for report in reports if report.version]
    bad = sum(not report.ok for report in checkpoints)
    warned = sum(report.ok and _count(report, WARNING) > 0 for report in checkpoints)
    counts = [f"{n:,} {what}" for n, what in ((bad, "bad"), (warned, "with warnings")) if n]
    verdict = ", ".join(counts) or "all sound"
    others = [report for report in reports if not report.version]  # state files, other files
    for severity in (ERROR, WARNING):
        number = sum(_count(report, severity) for report in others)
        verdict += f", {count_of(number, severity)} outside of them" if number else ""
    verdict += f", {count_of(failed, 'path')} not verified" if failed else ""
    tensors = count_of(sum(report.tensors for report in reports), "tensor")
    nbytes = count_of(sum(report.nbytes for report in reports), "byte")
    return f"{count_of(len(checkpoints), 'checkpoint')}: {verdict} ({tensors}, {nbytes} checked)"


def _count(report: Report, severity: str) -> int:
    return sum(problem.severity == severity for problem in report.problems)
