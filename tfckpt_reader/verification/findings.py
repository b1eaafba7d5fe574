"""The collector of problems, and the code of each error of a parser."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    ErrorKind,
    UnsupportedError,
)
from tfckpt_reader.verification.codes import CODES, ERROR, UNREAD
from tfckpt_reader.verification.report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PROBLEMS = 100_000
"""The search for problems in one checkpoint ends after this many; a million would fill memory."""


class Findings:
    """Collects problems in the order of their discovery.

    Attributes:
        problems: All of them.
        errors: Number of problems of severity error.
        most: Number of problems that ends the search.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.errors = 0
        self.most = MOST_PROBLEMS

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
            UnsupportedError: `most` is reached.
        """
        if len(self.problems) >= self.most:
            raise UnsupportedError(f"more than {self.most:,} problems; the search ended there")
        texts = (None if value is None else str(value) for value in (expected, got))
        severity = CODES[code].severity
        self.problems.append(Problem(code, severity, file, offset, tensor, what, *texts))
        self.errors += severity == ERROR

    def add_error(self, code: str, error: CheckpointError) -> None:
        """Add the error of a parser; under `code`, unless the bytes are unreadable or unsupported.

        The error's advice goes into the problem only where it fits the case better than the code's.

        Raises:
            CheckpointError: `error` itself, if a store does not answer: that is no defect.
        """
        if error.kind is ErrorKind.UNREACHABLE:
            raise error
        if error.kind is ErrorKind.UNSUPPORTED:
            code = "TFC901"
        elif error.kind is ErrorKind.UNREADABLE and code not in UNREAD:
            code = "TFC354"
        what = f"{error.structure}: {error.problem}" if error.structure else error.problem
        if error.advice and error.kind in _ADVISED:
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

        The kind of the error decides its code; `code` is for kinds without one.
        """
        try:
            yield
        except (CorruptCheckpointError, UnsupportedError) as error:
            self.add_error(code_of(error, code), error)


CODE_OF_KIND = {
    ErrorKind.UNSUPPORTED: "TFC901",
    ErrorKind.TABLE: "TFC101",
    ErrorKind.METAINDEX: "TFC103",
    ErrorKind.BLOCK: "TFC104",
    ErrorKind.KEY_ORDER: "TFC106",
    ErrorKind.SEPARATOR: "TFC108",
    ErrorKind.NO_HEADER: "TFC201",
    ErrorKind.HEADER: "TFC202",
    ErrorKind.ENTRY: "TFC203",
    ErrorKind.SLICES: "TFC204",
    ErrorKind.NOT_FOUND: "TFC301",
    ErrorKind.INCOMPLETE: "TFC301",
    ErrorKind.CHANGED: "TFC357",
    ErrorKind.TRUNCATED: "TFC302",
    ErrorKind.FOREIGN_DATA: "TFC302",
    ErrorKind.CHECKSUM: "TFC401",
}
"""Code of each kind of error with one of its own."""
_ADVISED = (ErrorKind.FOREIGN, ErrorKind.FOREIGN_DATA, ErrorKind.HEADER)
"""Kinds with more specific advice than the code."""


def code_of(error: CheckpointError, otherwise: str, unreadable: str = "TFC354") -> str:
    """Return the code of an error.

    Args:
        error: The error of a parser.
        otherwise: Code for damage of no special kind.
        unreadable: Code for a file refused by the system.
    """
    if error.kind is ErrorKind.UNREADABLE:
        return unreadable
    return CODE_OF_KIND.get(error.kind, otherwise)


def code_of_data(error: CheckpointError) -> str:
    """Return the code of an error raised while the bytes of a tensor were read."""
    return code_of(error, "TFC402", unreadable="TFC309")
