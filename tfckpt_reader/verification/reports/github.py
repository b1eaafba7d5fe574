"""GitHub's workflow commands: annotations of a run, which a job prints.

Knows no environment. A step shows ten annotations of each severity and drops the others,
so that they are chosen here: problems of a kind in a file are one; every checkpoint has its turn
before any has its second; and the last one says how many there are besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import CODES, ERROR, WARNING
from tfckpt_reader.verification.reports.locations import inside, place, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Problem, Report

MOST = 10
"""Annotations of each severity that GitHub shows for a step."""


class _Group(NamedTuple):
    turn: int
    """Groups of its report before it."""
    diagnosis: tuple[str, ...]
    """That of its report, told with the first group."""
    first: Problem
    number: int
    """Of problems in it."""
    path: str


def annotated(
    reports: Sequence[Report], *, top: str = ".", failed: Sequence[str] = ()
) -> list[str]:
    """Return the lines that a job prints; at most ten errors and ten warnings.

    Args:
        reports: Errors and warnings of them are told, not the remarks.
        top: Folder that paths are told from: the top of the repository.
        failed: Why something could not be verified at all; these come first.
    """
    shown = (
        failed
        if len(failed) < MOST
        else [*failed[: MOST - 2], f"… and {len(failed) - MOST + 2:,} more"]
    )
    lines = [command("error", why, title="tfckpt: not verified") for why in shown]
    for severity in (ERROR, WARNING):
        groups = sorted(
            (group for report in reports for group in _groups(report, severity)),
            key=lambda group: group.turn,
        )
        room = MOST - (len(lines) if severity == ERROR else 0)
        lines += _chosen(severity, groups, room, top)
    return lines


def _chosen(severity: str, groups: list[_Group], room: int, top: str) -> list[str]:
    if len(groups) <= room:
        return [_annotation(severity, group, top) for group in groups]
    shown, hidden = groups[: max(0, room - 1)], groups[max(0, room - 1) :]
    number = sum(group.number for group in hidden)
    more = f"{number:,} more of severity {severity}: the log of this step has them"
    return [
        *(_annotation(severity, group, top) for group in shown),
        command(severity, more, title="tfckpt: and more"),
    ]


def _groups(report: Report, severity: str) -> list[_Group]:
    found: dict[tuple[str, str], list[Problem]] = {}
    for problem in report.problems:
        if problem.severity == severity:
            found.setdefault((problem.code, place(problem, report)), []).append(problem)
    return [
        _Group(turn, () if turn else report.diagnosis, problems[0], len(problems), path)
        for turn, ((_, path), problems) in enumerate(found.items())
    ]


def _annotation(severity: str, group: _Group, top: str) -> str:
    code = CODES[group.first.code]
    text = [words(group.first)]
    if group.number > 1:
        text.append(f"… and {group.number - 1:,} more of this kind in this file")
    title = f"{group.first.code} {code.name}"
    return command(
        severity,
        "\n".join([*text, *group.diagnosis, f"{code.meaning} {code.cure}"]),
        file=inside(group.path, top),
        title=title,
    )


def command(name: str, message: str, **properties: str) -> str:
    """Return a workflow command. Characters that do not print become escapes, but line ends."""
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {told}::{_data(message)}"


def _data(text: str) -> str:
    # The older form of commands, ##[name], is looked for anywhere in a line.
    lines = (printable(line).replace("%", "%25") for line in text.split("\n"))
    return "%0A".join(lines).replace("##[", "## [")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def harmless(line: str) -> str:
    """Return a line of other output so that the runner does not take it for a command."""
    shown = line.replace("##[", "## [")
    return f"\\x3a{shown.lstrip()[1:]}" if shown.lstrip().startswith("::") else shown
