"""The reader of a checkpoint, and the functions that read by it, with TensorFlow's types.

TensorFlow ``python/training/py_checkpoint_reader.py``, ``python/training/checkpoint_utils.py``,
``core/util/tensor_bundle/tensor_bundle.cc``, ``core/util/tensor_slice_reader.cc``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.checkpoint import Checkpoint, open_location
from tfckpt_reader.compat.dtypes import DType
from tfckpt_reader.compat.errors import (
    InternalError,
    NoStateFileError,
    translated,
)
from tfckpt_reader.compat.gfile import local_path
from tfckpt_reader.compat.state import latest_checkpoint, logger
from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
)
from tfckpt_reader.paths.layout import (
    OWN_FILE,
    Location,
    is_table,
    v1_shards,
    v2_checkpoint,
)
from tfckpt_reader.paths.listing import V1_SHARD
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.storage.filesystem import exists, is_file, is_folder
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.tensor.slices import slice_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.tensor.spec import TensorSpec

PathLike: TypeAlias = "str | os.PathLike[str] | bytes"
_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
"""Names of dtypes that TensorFlow's enum spells in another way."""


class CheckpointReader:
    """Reads a checkpoint by name. It stays open as long as the object lives."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def has_tensor(self, tensor_str: str | bytes) -> bool:
        """Return whether the checkpoint has a tensor."""
        with translated():
            return _text(tensor_str) in self._checkpoint

    def get_tensor(self, tensor_str: str | bytes) -> Any:
        """Return a tensor: an owned, writable array; of rank 0 a NumPy scalar, or bytes.

        Raises:
            NotFoundError: a KeyError; there is no such tensor.
            InternalError: the tensor is a variant.
            OpError: the data is damaged.
        """
        name = _text(tensor_str)
        with translated(MissingTensorError=f"Key {name} not found in checkpoint"):
            if self._checkpoint.specs[name].dtype is DataType.VARIANT:
                problem = f"Tensorflow type {int(DataType.VARIANT)} not convertible to numpy dtype"
                raise InternalError(problem, tensor=name)
            array = self._checkpoint.read(name)
        return array if array.shape else array[()]

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Return the shape of every tensor, by name."""
        return {name: list(spec.shape) for name, spec in self._specs()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Return the dtype of every tensor, by name."""
        return {name: DType(spec.dtype) for name, spec in self._specs()}

    def debug_string(self) -> bytes:
        """Return a line for each tensor: name, dtype, shape.

        Of a partitioned tensor in a V2 checkpoint, a line for each of its slices with its key, as
        TensorFlow prints them.
        """
        is_v2 = self._checkpoint.version == "V2"
        rows = [row for _, spec in self._specs() for row in (_slices if is_v2 else _whole)(spec)]
        return b"".join(sorted(rows))

    def _specs(self) -> list[tuple[str, TensorSpec]]:
        with translated():
            return list(self._checkpoint.specs.items())


def _whole(spec: TensorSpec) -> Iterator[bytes]:
    count = f", {len(spec.slices)} slices" if len(spec.slices) > 1 else ""
    yield _row(spec.key, spec.dtype, spec.shape, count)


def _slices(spec: TensorSpec) -> Iterator[bytes]:
    if not spec.slices:
        yield _row(spec.key, spec.dtype, spec.shape)
    for part in spec.slices:
        yield _row(slice_key(spec.key, part.extents), spec.dtype, part.shape)


def _row(key: bytes, dtype: DataType, shape: tuple[int, ...], end: str = "") -> bytes:
    name = _NAMES.get(str(dtype), dtype.name)
    return key + f" (DT_{name}) [{','.join(map(str, shape))}]{end}\n".encode()


def _text(name: str | bytes) -> str:
    if not isinstance(name, (str, bytes)):
        raise TypeError(f"Expected binary or unicode string, got {name!r}")
    return name_of(name) if isinstance(name, bytes) else name


def NewCheckpointReader(filepattern: PathLike) -> CheckpointReader:  # noqa: N802 - as in TensorFlow
    """Open the checkpoint with a prefix, or a V1 file; log its notes, as on missing V1 shards.

    Raises:
        NotFoundError: an OSError; there is none.
        DataLossError: a ValueError; the file is damaged, or not what names a checkpoint.
    """
    path = local_path(filepattern)
    words = f"Failed to find any matching files for {path}"
    with translated(
        MissingFileError=f"Unsuccessful TensorSliceReader constructor: {words}",
        DataLossError=f"Unable to open table file {path}",
    ):
        checkpoint = open_location(_location(path), mmap=False)
    for note in checkpoint.notes:
        logger.warning("%s", note)
    return CheckpointReader(checkpoint)


def _location(path: str) -> Location:
    """Return the checkpoint that TensorFlow opens for a path, without its globbing.

    It takes the prefix of a V2 checkpoint, or a V1 file, or the pattern of its shards.
    """
    location = v2_checkpoint(path)
    own = OWN_FILE.fullmatch(path)
    if location is None and is_file(path) and is_table(path):
        location = None if own and v2_checkpoint(own[1]) else Location("V1", path, (path,))
    elif location is None and "?" in path and V1_SHARD.fullmatch(path):
        location = v1_shards(path)
    if location is not None:
        return location
    kind = CorruptCheckpointError if exists(path) else CheckpointNotFoundError
    problem, advice = _instead(path)
    raise kind(problem, file=path, advice=advice)


def _instead(path: str) -> tuple[str, str | None]:
    """Return what is wrong with a path that TensorFlow does not open, and advice."""
    try:
        meant = locate(path)
    except CheckpointError as error:
        return error.problem, error.advice
    return "TensorFlow opens only prefixes and V1 files", f"Name {meant.prefix} instead"


def load_checkpoint(ckpt_dir_or_file: PathLike) -> CheckpointReader:
    """Open a checkpoint, or the newest one that the state file of a folder names.

    Raises:
        NoStateFileError: a ValueError; the folder has no usable state file.
        OpError: as for `NewCheckpointReader`.
    """
    path = os.fsdecode(ckpt_dir_or_file)
    if not is_folder(local_path(path)):
        return NewCheckpointReader(path)
    newest = latest_checkpoint(path)
    if newest is None:
        problem = "Couldn't find 'checkpoint' file or checkpoints in given directory"
        raise NoStateFileError(problem, file=path, advice=_instead(local_path(path))[1])
    return NewCheckpointReader(newest)


def load_variable(ckpt_dir_or_file: PathLike, name: str) -> Any:
    """Return one tensor, as `CheckpointReader.get_tensor` does; an ending ``:0`` is dropped.

    Raises:
        NoStateFileError, OpError: as for `load_checkpoint` and `CheckpointReader.get_tensor`.
    """
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


def list_variables(ckpt_dir_or_file: PathLike) -> list[tuple[str, list[int]]]:
    """Return name and shape of every tensor, sorted by name.

    Raises:
        NoStateFileError, OpError: as for `load_checkpoint`.
    """
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())
