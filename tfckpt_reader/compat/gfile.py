"""``tf.io.gfile`` and ``tf.gfile`` on the files of this machine.

Knows no checkpoint. TensorFlow ``python/lib/io/file_io.py``.
"""

from __future__ import annotations

import glob as python_glob
import os
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.compat.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    MissingFileError,
    OpError,
    PermissionDeniedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    PathLike = str | os.PathLike[str] | bytes


def local_path(path: PathLike) -> str:
    """Return a path as str, without ``file://``."""
    return os.fsdecode(path).removeprefix("file://")


_ERRORS: dict[type[OSError], type[OpError]] = {
    FileNotFoundError: MissingFileError,
    FileExistsError: AlreadyExistsError,
    PermissionError: PermissionDeniedError,
}


@contextmanager
def _translated(path: PathLike) -> Iterator[str]:
    """Yield the local path; turn errors of the system into TensorFlow's."""
    name = local_path(path)
    try:
        yield name
    except OSError as error:
        raised = _ERRORS.get(type(error), OpError)
        raise raised(error.strerror or str(error), file=name) from error


class GFile:
    """An open file: the methods of Python's, and `size`. It is closed with its last reference.

    Text is UTF-8. Lines lose each carriage return, as in TensorFlow; `read` keeps them.
    """

    _file: IO[Any] | None = None

    def __init__(self, name: PathLike, mode: str = "r") -> None:
        self.name = name
        self.mode = mode
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        if mode.replace("b", "") not in ("r", "w", "a", "r+", "w+", "a+"):
            raise InvalidArgumentError(f"no mode of a file: {mode!r}", file=local_path(name))
        with _translated(name) as path:
            self._file = open(path, mode, **text)  # type: ignore[call-overload]  # noqa: SIM115

    def size(self) -> int:
        """Return the bytes of the file."""
        return stat(self.name).length

    def readline(self) -> Any:
        """Return the next line with its line feed; an empty text at the end."""
        line = self.__getattr__("readline")()
        return line.replace(b"\r" if isinstance(line, bytes) else "\r", line[:0])

    def readlines(self) -> list[Any]:
        """Return all further lines."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.readline, b"" if "b" in self.mode else "")

    def __next__(self) -> Any:
        return next(iter(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.__del__()

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()


class FileStatistics(NamedTuple):
    """Attributes of a file."""

    length: int
    """Bytes."""
    mtime_nsec: int
    """Time of the last change, in nanoseconds since the epoch, a whole second."""
    is_directory: bool


def stat(path: PathLike) -> FileStatistics:
    """Return the attributes of a file."""
    with _translated(path) as name:
        status = os.stat(name)
    seconds = status.st_mtime_ns // 10**9
    return FileStatistics(status.st_size, seconds * 10**9, os.path.isdir(name))


def exists(path: PathLike) -> bool:
    """Return whether a file or folder exists."""
    return os.path.exists(local_path(path))


def isdir(path: PathLike) -> bool:
    """Return whether a path is a folder."""
    return os.path.isdir(local_path(path))


def listdir(path: PathLike) -> list[str]:
    """Return the names in a folder, sorted."""
    with _translated(path) as name:
        return sorted(os.listdir(name))


def glob(pattern: PathLike | list[PathLike]) -> list[str]:
    """Return the paths that match a pattern, or any of several; sorted."""
    patterns = pattern if isinstance(pattern, (list, tuple)) else [pattern]
    return sorted(path for one in patterns for path in python_glob.glob(local_path(one)))


def mkdir(path: PathLike) -> None:
    """Make a folder."""
    with _translated(path) as name:
        os.mkdir(name)


def makedirs(path: PathLike) -> None:
    """Make a folder and those above it; an existing one is no error."""
    with _translated(path) as name:
        os.makedirs(name, exist_ok=True)


def remove(path: PathLike) -> None:
    """Remove a file."""
    with _translated(path) as name:
        os.remove(name)


def rmtree(path: PathLike) -> None:
    """Remove a folder with everything in it."""
    with _translated(path) as name:
        shutil.rmtree(name)


def copy(src: PathLike, dst: PathLike, overwrite: bool = False) -> None:  # noqa: FBT001, FBT002
    """Copy a file; an existing target is an error unless it may be overwritten."""
    with _free(dst, overwrite=overwrite) as target, _translated(src) as name:
        shutil.copyfile(name, target)


def rename(src: PathLike, dst: PathLike, overwrite: bool = False) -> None:  # noqa: FBT001, FBT002
    """Rename a file; an existing target is an error unless it may be overwritten."""
    with _free(dst, overwrite=overwrite) as target, _translated(src) as name:
        os.replace(name, target)


@contextmanager
def _free(path: PathLike, *, overwrite: bool) -> Iterator[str]:
    name = local_path(path)
    if os.path.exists(name) and not overwrite:
        raise AlreadyExistsError("file already exists", file=name)
    yield name


def walk(top: PathLike, topdown: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:  # noqa: FBT001, FBT002
    """Yield each folder, the names of its folders, and the names of its files."""
    return os.walk(local_path(top), topdown)


def join(path: str, *paths: str) -> str:
    """Join the components of a path."""
    return os.path.join(path, *paths)


V1_NAMES = {
    "Exists": exists,
    "IsDirectory": isdir,
    "ListDirectory": listdir,
    "Glob": glob,
    "MkDir": mkdir,
    "MakeDirs": makedirs,
    "Remove": remove,
    "DeleteRecursively": rmtree,
    "Copy": copy,
    "Rename": rename,
    "Stat": stat,
    "Walk": walk,
    "Open": GFile,
    "FastGFile": GFile,
}
"""TensorFlow 1's name of each."""
