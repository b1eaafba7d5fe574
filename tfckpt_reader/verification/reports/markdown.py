"""Markdown as GitHub and GitLab render it, for the summary of a job.

Every character with a meaning in Markdown or HTML is written as a character reference, so that a
name is never a link, a mention, a tag or another column. An at sign also needs a comment after it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfckpt_reader.text import count_of, printable, shortened
from tfckpt_reader.verification.codes import CODES, WARNING
from tfckpt_reader.verification.report import values_of
from tfckpt_reader.verification.reports.locations import relative, worst_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Problem, Report

LARGEST = 1 << 20
"""Bytes that GitHub accepts for a step; it drops a longer summary as a whole."""
_MOST_CHECKPOINTS = 200
_MOST_PROBLEMS = 100
_PLAIN = frozenset(" /-,;=.")
"""Characters without a meaning inside a line, besides letters and digits."""
_INNER_UNDERSCORE = re.compile(r"(?<=[A-Za-z0-9])&#95;(?=[A-Za-z0-9])")
"""Between letters it has no meaning, and most names have some."""
_END = "\n… cut off here: the summary has a limit\n"


def markdown(
    reports: Sequence[Report],
    *,
    top: str = ".",
    failed: Sequence[str] = (),
    largest: int = LARGEST,
) -> str:
    """Return the reports as a page: checkpoints, diagnoses, problems, and remedies.

    Args:
        reports: Bad ones are shown first.
        top: The top of the repository; paths are relative to it.
        failed: Errors of unverified paths.
        largest: Most bytes of UTF-8; a longer page is cut, with a line to say so.
    """
    problems = worst_first(reports)
    checked = [report for report in reports if report.version or report.problems]
    bad = sum(not report.ok for report in checked) + len(failed)
    warned = sum(any(p.severity == WARNING for p in report.problems) for report in checked)
    verdict = f"{bad:,} bad" if bad else f"{warned:,} with warnings" if warned else "all sound"
    lines = [f"## TensorFlow checkpoints: {verdict}", ""]
    lines += [f"* **not verified**: {escaped(why)}" for why in failed]
    lines += _checkpoints(checked, top) if checked else []
    diagnoses = [
        f"* {escaped(relative(report.path, top))}: {escaped(line)}"
        for report in checked
        for line in report.diagnosis
    ]
    lines += ["", *diagnoses[:_MOST_PROBLEMS]] if diagnoses else []
    if problems:
        lines += [*_problems(problems, top), ""]
        for code in dict.fromkeys(problem.code for problem, _ in problems):
            kind = CODES[code]
            lines.append(f"* **{code}** {kind.name}: {escaped(f'{kind.meaning} {kind.cure}')}")
    return _limited(lines, largest)


def _checkpoints(reports: Sequence[Report], top: str) -> list[str]:
    first = sorted(reports, key=lambda report: report.ok)
    rows = [
        f"| {'ok' if report.ok else '**bad**'} | {escaped(relative(report.path, top))} |"
        f" {report.tensors:,} | {report.nbytes:,} | {len(report.problems):,} |"
        for report in first[:_MOST_CHECKPOINTS]
    ]
    more = len(reports) - len(rows)
    return [
        "",
        "| | checkpoint | tensors | bytes checked | findings |",
        "|---|---|--:|--:|--:|",
        *rows,
        *(["", f"… and {count_of(more, 'checkpoint')} more"] if more else []),
    ]


def _problems(problems: Sequence[tuple[Problem, str]], top: str) -> list[str]:
    rows = [
        f"| {problem.severity} | {problem.code} |"
        f" {escaped(relative(path, top))} |"
        f" {'' if problem.offset is None else problem.offset} |"
        f" {escaped(problem.tensor or '')} | {escaped(problem.what + values_of(problem))} |"
        for problem, path in problems[:_MOST_PROBLEMS]
    ]
    more = len(problems) - len(rows)
    rows += ["", f"… and {more:,} more"] if more else []
    return [
        "",
        "| severity | code | file | byte | tensor | what |",
        "|---|---|---|--:|---|---|",
        *rows,
    ]


def escaped(text: str) -> str:
    """Return a text as literal Markdown, on one line and shortened."""
    literal = "".join(
        c if c.isalnum() or c in _PLAIN or not c.isascii() else f"&#{ord(c)};"
        for c in printable(shortened(text))
    )
    # GitHub detects addresses and mentions after it has decoded the references.
    literal = literal.replace("&#64;", "&#64;<!-- -->")
    return _INNER_UNDERSCORE.sub("_", literal).replace("www.", "www&#46;")


def _limited(lines: list[str], largest: int) -> str:
    fitting: list[str] = []
    size = len(_END.encode())
    for line in lines:
        size += len(line.encode()) + 1
        if size > largest:
            return "\n".join(fitting) + _END if largest >= len(_END.encode()) else ""
        fitting.append(line)
    return "\n".join(fitting) + "\n"
