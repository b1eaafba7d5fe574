"""A report as a list of cases, as unit tests have them: some fail, the others passed.

Rank 3: knows no output. One case per file, and one per top scope of tensor names: a checkpoint of
a million tensors has a few dozen. A problem with a tensor counts for its scope, any other for
its file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.coverage import MOST, OTHER
from tfckpt_reader.errors import count_of

if TYPE_CHECKING:
    from tfckpt_reader.report import Problem, Report


class Case(NamedTuple):
    """A part of a checkpoint that was looked at."""

    name: str
    """The same in every run, as long as the checkpoint has that part."""
    looked_at: str
    """What it holds, in words; "" for a file."""
    problems: tuple[Problem, ...]


def cases(report: Report) -> list[Case]:
    """Return the cases of a report: files first, then scopes, each in the report's order."""
    scopes = report.coverage.scopes
    files: dict[str, list[Problem]] = {file_case(f, report): [] for f in report.coverage.files}
    tensors: dict[str, list[Problem]] = {scope_case(scope): [] for scope in scopes}
    for problem in report.problems:
        if problem.tensor is not None:
            its, name = tensors, scope_case(report.coverage.scope_of(problem.tensor))
        else:
            its, name = files, file_case(problem.file or report.path, report)
        if name not in its and len(its) >= MOST:  # what could not be covered, and is found bad
            name = scope_case(OTHER) if its is tensors else f"file {OTHER}"
        its.setdefault(name, []).append(problem)
    counts = {scope_case(scope): count_of(number, "tensor") for scope, number in scopes.items()}
    return [Case(name, counts.get(name, ""), tuple(its)) for name, its in (files | tensors).items()]


def file_case(path: str, report: Report) -> str:
    """Return the name of a file's case: its path seen from the checkpoint's folder."""
    folder = os.path.join(report.path if not report.version else os.path.dirname(report.path), "")
    return f"file {path.removeprefix(folder)}"


def scope_case(scope: str) -> str:
    """Return the name of a scope's case."""
    return f"tensors {scope}/" if scope else "tensors without a scope"
