"""Everything that can go wrong, as one family of exceptions, each of some kind.

Knows no format and no NumPy.

An error says where (file, byte offset), what was being read (structure), what was expected and
what was found, and what to do next. Those are attributes; ``str()`` joins them into one line.
Parsers of bytes do not know which file they look at: they raise with an offset counted from the
start of their buffer, and `located`, wrapped around them by whoever holds the file, adds the file
name and shifts the offset.
"""

from __future__ import annotations

import enum

from tfckpt_reader.text import printable, quoted, shortened

CHECKSUM_ADVICE = "The data file is damaged, or belongs to another save"
"""Advice that goes with a checksum that differs."""
NO_MEMORY = "more memory is needed than this machine, or a limit, gives"


class ErrorKind(enum.Enum):
    """The subject of an error, whatever its message; verification maps kinds to codes."""

    UNREADABLE = "a file the system does not let us read"
    UNREACHABLE = "a store that cannot be reached, or does not answer as it should"
    NOT_FOUND = "a missing file"
    INCOMPLETE = "a missing data file of a checkpoint"
    CHANGED = "a file that changed while it was read"
    NO_TENSOR = "an unknown tensor name"
    UNSUPPORTED = "not supported by this reader, or too large for this machine"
    DAMAGED = "bytes that cannot be right (no more specific kind)"
    TRUNCATED = "a file that ends too early"
    CHECKSUM = "a checksum of a tensor that differs"
    FOREIGN = "another kind of file than is needed here"
    FOREIGN_DATA = "another kind of file in place of a data file"
    TABLE = "the footer of a table"
    METAINDEX = "the metaindex block of a table"
    BLOCK = "a block of a table"
    KEY_ORDER = "the order of keys"
    SEPARATOR = "a separator in the index block"
    NO_HEADER = "a missing header row"
    HEADER = "the header row"
    ENTRY = "the entry of a tensor"
    SLICES = "the slices of a tensor"


class CheckpointError(Exception):
    """Something about a checkpoint that keeps it from being read. Base of all our errors.

    Attributes:
        kind: Its subject. Default: that of the class.
        problem: What is wrong, in a few words.
        file: Path of the file it was found in, or None.
        offset: Where in that file, in bytes, or None.
        tensor: Name of the tensor concerned, or None.
        structure: What was being read there ("footer", "data block", "shape"), or None.
        expected: What should have been there, or None.
        got: What was there, or None.
        advice: What to do next, or None.
    """

    kind = ErrorKind.UNREADABLE

    def __init__(  # noqa: PLR0913 - one argument per attribute, all but one by keyword
        self,
        problem: str,
        *,
        kind: ErrorKind | None = None,
        file: str | None = None,
        offset: int | None = None,
        tensor: str | None = None,
        structure: str | None = None,
        expected: object = None,
        got: object = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.kind = kind or type(self).kind
        self.problem = problem
        self.file = file
        self.offset = offset
        self.tensor = tensor
        self.structure = structure
        self.expected = expected
        self.got = got
        self.advice = advice

    def __str__(self) -> str:
        offset = None if self.offset is None else f"byte {self.offset}"
        tensor = None if self.tensor is None else f"tensor {quoted(self.tensor)}"
        file = None if self.file is None else self.file or "''"
        parts = (file, offset, tensor, self.structure)
        where = [printable(part) for part in parts if part is not None]
        text = ": ".join([*where, printable(self.problem)])
        found = [
            f"{word} {printable(shortened(str(value)))}"
            for word, value in (("expected", self.expected), ("found", self.got))
            if value is not None
        ]
        if found:
            text += f" ({', '.join(found)})"
        return text if self.advice is None else f"{text}. {printable(self.advice)}"


class CorruptCheckpointError(CheckpointError, ValueError):
    """The bytes are there but cannot be right."""

    kind = ErrorKind.DAMAGED


class ChecksumError(CorruptCheckpointError):
    """A stored checksum does not match the bytes it covers."""

    kind = ErrorKind.CHECKSUM


class TruncatedError(CorruptCheckpointError):
    """A file ends before the bytes that something in it, or in the index, points at."""

    kind = ErrorKind.TRUNCATED


class UnsupportedError(CheckpointError, NotImplementedError):
    """Valid as far as known, but unsupported by this reader or too large for this machine."""

    kind = ErrorKind.UNSUPPORTED


class TensorNotFoundError(CheckpointError, KeyError):
    """The checkpoint holds no tensor of that name."""

    kind = ErrorKind.NO_TENSOR
    # KeyError would print the message in quotes.
    __str__ = CheckpointError.__str__


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """There is no checkpoint, or one of its files is missing."""

    kind = ErrorKind.NOT_FOUND


def add_location(
    error: CheckpointError,
    file: str,
    base: int = 0,
    tensor: str | None = None,
    *,
    unpacked: bool = False,
) -> None:
    """Add the file and the tensor to an error without them; shift its offset by `base`.

    An offset in `unpacked` bytes is none of the file's: the message keeps it.
    """
    if error.tensor is None:
        error.tensor = tensor
    if error.file is None:
        error.file = file
        if error.offset is not None:
            if unpacked:
                error.problem += f" (at byte {error.offset} of the decompressed block)"
            error.offset = base if unpacked else base + error.offset


def forget_frames(error: BaseException | None) -> None:
    """Drop an error's frames: they hold what filled the memory. Then there is room to go on."""
    while error is not None:
        error.__traceback__, error = None, error.__context__


class _EnoughMemory:
    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            del trace
            forget_frames(error)
            raise UnsupportedError(NO_MEMORY, file=self._file) from error


def enough_memory(file: str) -> _EnoughMemory:
    """Turn a MemoryError raised inside into one of ours, which names the file that asked for it."""
    return _EnoughMemory(file)


class located:  # noqa: N801 - used as a function is; a generator would take five times as long
    """Add a location to errors raised inside, as `add_location` does. The innermost one wins."""

    __slots__ = ("_place", "_unpacked")

    def __init__(
        self, file: str, base: int = 0, tensor: str | None = None, *, unpacked: bool = False
    ) -> None:
        self._place = file, base, tensor
        self._unpacked = unpacked

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CheckpointError):
            add_location(error, *self._place, unpacked=self._unpacked)
