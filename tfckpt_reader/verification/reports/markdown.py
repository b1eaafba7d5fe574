"""Markdown as GitHub and GitLab render it, for the summary of a job.

Whatever could mean something in Markdown or HTML is written as a character reference, so
that a name is shown as it is, and is never a link, a mention, a tag or another column. An at sign
needs a comment behind it, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfckpt_reader.text import count_of, printable, shortened
from tfckpt_reader.verification.codes import CODES, ERROR, INFORMATION, WARNING
from tfckpt_reader.verification.reports.locations import inside, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tfckpt_reader.verification.report import Problem, Report

LARGEST = 1 << 20
"""Bytes that GitHub takes for a step; a longer summary is dropped as a whole."""
_MOST_CHECKPOINTS = 200
_MOST_PROBLEMS = 100
_PLAIN = frozenset(" /-,;=.")
"""Characters besides letters and digits that mean nothing inside a line."""
_INNER_UNDERSCORE = re.compile(r"(?<=[A-Za-z0-9])&#95;(?=[A-Za-z0-9])")
"""Between letters it means nothing, and most names have some."""
_ORDER = {ERROR: 0, WARNING: 1, INFORMATION: 2}
_END = "\n… cut off here: the summary has a limit\n"


def markdown(
    reports: Sequence[Report],
    *,
    top: str = ".",
    failed: Sequence[str] = (),
    largest: int = LARGEST,
) -> str:
    """Return the reports as a page: what was verified, what is wrong, and what to do.

    Args:
        reports: Bad ones are shown first.
        top: Folder that paths are told from: the top of the repository.
        failed: Why something could not be verified at all.
        largest: Bytes of UTF-8 that it may have; what goes beyond is left out, and that is said.
    """
    problems = [(problem, report) for report in reports for problem in report.problems]
    problems.sort(key=lambda pair: _ORDER[pair[0].severity])
    checked = [report for report in reports if report.version or report.problems]
    bad = sum(not report.ok for report in checked) + len(failed)
    warned = sum(any(p.severity == WARNING for p in report.problems) for report in checked)
    verdict = f"{bad:,} bad" if bad else f"{warned:,} with warnings" if warned else "all sound"
    lines = [f"## TensorFlow checkpoints: {verdict}", ""]
    lines += [f"* **not verified**: {escaped(why)}" for why in failed]
    lines += _checkpoints(checked, top) if checked else []
    lines += _diagnoses(checked, top)
    lines += _problems(problems, top) if problems else []
    lines += _meanings(problem for problem, _ in problems)
    return _limited(lines, largest)


def _checkpoints(reports: Sequence[Report], top: str) -> list[str]:
    first = sorted(reports, key=lambda report: report.ok)
    rows = [
        f"| {'ok' if report.ok else '**bad**'} | {escaped(inside(report.path, top))} |"
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


def _diagnoses(reports: Sequence[Report], top: str) -> list[str]:
    told = [(report.path, line) for report in reports for line in report.diagnosis]
    lines = [f"* {escaped(inside(path, top))}: {escaped(line)}" for path, line in told]
    return ["", *lines[:_MOST_PROBLEMS]] if lines else []


def _problems(problems: Sequence[tuple[Problem, Report]], top: str) -> list[str]:
    rows = [
        f"| {problem.severity} | {problem.code} | {escaped(inside(place(problem, report), top))} |"
        f" {'' if problem.offset is None else problem.offset} |"
        f" {escaped(problem.tensor or '')} | {escaped(_what(problem))} |"
        for problem, report in problems[:_MOST_PROBLEMS]
    ]
    more = len(problems) - len(rows)
    return [
        "",
        "| severity | code | file | byte | tensor | what |",
        "|---|---|---|--:|---|---|",
        *rows,
        *(["", f"… and {more:,} more"] if more else []),
    ]


def _what(problem: Problem) -> str:
    told = {"expected": problem.expected, "found": problem.got}
    found = ", ".join(f"{word} {value}" for word, value in told.items() if value is not None)
    return f"{problem.what} ({found})" if found else problem.what


def _meanings(problems: Iterable[Problem]) -> list[str]:
    codes = dict.fromkeys(problem.code for problem in problems)
    lines = [
        f"* **{code}** {CODES[code].name}: {escaped(f'{CODES[code].meaning} {CODES[code].cure}')}"
        for code in codes
    ]
    return ["", *lines] if lines else []


def escaped(text: str) -> str:
    """Return a text as Markdown for itself, on one line, and not of any length."""
    found = "".join(
        c if c.isalnum() or c in _PLAIN or not c.isascii() else f"&#{ord(c)};"
        for c in printable(shortened(text))
    )
    # GitHub looks for addresses and mentions where references are characters again.
    found = found.replace("&#64;", "&#64;<!-- -->")
    return _INNER_UNDERSCORE.sub("_", found).replace("www.", "www&#46;")


def _limited(lines: list[str], largest: int) -> str:
    taken: list[str] = []
    size = len(_END.encode())
    for line in lines:
        size += len(line.encode()) + 1
        if size > largest:
            return "\n".join(taken) + _END if largest >= len(_END.encode()) else ""
        taken.append(line)
    return "\n".join(taken) + "\n"
