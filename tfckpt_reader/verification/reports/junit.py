r"""JUnit XML, which Jenkins, GitLab and most other services show as test results.

There is no standard; this subset is supported by all services::

    testsuites > testsuite (a checkpoint) > testcase (a file or a scope) > failure | system-out

Unprintable characters, those illegal in XML among them, become escapes such as ``\x1b``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from tfckpt_reader.storage.filesystem import folder_of, join
from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import ERROR, WARNING
from tfckpt_reader.verification.report import MOST, OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfckpt_reader.verification.report import Problem, Report

_MOST_LINES = 20
"""Problems listed in a case; the rest are counted."""


def junit(reports: Sequence[Report], *, strict: bool = False, failed: Sequence[str] = ()) -> str:
    """Return the reports as JUnit XML.

    Args:
        reports: Each becomes a test suite.
        strict: Count warnings as failures, too.
        failed: Errors of unverified paths; together a suite.
    """
    bad = (ERROR, WARNING) if strict else (ERROR,)
    suites = [(report, cases(report)) for report in reports]
    number = sum(len(its) for _, its in suites) + len(failed)
    failures = sum(_fails(case, bad) for _, its in suites for case in its)
    totals = f'tests="{number}" failures="{failures}" errors="{len(failed)}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="tfckpt verify" {totals}>',
    ]
    for report, its in suites:
        lines += _suite(report, its, bad)
    lines += _failed_suite(failed) if failed else []
    return "\n".join([*lines, "</testsuites>", ""])


def _fails(case: Case, bad: tuple[str, ...]) -> bool:
    return any(problem.severity in bad for problem in case.problems)


def _suite(report: Report, its: list[Case], bad: tuple[str, ...]) -> Iterator[str]:
    name = _attribute(report.path)
    failures = sum(_fails(case, bad) for case in its)
    counts = f'tests="{len(its)}" failures="{failures}" errors="0" skipped="0"'
    yield f"<testsuite name={name} {counts}>"
    yield "<properties>"
    facts = {
        "version": report.version,
        "level": report.level,
        "tensors": report.tensors,
        "bytes": report.nbytes,
    }
    for key, value in facts.items():
        yield f'<property name="{key}" value={_attribute(str(value))}/>'
    yield "</properties>"
    for case in its:
        yield f"<testcase classname={name} name={_attribute(case.name)}>"
        yield from _outcome(case, bad)
        yield "</testcase>"
    lines = [*(f"diagnosis: {line}" for line in report.diagnosis), *report.notes]
    if lines:
        yield f"<system-out>{_text(lines)}</system-out>"
    yield "</testsuite>"


def _outcome(case: Case, bad: tuple[str, ...]) -> Iterator[str]:
    if not case.problems:
        return
    worst = sorted(case.problems, key=lambda problem: problem.severity not in bad)
    lines = [str(problem) for problem in worst[:_MOST_LINES]]
    if len(worst) > _MOST_LINES:
        lines.append(f"… and {len(worst) - _MOST_LINES:,} more")
    text = _text(lines)
    if _fails(case, bad):
        kinds = " ".join(dict.fromkeys(p.code for p in worst if p.severity in bad))
        yield f'<failure type="{kinds}" message={_attribute(str(worst[0]))}>{text}</failure>'
    else:
        yield f"<system-out>{text}</system-out>"


def _failed_suite(failed: Sequence[str]) -> Iterator[str]:
    counts = f'tests="{len(failed)}" failures="0" errors="{len(failed)}" skipped="0"'
    yield f'<testsuite name="not verified" {counts}>'
    for why in map(_attribute, failed):
        yield f'<testcase classname="not verified" name={why}>'
        yield f"<error message={why}/>"
        yield "</testcase>"
    yield "</testsuite>"


def _attribute(text: str) -> str:
    return quoteattr(printable(text))


def _text(lines: Sequence[str]) -> str:
    """Return lines as character data: printable ones are legal in XML; ``]]>`` is escaped."""
    return escape("\n".join(map(printable, lines)))


class Case(NamedTuple):
    """One file, or the tensors of one scope."""

    name: str
    """The same in every run, while the checkpoint has the file or scope."""
    problems: tuple[Problem, ...]


def cases(report: Report) -> list[Case]:
    """Return the cases of a report: files first, then scopes, each in the report's order."""
    covered = report.coverage
    files: dict[str, list[Problem]] = {_file_case(path, report): [] for path in covered.files}
    tensors: dict[str, list[Problem]] = {_scope_case(scope): [] for scope in covered.scopes}
    for problem in report.problems:
        if problem.tensor is not None:
            its, name = tensors, _scope_case(covered.scope_of(problem.tensor))
        else:
            its, name = files, _file_case(problem.file or report.path, report)
        if name not in its and len(its) >= MOST:  # beyond the coverage
            name = _scope_case(OTHER) if its is tensors else f"file {OTHER}"
        its.setdefault(name, []).append(problem)
    return [Case(name, tuple(its)) for name, its in (files | tensors).items()]


def _file_case(path: str, report: Report) -> str:
    """Return the name of a file's case: its path relative to the checkpoint's folder."""
    folder = join(report.path if not report.version else folder_of(report.path), "")
    return f"file {path.removeprefix(folder)}"


def _scope_case(scope: str) -> str:
    return f"tensors {scope}/" if scope else "tensors without a scope"
