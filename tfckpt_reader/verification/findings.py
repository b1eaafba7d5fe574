"""The collector of problems, and the code of each error that a parser raises."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    ErrorKind,
    UnsupportedError,
)
from tfckpt_reader.verification.codes import (
    CODES,
    UNREAD,
)
from tfckpt_reader.verification.report import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.tensor.spec import Segment
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
        self.runs: dict[str, list[Segment]] = {}
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

        Its code is `code`, unless what it was found in tells a better one.
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
    ErrorKind.TRUNCATED: "TFC302",
    ErrorKind.FOREIGN_DATA: "TFC302",
    ErrorKind.CHECKSUM: "TFC401",
}
"""The code of each kind of error that has one of its own."""
_ADVISED = (ErrorKind.FOREIGN, ErrorKind.FOREIGN_DATA, ErrorKind.HEADER)
"""Kinds whose advice is right for the case, and not only for the code."""


def code_of(error: CheckpointError, otherwise: str, unreadable: str = "TFC354") -> str:
    """Return the code of an error.

    Args:
        error: What a parser raised.
        otherwise: The code of bytes that are wrong in no more special way.
        unreadable: The code where the system does not let the file be read.
    """
    if error.kind is ErrorKind.UNREADABLE:
        return unreadable
    return CODE_OF_KIND.get(error.kind, otherwise)


def code_of_data(error: CheckpointError) -> str:
    """Return the code of an error that came up while a tensor's bytes were read."""
    return code_of(error, "TFC402", unreadable="TFC309")
