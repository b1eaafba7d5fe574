"""GitHub's workflow commands: annotations of a run, printed by a job.

Knows no environment. A step shows ten annotations of each severity and drops the others, so the
selection happens here: the problems of one kind in one file share an annotation; every checkpoint
gets its first before any gets its second; and the last annotation counts the rest.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import CODES, ERROR, WARNING
from tfckpt_reader.verification.reports.locations import relative, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Problem, Report

MOST = 10
"""Annotations of each severity shown by GitHub for a step."""


def annotated(
    reports: Sequence[Report], *, top: str = ".", failed: Sequence[str] = ()
) -> list[str]:
    """Return the lines for a job to print; at most ten errors and ten warnings.

    Args:
        reports: Their errors and warnings are annotated, not the remarks.
        top: The top of the repository; paths are relative to it.
        failed: Errors of unverified paths; these come first.
    """
    if len(failed) >= MOST:
        failed = [*failed[: MOST - 2], f"… and {len(failed) - MOST + 2:,} more"]
    lines = [command("error", why, title="tfckpt: not verified") for why in failed]
    for severity in (ERROR, WARNING):
        turns = zip_longest(*(_groups(report, severity) for report in reports))
        groups = [group for turn in turns for group in turn if group is not None]
        room = MOST - (len(lines) if severity == ERROR else 0)
        shown = groups if len(groups) <= room else groups[: room - 1]
        lines += [_annotation(report, problems, top) for report, problems in shown]
        hidden = sum(len(problems) for _, problems in groups[len(shown) :])
        if hidden:
            more = f"{hidden:,} more of severity {severity}: the log of this step has them"
            lines.append(command(severity, more, title="tfckpt: and more"))
    return lines


def _groups(report: Report, severity: str) -> list[tuple[Report, list[Problem]]]:
    """Return the report with the problems of each kind in each file."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in report.problems:
        if problem.severity == severity:
            groups.setdefault((problem.code, problem.file or report.path), []).append(problem)
    return [(report, problems) for problems in groups.values()]


def _annotation(report: Report, problems: list[Problem], top: str) -> str:
    first = problems[0]
    kind, lines = CODES[first.code], [text_of(first)]
    if len(problems) > 1:
        lines.append(f"… and {len(problems) - 1:,} more of this kind in this file")
    if first is next(each for each in report.problems if each.severity == first.severity):
        lines += report.diagnosis  # once in a report
    message = "\n".join([*lines, f"{kind.meaning} {kind.cure}"])
    file, title = relative(first.file or report.path, top), f"{first.code} {kind.name}"
    return command(first.severity, message, file=file, title=title)


def command(name: str, message: str, **properties: str) -> str:
    """Return a workflow command. Unprintable characters are escaped, except line ends."""
    fields = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {fields}::{_data(message)}"


def _data(text: str) -> str:
    # GitHub accepts the older form of commands, ##[name], anywhere in a line.
    lines = (printable(line).replace("%", "%25") for line in text.split("\n"))
    return "%0A".join(lines).replace("##[", "## [")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def harmless(line: str) -> str:
    """Return a line of other output, changed where the runner would execute it as a command."""
    shown = line.replace("##[", "## [")
    return f"\\x3a{shown.lstrip()[1:]}" if shown.lstrip().startswith("::") else shown
