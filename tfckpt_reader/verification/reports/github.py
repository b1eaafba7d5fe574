"""GitHub's workflow commands: annotations of a run, printed by a job.

Knows no environment. A step shows ten annotations of each severity and drops the others, so the
selection happens here: the problems of one kind in one file share an annotation; every checkpoint
gets its first before any gets its second; and the last annotation counts the rest.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import CODES, ERROR, WARNING
from tfckpt_reader.verification.reports.locations import relative, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Problem, Report

MOST = 10
"""Annotations of each severity shown by GitHub for a step."""


class _Group(NamedTuple):
    """Problems of one kind in one file."""

    diagnosis: tuple[str, ...]
    """Diagnosis of its report, for the first group only."""
    first: Problem
    number: int
    """Count of its problems."""
    path: str


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
        lines += [_annotation(severity, group, top) for group in shown]
        hidden = sum(group.number for group in groups[len(shown) :])
        if hidden:
            more = f"{hidden:,} more of severity {severity}: the log of this step has them"
            lines.append(command(severity, more, title="tfckpt: and more"))
    return lines


def _groups(report: Report, severity: str) -> list[_Group]:
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in report.problems:
        if problem.severity == severity:
            groups.setdefault((problem.code, problem.file or report.path), []).append(problem)
    return [
        _Group(() if turn else report.diagnosis, problems[0], len(problems), path)
        for turn, ((_, path), problems) in enumerate(groups.items())
    ]


def _annotation(severity: str, group: _Group, top: str) -> str:
    code = CODES[group.first.code]
    text = [text_of(group.first)]
    if group.number > 1:
        text.append(f"… and {group.number - 1:,} more of this kind in this file")
    message = "\n".join([*text, *group.diagnosis, f"{code.meaning} {code.cure}"])
    title = f"{group.first.code} {code.name}"
    return command(severity, message, file=relative(group.path, top), title=title)


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
