"""What `verify` can find, and what it found.

Rank 2: knows no format; the table of problems, the report, and the collector that turns the
parsers' errors into problems.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    TruncatedError,
    UnsupportedError,
    count_of,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR, WARNING, INFORMATION = "error", "warning", "information"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem."""

    name: str
    severity: str
    meaning: str
    cure: str


_COPY = "Copy or download the file again, and compare checksums with the source."
_SAVE = "Save the checkpoint again with a released TensorFlow."

CODES: dict[str, Code] = {
    "TFC101": Code("not-a-table", ERROR, "The file is no checkpoint index, or is cut off.", _COPY),
    "TFC102": Code("footer", ERROR, "The footer holds what no writer puts there.", _COPY),
    "TFC103": Code("metaindex", ERROR, "The metaindex block is damaged or not empty.", _COPY),
    "TFC104": Code("block", ERROR, "A block of the index is damaged; its rows are lost.", _COPY),
    "TFC105": Code("index-gap", ERROR, "Bytes of the index belong to no block.", _COPY),
    "TFC106": Code("key-order", ERROR, "Keys are out of order: lookups can miss them.", _SAVE),
    "TFC107": Code("duplicate-key", ERROR, "A key comes twice: which one counts?", _SAVE),
    "TFC108": Code("separator", ERROR, "The index block misleads a lookup.", _SAVE),
    "TFC201": Code("no-header", ERROR, "The index has no header row.", _SAVE),
    "TFC202": Code("header", ERROR, "The header cannot be right, or needs a newer reader.", _SAVE),
    "TFC203": Code("entry", ERROR, "An entry cannot be decoded, or cannot be right.", _SAVE),
    "TFC204": Code("slices", ERROR, "Slices of a tensor overlap, leave holes or are lost.", _SAVE),
    "TFC205": Code("stray-slice", WARNING, "A slice belongs to no tensor of the index.", _SAVE),
    "TFC301": Code("shard-missing", ERROR, "A data file is not there.", "Copy it too."),
    "TFC302": Code("shard-short", ERROR, "A data file ends before its tensors do.", _COPY),
    "TFC303": Code("overlap", ERROR, "Two tensors claim the same bytes.", _SAVE),
    "TFC304": Code("hole", ERROR, "Bytes between tensors are not zero and nobody's.", _COPY),
    "TFC305": Code("padding", INFORMATION, "Zero bytes lie between tensors.", "Nothing to do."),
    "TFC306": Code("trailing", ERROR, "A data file goes on after its last tensor.", _COPY),
    "TFC307": Code(
        "shard-count", WARNING, "The index and the data files count differently.", _SAVE
    ),
    "TFC308": Code("stray-shard", INFORMATION, "No tensor lies in this data file.", "Delete it?"),
    "TFC401": Code("crc", ERROR, "The bytes of a tensor are not those that were saved.", _COPY),
    "TFC402": Code("value", ERROR, "The bytes of a tensor cannot be decoded.", _COPY),
    "TFC403": Code(
        "string-size", ERROR, "Strings or variants take other bytes than the entry says.", _SAVE
    ),
    "TFC901": Code("unsupported", ERROR, "Sound perhaps, but not read by this version.", "Update."),
}
"""Code -> what it means. Codes are stable: a number is never given another meaning."""
ROWS_LOST = ("TFC104", "TFC203", "TFC204", "TFC901")
"""After these nobody knows whose the remaining rows, or the bytes between tensors, are."""
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
    """Tensors whose data was checked."""
    nbytes: int
    """Bytes of their data."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """What was assumed to find the checkpoint."""

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
        return f"{printable(self.path)}: {', '.join(counts) or 'sound'} ({checked})"


class Findings:
    """Collects problems in the order they are found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
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
            UnsupportedError: there are as many as are listed: the search shall end.
        """
        if len(self.problems) >= self.most:
            raise UnsupportedError(f"more than {self.most:,} problems; the search ended there")
        texts = (None if value is None else str(value) for value in (expected, got))
        severity = CODES[code].severity
        self.problems.append(Problem(code, severity, file, offset, tensor, what, *texts))

    def has(self, *codes: str) -> bool:
        """Tell whether a problem with one of these codes was found."""
        return any(problem.code in codes for problem in self.problems)

    def add_error(self, code: str, error: CheckpointError) -> None:
        """Add what a parser raised."""
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
        """Turn an error raised inside into a problem, and go on after the block.

        Its code is `code`, unless what it was found in tells a better one.
        """
        try:
            yield
        except CheckpointError as error:
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
    (UnsupportedError, "TFC901"),
    (CheckpointNotFoundError, "TFC301"),
    (TruncatedError, "TFC302"),
    (ChecksumError, "TFC401"),
)


def code_of(error: CheckpointError, otherwise: str) -> str:
    """Return the code of an error by what it was found in; else `otherwise`."""
    if isinstance(error, UnsupportedError):
        return "TFC901"
    structure = error.structure or ""
    return _BY_STRUCTURE.get(structure) or _BY_STRUCTURE.get(structure.split(" ")[0]) or otherwise


def code_of_data(error: CheckpointError) -> str:
    """Return the code of an error that came up while a tensor's bytes were read."""
    kind = next((code for kind, code in _BY_KIND if isinstance(error, kind)), None)
    return kind or code_of(error, "TFC402")
