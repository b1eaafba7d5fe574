"""The collector of problems, and the code of each error that a parser raises."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    CorruptCheckpointError,
    TruncatedError,
    UnsupportedError,
)
from tfckpt_reader.verification.codes import (
    CODES,
    UNREAD,
)
from tfckpt_reader.verification.report import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.tensor.spec import Run
from tfckpt_reader.verification.report import Problem

MOST_PROBLEMS = 100_000
"""Found in one checkpoint before the search ends: a million would fill the memory, unread."""


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
