"""Arrays of .safetensors files: of one, or of those that an index lists.

The README of huggingface/safetensors defines the file (``export/formats/safetensors``). An index is
JSON: ``{"weight_map": {name: file}}``, the files beside it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.export.formats.safetensors import LONGEST_HEADER, METADATA, TYPE_NAMES
from tfckpt_reader.storage.filesystem import folder_of, join
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.tensor.dense import array_factory
from tfckpt_reader.tensor.encode import BY_NUMPY_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.dtypes import DataType

INDEX = ".safetensors.index.json"
"""Ending of the name of an index."""
_TYPES = {text: BY_NUMPY_NAME[name] for name, text in TYPE_NAMES.items()}


@dataclass(frozen=True, slots=True)
class SafeArray:
    """An array in a .safetensors file."""

    file: ByteSource
    offset: int
    """Bytes before it in the file."""
    dtype: DataType
    shape: tuple[int, ...]

    def load(self) -> NDArray[Any]:
        """Read it."""
        size = prod(self.shape) * self.dtype.itemsize
        return array_factory(self.dtype)(self.file.read(self.offset, size), self.shape)


def shards_of(index: str) -> list[str]:
    """Return the paths of the files that an index lists.

    Raises:
        CorruptCheckpointError: it is no index, or lists a file of another folder.
    """
    return sorted({join(folder_of(index), name) for name in _map(index).values()})


def safetensors_files(location: Location) -> dict[str, SafeArray]:
    """List the arrays of a file, or of those of an index.

    Raises:
        CorruptCheckpointError: a file is damaged, or lacks an array of the index.
    """
    path = location.prefix
    if not path.endswith(INDEX):
        return _arrays(path)
    found = {file: _arrays(file) for file in location.files[1:]}
    listed = {}
    for name, file in _map(path).items():
        arrays = found[join(folder_of(path), file)]
        if name not in arrays:
            raise CorruptCheckpointError(f"{file} has no array {name!r}, which it lists", file=path)
        listed[name] = arrays[name]
    return listed


def _map(index: str) -> dict[str, str]:
    file = open_file(index)
    if file.size > LONGEST_HEADER:
        raise CorruptCheckpointError("is too long for an index", file=index)
    names = _object(_parsed(bytes(file.read(0, file.size)), index), "weight_map", index)
    for name in names.values():
        if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):
            raise CorruptCheckpointError(f"lists {name!r}, no file beside it", file=index)
    return names


def _arrays(path: str) -> dict[str, SafeArray]:
    file = open_file(path)
    size = int.from_bytes(file.read(0, min(8, file.size)), "little")
    if file.size < 8 or size > min(LONGEST_HEADER, file.size - 8):
        raise CorruptCheckpointError("has no header of a .safetensors file", file=path)
    header = _parsed(bytes(file.read(8, size)), path)
    arrays = {}
    for name in header:
        if name != METADATA:
            arrays[name] = _array(file, 8 + size, name, _object(header, name, path))
    return arrays


def _array(file: ByteSource, begin: int, name: str, entry: dict[str, Any]) -> SafeArray:
    dtype = str(entry.get("dtype"))
    shape: Any = entry.get("shape")
    offsets: Any = entry.get("data_offsets")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise CorruptCheckpointError(f"its header says nothing of {name!r}", file=file.name)
    if dtype not in _TYPES:
        raise UnsupportedError(f"TensorFlow has no type for {dtype!r}", file=file.name, tensor=name)
    first, end = offsets
    if first + prod(shape) * _TYPES[dtype].itemsize != end or begin + end > file.size:
        raise CorruptCheckpointError(
            "offsets do not fit shape or file", file=file.name, tensor=name, got=offsets
        )
    return SafeArray(file, begin + first, _TYPES[dtype], tuple(shape))


def _are_sizes(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(
        type(number) is int and 0 <= number < 1 << 63 for number in numbers
    )


def _parsed(data: bytes, path: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpointError(f"is not the JSON it should be: {error}", file=path) from error


def _object(document: Any, key: str, path: str) -> dict[str, Any]:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, dict):
        raise CorruptCheckpointError(f"has no object {key!r} in its JSON", file=path)
    return value
