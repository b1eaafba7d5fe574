"""Everything that can go wrong, as one family of exceptions.

Knows no format and no numpy.

An error says where (file, byte offset), what was being read (structure), what was expected and
what was found, and what to do next. Those are attributes; ``str()`` joins them into one line.
Parsers of bytes do not know which file they look at: they raise with an offset counted from the
start of their buffer, and `located`, wrapped around them by whoever holds the file, adds the file
name and shifts the offset.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfckpt_reader.text import (
    printable,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


DAMAGED = "The data file is damaged, or belongs to another save"
"""Advice that goes with a checksum that differs."""


class CheckpointError(Exception):
    """Something about a checkpoint that keeps it from being read. Base of all our errors.

    Attributes:
        problem: What is wrong, in a few words.
        file: Path of the file it was found in, or None.
        offset: Where in that file, in bytes, or None.
        tensor: Name of the tensor concerned, or None.
        structure: What was being read there ("footer", "data block", "shape"), or None.
        expected: What should have been there, or None.
        got: What was there, or None.
        advice: What to do next, or None.
    """

    def __init__(  # noqa: PLR0913 - one argument per attribute, all but one by keyword
        self,
        problem: str,
        *,
        file: str | None = None,
        offset: int | None = None,
        tensor: str | None = None,
        structure: str | None = None,
        expected: object = None,
        got: object = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(problem)
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
        tensor = None if self.tensor is None else f"tensor {shortened(repr(self.tensor))}"
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


class ChecksumError(CorruptCheckpointError):
    """A stored checksum does not match the bytes it covers."""


class TruncatedError(CorruptCheckpointError):
    """A file ends before the bytes that something in it, or in the index, points at."""


class UnsupportedError(CheckpointError, NotImplementedError):
    """Sound as far as one can tell, but more than this reader, or this machine, can give."""


class TensorNotFoundError(CheckpointError, KeyError):
    """The checkpoint holds no tensor of that name."""

    # KeyError would print the message in quotes.
    __str__ = CheckpointError.__str__


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """There is no checkpoint, or one of its files is missing."""


def locate(error: CheckpointError, file: str, base: int = 0, tensor: str | None = None) -> None:
    """Add the file to an error that names none, shift its offset by `base`; add the tensor."""
    if error.tensor is None:
        error.tensor = tensor
    if error.file is None:
        error.file = file
        if error.offset is not None:
            error.offset += base


class _EnoughMemory:
    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, MemoryError):
            # The frames hold what filled the memory; without them the caller has room to go on.
            del trace
            held: BaseException | None = error
            while held is not None:
                held.__traceback__, held = None, held.__context__
            problem = "more memory is needed than this machine, or a limit, gives"
            raise UnsupportedError(problem, file=self._file) from error


def enough_memory(file: str) -> _EnoughMemory:
    """Turn a MemoryError raised inside into one of ours, which names the file that asked for it."""
    return _EnoughMemory(file)


@contextmanager
def located(file: str, base: int = 0, tensor: str | None = None) -> Iterator[None]:
    """Say of errors raised inside where they are: see `locate`. The innermost place wins."""
    try:
        yield
    except CheckpointError as error:
        locate(error, file, base, tensor)
        raise
