"""Arrays of NumPy: in an .npz archive, or in a folder of .npy files.

Nothing is ever unpickled. A folder with the manifest of a conversion has its names, its types, and
its checksums, which are compared; else a file's name without ``.npy`` is the array's.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import IO, TYPE_CHECKING, Any

from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.errors import (
    CheckpointError,
    ChecksumError,
    CorruptCheckpointError,
    UnsupportedError,
    located,
)
from tfckpt_reader.export.formats.npy_folder import KIND, MANIFEST
from tfckpt_reader.storage.filesystem import is_url, join, list_names, size_of
from tfckpt_reader.storage.stream import open_stream
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.encode import data_type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from tfckpt_reader.paths.layout import Location

    Opener = Callable[[], AbstractContextManager[IO[bytes]]]

_SUFFIX = ".npy"
_LARGEST_MANIFEST = 1 << 28
_LARGEST_EXPANSION = 1032
"""Limit on the size of data by that of its deflated form."""


@dataclass(frozen=True, slots=True)
class NumpyArray:
    """An array in NumPy's format."""

    open: Opener
    """Opens the file at its beginning."""
    file: str
    dtype: DataType
    shape: tuple[int, ...]
    crc: int | None = None
    """That of its elements, if a manifest has it."""

    def load(self) -> NDArray[Any]:
        """Read it, and compare the crc, if there is one."""
        import numpy as np

        with _readable(self.file), self.open() as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            array.shape  # noqa: B018
        if self.crc is not None:
            crc = crc32c(np.ascontiguousarray(array).reshape(-1).view("u1"))
            if crc != self.crc:
                raise ChecksumError(
                    "crc does not match", file=self.file, expected=self.crc, got=crc
                )
        return array.view(array.dtype.newbyteorder("=")) if array.dtype.isnative else array


def npz_file(location: Location) -> dict[str, NumpyArray]:
    """List the arrays of an .npz archive."""
    path = location.prefix
    with _readable(path):
        archive = zipfile.ZipFile(
            open_stream(path) if is_url(path) else path
        )  # closed with the last array
        members = [each for each in archive.infolist() if each.filename.endswith(_SUFFIX)]
    arrays = {}
    for each in members:
        if each.file_size > _LARGEST_EXPANSION * (each.compress_size + 1):
            raise CorruptCheckpointError(f"{each.filename} claims an impossible size", file=path)
        opener = partial(archive.open, each.filename)
        arrays[each.filename.removesuffix(_SUFFIX)] = _listed(path, opener, each.file_size)
    return arrays


def npy_file(path: str) -> NumpyArray:
    """Return the array of an .npy file.

    Raises:
        OSError: it cannot be read.
        CorruptCheckpointError: it is damaged.
        UnsupportedError: TensorFlow has no type for it.
    """
    return _listed(path, partial(open_stream, path), size_of(path))


def npy_names(folder: str) -> list[str]:
    """Return the names of the .npy files in a folder, and of its manifest."""
    return [name for name in list_names(folder) if name.endswith(_SUFFIX) or name == MANIFEST]


def npy_folder(location: Location) -> dict[str, NumpyArray]:
    """List the arrays of a folder."""
    folder = location.prefix
    names = npy_names(folder)
    entries = _manifest(join(folder, MANIFEST)) if MANIFEST in names else None
    if entries is None:
        entries = {name.removesuffix(_SUFFIX): {"file": name} for name in names}
    arrays = {}
    for name, entry in entries.items():
        file = str(entry["file"])
        if file not in names:
            raise CorruptCheckpointError(f"{file} of the manifest is missing", file=folder)
        path = join(folder, file)
        arrays[name] = _listed(path, partial(open_stream, path), size_of(path), entry)
    return arrays


def _listed(
    path: str,
    opener: Opener,
    size: int,
    entry: dict[str, Any] | None = None,
) -> NumpyArray:
    """Return an array by its header.

    Raises:
        CorruptCheckpointError: it is damaged, or its file has another size.
        UnsupportedError: TensorFlow has no type for it.
    """
    import numpy as np

    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with _readable(path), opener() as file:
        shape, _, numpy_type = headers[np.lib.format.read_magic(file)](file)
        begin = file.tell()
    dtype = data_type_of(numpy_type)
    if dtype is None:
        raise UnsupportedError(f"TensorFlow has no type for NumPy's {numpy_type}", file=path)
    if begin + prod(shape) * numpy_type.itemsize != size:
        raise CorruptCheckpointError(
            "the file has another size than its array",
            file=path,
            expected=f"{begin + prod(shape) * numpy_type.itemsize:,} bytes",
            got=f"{size:,}",
        )
    crc = None if entry is None else entry.get("crc32c")
    return NumpyArray(opener, path, _type_before(dtype, entry or {}), shape, crc)


def _type_before(dtype: DataType, entry: dict[str, Any]) -> DataType:
    """Return the type in the checkpoint that a manifest was written from, if it is held as such."""
    stored = DataType.__members__.get(str(entry.get("stored_from")).upper())
    return stored if stored is not None and stored.numpy_name == dtype.numpy_name else dtype


def _manifest(path: str) -> dict[str, dict[str, Any]] | None:
    """Return the arrays in the manifest of a conversion; None for a file of another kind."""
    with _readable(path), open_stream(path) as file:
        document = json.loads(file.read(_LARGEST_MANIFEST))
        if not isinstance(document, dict) or document.get("format") != KIND:
            return None
        entries: dict[str, dict[str, Any]] = document["arrays"]
        for entry in entries.values():
            _ = entry["file"], entry.get("crc32c"), entry.get("stored_from")
    return entries


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn the errors of other libraries about a file into ours."""
    try:
        with located(path):
            yield
    except (CheckpointError, OSError, MemoryError):
        raise
    except Exception as error:  # of many classes: they evaluate the header as Python
        reason = str(error) or type(error).__name__
        raise CorruptCheckpointError(f"cannot be read as NumPy's: {reason}", file=path) from error
