"""The outcome of a verification: problems, coverage, and the report itself.

Knows no format. The codes of problems are in codes.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.text import count_of, printable, quoted
from tfckpt_reader.verification.codes import CODES, ERROR, INFORMATION, SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 200
"""Files, and scopes, listed individually: a report of a million cases serves nobody."""
OTHER = "…"
"""Stands for all further scopes."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Files and tensors checked."""

    files: tuple[str, ...] = ()
    """The index and the data files that it needs, or the V1 files; at most `MOST`."""
    scopes: Mapping[str, int] = field(default_factory=dict)
    """Tensors per top scope; "" for names without a slash; at most `MOST` and `OTHER`."""

    def scope_of(self, name: str) -> str:
        """Return the scope of a name, for names of other checkpoints too."""
        scope = top_scope(name)
        return OTHER if scope not in self.scopes and OTHER in self.scopes else scope


def top_scope(name: str) -> str:
    """Return the text before the first slash of a name; "" without a slash."""
    scope, slash, _ = name.partition("/")
    return scope if slash else ""


def coverage_of(files: Iterable[str], names: Iterable[str]) -> Coverage:
    """Count names by scope."""
    scopes: dict[str, int] = {}
    for name in names:
        scope = top_scope(name)
        if scope not in scopes and len(scopes) >= MOST:
            scope = OTHER
        scopes[scope] = scopes.get(scope, 0) + 1
    return Coverage(tuple(files)[:MOST], dict(sorted(scopes.items())))


@dataclass(frozen=True, slots=True)
class Problem:
    """One defect, oddity or remark."""

    code: str
    severity: str
    """"error", "warning" or "information"."""
    file: str | None
    offset: int | None
    """Bytes from the start of the file."""
    tensor: str | None
    what: str
    """Description, without file and tensor."""
    expected: str | None
    got: str | None

    def __str__(self) -> str:
        name = CODES[self.code].name
        where = [self.file, None if self.offset is None else f"byte {self.offset}"]
        if self.tensor is not None:
            where.append(f"tensor {quoted(self.tensor)}")
        text = f"{self.severity} {self.code} {name}: "
        text += ": ".join(printable(part) for part in [*where, self.what] if part is not None)
        return text + printable(values_of(self))


def values_of(problem: Problem) -> str:
    """Return the values that a problem compares, as text in parentheses; "" without any."""
    values = {"expected": problem.expected, "found": problem.got}
    shown = ", ".join(f"{word} {value}" for word, value in values.items() if value is not None)
    return f" ({shown})" if shown else ""


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of a verification."""

    path: str
    """The prefix, or the V1 file."""
    version: str
    """"V1", "V2", or "" if unknown."""
    tensors: int
    """Tensors checked, as far as the level goes."""
    nbytes: int
    """Bytes of sound data; 0 below level data."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """Assumptions made to find the checkpoint, and graphs left aside."""
    level: str = "data"
    """"index", "sizes", "data" or "values"."""
    diagnosis: tuple[str, ...] = ()
    """Probable causes of the errors, a line per file and cause; none without errors."""
    coverage: Coverage = field(default_factory=Coverage)
    """Files and names checked."""

    @property
    def ok(self) -> bool:
        """Whether no problem is an error."""
        return not any(problem.severity == ERROR for problem in self.problems)

    def __str__(self) -> str:
        counts = [
            count_of(n, severity if severity != INFORMATION else "remark")
            for severity in SEVERITIES
            if (n := sum(problem.severity == severity for problem in self.problems))
        ]
        checked = f"{count_of(self.tensors, 'tensor')}, {count_of(self.nbytes, 'byte')} checked"
        if self.level != "data":
            checked += f" at level {self.level}"
        return f"{printable(self.path)}: {', '.join(counts) or 'sound'} ({checked})"
