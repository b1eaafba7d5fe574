"""Sources of a conversion: a checkpoint, or files of arrays that other programs wrote.

Files of arrays are read behind the interface of a checkpoint's reader, a module for each kind.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.checkpoint import Checkpoint, open_location
from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.export.sources.arrays import ArrayReader
from tfckpt_reader.export.sources.numpy_files import npy_folder, npy_names, npz_file
from tfckpt_reader.export.sources.safetensors_files import INDEX, safetensors_files, shards_of
from tfckpt_reader.paths.layout import Location, is_table
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.unchanged import Guard
from tfckpt_reader.storage.filesystem import is_file, is_folder, join, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tfckpt_reader.export.sources.arrays import StoredArray

_KINDS: dict[str, Callable[[Location], Mapping[str, StoredArray]]] = {
    "npz": npz_file,
    "npy": npy_folder,
    "safetensors": safetensors_files,
}
"""Version of a location -> function that lists its arrays."""


def locate_source(
    path: str | os.PathLike[str] | bytes | Location, *, latest: bool = False
) -> Location:
    """Return the checkpoint, or the files of arrays, at a path; arguments as for `locate`."""
    if isinstance(path, Location):
        return path
    name = path_of(path)
    if is_file(name) and not is_table(name):
        if name.endswith(".npz"):
            return Location("npz", name, (name,))
        if name.endswith(".safetensors"):
            return Location("safetensors", name, (name,))
        if name.endswith(INDEX):
            return Location("safetensors", name, (name, *shards_of(name)))
    try:
        return locate(name, latest=latest)
    except CheckpointNotFoundError:
        names = npy_names(name) if is_folder(name) else []
        if not names:
            raise
        return Location("npy", name, tuple(join(name, each) for each in names))


def open_source(location: Location) -> Checkpoint:
    """Open what `locate_source` located; arrays of a checkpoint are read, not mapped."""
    if location.version not in _KINDS:
        return open_location(location, mmap=False)
    with Guard(location) as guard:
        arrays = _KINDS[location.version](location)
        reader = ArrayReader(location, dict(sorted(arrays.items())))
        return Checkpoint(reader, guard, check=True)
