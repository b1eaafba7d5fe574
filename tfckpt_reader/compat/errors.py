"""TensorFlow's exceptions by their names, each also an error of this package.

Table of what is raised:

| TensorFlow raises | here | which is also a |
|---|---|---|
| NotFoundError: no such tensor | MissingTensorError, a NotFoundError | KeyError |
| NotFoundError, OpError: no such file | MissingFileError, a NotFoundError | OSError |
| ValueError: a folder without a state file | NoStateFileError | ValueError, OSError |
| ValueError: a state file without a path, or not UTF-8 | DataLossError | ValueError |
| DataLossError, OpError: damage | DataLossError | ValueError |
| InternalError: a damaged header of a V1 file | DataLossError | ValueError |
| IndexError: a data file that is too short | TruncatedDataError, a DataLossError | IndexError |
| UnimplementedError | UnimplementedError | NotImplementedError, ValueError |
| InternalError: a variant | InternalError | |

TensorFlow ``python/framework/errors_impl.py``, ``python/training/py_checkpoint_reader.py``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    TensorNotFoundError,
    TruncatedError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class OpError(CheckpointError):
    """Base of TensorFlow's errors; `error_code` is its number for the class."""

    error_code: ClassVar[int] = 2
    node_def = op = None
    prefix = ""
    """TensorFlow's words, before those of this package."""

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self)

    def __str__(self) -> str:
        return self.prefix + CheckpointError.__str__(self)


class InvalidArgumentError(OpError, ValueError):
    """An argument, or contents, without a meaning."""

    error_code = 3


class NotFoundError(OpError):
    """A missing file or tensor."""

    error_code = 5


class AlreadyExistsError(OpError):
    """A file that would be overwritten."""

    error_code = 6


class PermissionDeniedError(OpError):
    """A file that the system does not let this process use."""

    error_code = 7


class UnimplementedError(OpError, UnsupportedError, ValueError):
    """A checkpoint, or a dtype, that cannot be read."""

    error_code = 12


class InternalError(OpError):
    """A tensor without a NumPy form."""

    error_code = 13


class DataLossError(OpError, CorruptCheckpointError):
    """A damaged file, or one of another kind."""

    error_code = 15


class OutOfRangeError(OpError, IndexError):
    """An end before what was asked for."""

    error_code = 11


class MissingTensorError(NotFoundError, TensorNotFoundError):
    """The checkpoint has no tensor of that name."""

    __str__ = OpError.__str__


class MissingFileError(NotFoundError, CheckpointNotFoundError):
    """There is no checkpoint, or one of its files is missing."""


class NoStateFileError(CheckpointNotFoundError, ValueError):
    """A folder without a usable state file."""


class TruncatedDataError(DataLossError, OutOfRangeError, TruncatedError):
    """A file that ends too early."""

    error_code = 15


_CLASSES: dict[type[CheckpointError], type[OpError]] = {
    TensorNotFoundError: MissingTensorError,
    CheckpointNotFoundError: MissingFileError,
    TruncatedError: TruncatedDataError,
    CorruptCheckpointError: DataLossError,
    UnsupportedError: UnimplementedError,
    CheckpointError: OpError,
}
"""Error of this package -> error raised; the first that fits."""
_FIELDS = ("kind", "file", "offset", "tensor", "structure", "expected", "got", "advice")


@contextmanager
def translated(**prefixes: str) -> Iterator[None]:
    """Turn the package's errors raised inside into TensorFlow's.

    Args:
        prefixes: Name of a class -> TensorFlow's words, which scripts search for.
    """
    try:
        yield
    except CheckpointError as error:
        if isinstance(error, OpError):
            raise
        raised = next(c for base, c in _CLASSES.items() if isinstance(error, base))
        fields = {name: getattr(error, name) for name in _FIELDS}
        translation = raised(error.problem, **fields)
        if raised.__name__ in prefixes:
            translation.prefix = f"{prefixes[raised.__name__]}: "
        raise translation from error
