"""What `verify` found.

Rank 2: knows no format; the report, and the collector that turns the parsers' errors into
problems. What there is to find is in codes.py.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.codes import CODES, ERROR, INFORMATION, ROWS_LOST, UNREAD, WARNING, Code
from tfckpt_reader.coverage import Coverage
from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    CorruptCheckpointError,
    TruncatedError,
    UnsupportedError,
    count_of,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.spec import Run

__all__ = [
    "CODES",
    "ERROR",
    "INFORMATION",
    "ROWS_LOST",
    "WARNING",
    "Code",
    "Findings",
    "Problem",
    "Report",
    "code_of",
    "code_of_data",
]

MOST_PROBLEMS = 100_000
"""Found in one checkpoint before the search ends: a million would fill the memory, unread."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that `verify` found."""

    code: str
    severity: str
    """"error", "warning" or "information"."""
    file: str | None
    offset: int | None
    """Bytes from the start of the file."""
    tensor: str | None
    what: str
    """In words, without file and tensor."""
    expected: str | None
    got: str | None

    def __str__(self) -> str:
        name = CODES[self.code].name
        where = [self.file, None if self.offset is None else f"byte {self.offset}"]
        if self.tensor is not None:
            where.append(f"tensor {self.tensor!r}")
        text = f"{self.severity} {self.code} {name}: "
        text += ": ".join(printable(part) for part in [*where, self.what] if part is not None)
        if self.expected is not None or self.got is not None:
            found = f"expected {self.expected}, " if self.expected is not None else ""
            text += printable(
                f" ({found}found {self.got})" if self.got is not None else f" ({found[:-2]})"
            )
        return text


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of a verification."""

    path: str
    """What was verified: the prefix, or the V1 file."""
    version: str
    """"V1", "V2", or "" where it could not be told."""
    tensors: int
    """Tensors that were checked, as far as the level goes."""
    nbytes: int
    """Bytes of their data that were read and found sound; 0 below level data."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """What was assumed to find the checkpoint."""
    level: str = "data"
    """How far it went: "index", "sizes", "data" or "values"."""
    diagnosis: tuple[str, ...] = ()
    """What all problems together say happened to the files, a line each; none of sound ones."""
    coverage: Coverage = field(default_factory=Coverage)
    """Which files and names were looked at."""

    @property
    def ok(self) -> bool:
        """Whether no problem is an error."""
        return not any(problem.severity == ERROR for problem in self.problems)

    def __str__(self) -> str:
        counts = [
            count_of(n, severity if severity != INFORMATION else "remark")
            for severity in (ERROR, WARNING, INFORMATION)
            if (n := sum(problem.severity == severity for problem in self.problems))
        ]
        checked = f"{count_of(self.tensors, 'tensor')}, {count_of(self.nbytes, 'byte')} checked"
        if self.level != "data":
            checked += f" at level {self.level}"
        return f"{printable(self.path)}: {', '.join(counts) or 'sound'} ({checked})"


class Findings:
    """Collects problems in the order they are found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._codes: set[str] = set()
        self.notes: list[str] = []
        self.names: frozenset[str] | None = None
        """Of all tensors of the checkpoint; None if its index could not be read."""
        self.runs: dict[str, list[Run]] = {}
        """Data file -> what lies in it, in order: the diagnosis wants to know."""
        self.most = MOST_PROBLEMS
        self.coverage = Coverage()

    def add(  # noqa: PLR0913 - the columns of a problem
        self,
        code: str,
        what: str,
        *,
        file: str | None = None,
        offset: int | None = None,
        tensor: str | None = None,
        expected: object = None,
        got: object = None,
    ) -> None:
        """Add a problem; its severity is the code's.

        Raises:
            UnsupportedError: there are as many as are listed: the search shall end.
        """
        if len(self.problems) >= self.most:
            raise UnsupportedError(f"more than {self.most:,} problems; the search ended there")
        texts = (None if value is None else str(value) for value in (expected, got))
        severity = CODES[code].severity
        self.problems.append(Problem(code, severity, file, offset, tensor, what, *texts))
        self._codes.add(code)

    def has(self, *codes: str) -> bool:
        """Tell whether a problem with one of these codes was found."""
        return not self._codes.isdisjoint(codes)

    def add_error(self, code: str, error: CheckpointError) -> None:
        """Add what a parser raised, under `code` if it is about the bytes."""
        if isinstance(error, UnsupportedError):
            code = "TFC901"
        elif type(error) is CheckpointError and code not in UNREAD:
            code = "TFC354"  # of no kind: the system did not let us
        what = f"{error.structure}: {error.problem}" if error.structure else error.problem
        if error.advice and error.problem.startswith("this is"):
            what += f". {error.advice}"
        self.add(
            code,
            what,
            file=error.file,
            offset=error.offset,
            tensor=error.tensor,
            expected=error.expected,
            got=error.got,
        )

    @contextmanager
    def collect(self, code: str) -> Iterator[None]:
        """Turn an error about the bytes raised inside into a problem, and go on after the block.

        Its code is `code`, unless what it was found in tells a better one.
        """
        try:
            yield
        except (CorruptCheckpointError, UnsupportedError) as error:
            self.add_error(code_of(error, code), error)


_BY_STRUCTURE = {
    "key order": "TFC106",
    "separator": "TFC108",
    "BundleHeader": "TFC202",
    "SlicesHeader": "TFC202",
    "header": "TFC202",
    "header row": "TFC201",
    "version": "TFC202",
    "index entry": "TFC203",
    "slice": "TFC204",
    "slices": "TFC204",
    "index block": "TFC104",
    "data block": "TFC104",
    "footer": "TFC101",
}
_BY_KIND: tuple[tuple[type[CheckpointError], str], ...] = (
    (CheckpointNotFoundError, "TFC301"),
    (TruncatedError, "TFC302"),
    (ChecksumError, "TFC401"),
)


def code_of(error: CheckpointError, otherwise: str) -> str:
    """Return the code of an error by what it was found in; else `otherwise`."""
    structure = error.structure or ""
    return _BY_STRUCTURE.get(structure) or _BY_STRUCTURE.get(structure.split(" ")[0]) or otherwise


def code_of_data(error: CheckpointError) -> str:
    """Return the code of an error that came up while a tensor's bytes were read."""
    if type(error) is CheckpointError:  # of no kind: the system did not let us
        return "TFC309"
    kind = next((code for kind, code in _BY_KIND if isinstance(error, kind)), None)
    return kind or code_of(error, "TFC402")
