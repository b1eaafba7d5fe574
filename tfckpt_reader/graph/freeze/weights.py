"""Weights: the value of a variable as a constant of a graph, read when it is written.

Knows names of values, and no checkpoint. FORMAT 4.3, 5.5; TensorFlow
``core/framework/tensor.proto``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tfckpt_reader.encoding.wire_format import encode_field, encode_key, encode_number
from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    TensorNotFoundError,
    UnsupportedError,
)
from tfckpt_reader.graph.freeze.node import attr_value, attribute, shape_message
from tfckpt_reader.graph.writing import Gap
from tfckpt_reader.objects.roles import by_names
from tfckpt_reader.objects.selection import averages
from tfckpt_reader.storage.writing.offsets import write_at
from tfckpt_reader.tensor.dtypes import BY_NUMBER, DataType, to_numpy
from tfckpt_reader.tensor.names import key_of
from tfckpt_reader.tensor.proto_fields import PartialShape
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced
from tfckpt_reader.text import nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.graph.saved_keys import Saved
    from tfckpt_reader.graph.writing import Part
    from tfckpt_reader.storage.writing.offsets import Room

    Sink: TypeAlias = "Callable[[int, int, memoryview], object]"
    Values: TypeAlias = "Mapping[str, NDArray[Any]]"

_TENSOR = 8
_DTYPE, _SHAPE, _CONTENT, _STRINGS = 1, 2, 4, 8


class Declared(NamedTuple):
    """A variable as its graph declares it."""

    name: str
    dtype: DataType | None
    """None if unknown."""
    shape: PartialShape
    """Sizes, None for an unknown one; None for an unknown rank."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A constant with the value, or a slice of the value, that a checkpoint holds."""

    name: str
    """Name of the node."""
    key: str
    box: tuple[slice, ...] | None
    """The slice of a partitioned variable; None for the whole."""
    dtype: DataType
    shape: tuple[int, ...]
    stored_as: DataType
    """The type of the constant."""

    @property
    def nbytes(self) -> int:
        """Bytes of its value; 0 for strings."""
        return prod(self.shape) * self.stored_as.itemsize

    @property
    def is_copied(self) -> bool:
        """Whether its bytes are those of the whole value of its key."""
        return self.box is None and self.stored_as is self.dtype is not DataType.STRING

    def encoded(self, content: Sequence[Part]) -> list[Part]:
        """Return the parts of the node around the `content` of its tensor."""
        dtype = encode_number(_DTYPE, self.stored_as)
        dtype += encode_field(_SHAPE, shape_message(self.shape))
        size = sum(map(len, content))
        tensor = [encode_key(_TENSOR, len(dtype) + size), dtype]
        inner = sum(map(len, tensor)) + size
        entry = [encode_field(1, b"value"), encode_key(2, inner)]
        head = encode_field(1, key_of(self.name)) + encode_field(2, b"Const")
        head += attribute("dtype", attr_value(self.stored_as))
        return [head, encode_key(5, sum(map(len, entry)) + inner), *entry, *tensor, *content]

    def gap(self) -> list[Part]:
        """Return the content of its tensor, with a gap for its bytes."""
        return [encode_key(_CONTENT, self.nbytes), Gap(self.nbytes, self)] if self.nbytes else []

    def content(self, value: NDArray[Any]) -> list[Part]:
        """Return the content of its tensor; the bytes of the value are not copied.

        Raises:
            CorruptCheckpointError: the value is not what its description said.
            UnsupportedError: a number becomes infinite in the type of the constant.
        """
        if self.stored_as is DataType.STRING:
            texts = self._stored(value).ravel().tolist()
            return [b"".join(encode_field(_STRINGS, text) for text in texts)]
        data = self.data(value)
        return [encode_key(_CONTENT, len(data)), data] if data else []

    def data(self, value: NDArray[Any]) -> memoryview:
        """Return the bytes of numbers; raises as `content` does."""
        data: memoryview = self._stored(value).reshape(-1).view("u1").data
        return data

    def _stored(self, value: NDArray[Any]) -> NDArray[Any]:
        """Return what to store of the value of its key: contiguous and little-endian."""
        import numpy as np

        array = value if self.box is None else value[self.box]
        if array.shape != self.shape:
            raise CorruptCheckpointError(
                "the value has another shape than its description",
                tensor=self.key,
                expected=list(self.shape),
                got=list(array.shape),
            )
        if self.stored_as is not self.dtype:
            with np.errstate(over="ignore"):
                smaller = array.astype(to_numpy(self.stored_as))
            if not np.array_equal(np.isinf(smaller), np.isinf(array)):
                raise UnsupportedError(
                    f"a number in it is too large for {self.stored_as}", tensor=self.key
                )
            array = smaller
        if sys.byteorder == "big" and array.dtype.itemsize > 1:
            array = array.byteswap()
        return np.ascontiguousarray(array).reshape(array.shape)


def fill(fd: int, gaps: Mapping[int, Gap], values: Values, room: Room) -> None:
    """Write the values of copied weights into the gaps of a file, several at a time if possible.

    Args:
        fd: The file.
        gaps: Offset -> gap of a weight.
        values: Key -> array, such as a checkpoint.
        room: The room for the file.

    Raises:
        CheckpointError: a value cannot be read, or is not what its description said.
        OSError: the file cannot be written.
    """
    offsets = list(gaps)
    weights: list[Weight] = [gap.key for gap in gaps.values()]

    def sink(number: int, first: int, data: memoryview) -> None:
        write_at(fd, data, offsets[number] + first, room)

    if not _copy(values, weights, sink):
        for number, weight in enumerate(weights):
            sink(number, 0, weight.data(values[weight.key]))


def _copy(values: Any, weights: Sequence[Weight], sink: Sink) -> bool:
    """Hand the bytes of weights to `sink`, on threads; return whether the values can do that."""
    if not getattr(values, "checks", False):
        return False
    specs = [values.specs[weight.key] for weight in weights]
    if [spec.nbytes for spec in specs] != [weight.nbytes for weight in weights]:
        return False
    try:
        values.reader.read_many(specs, sink)
    except CheckpointError as error:
        if error.tensor is not None:
            _ = values[error.tensor]  # raises, with a better reason if the files changed
        raise
    return True


def kind_of(values: Values, key: str) -> tuple[DataType | None, tuple[int, ...]]:
    """Return dtype and shape of a value, from its description where there is one.

    Raises:
        TensorNotFoundError: there is no such value.
    """
    specs = getattr(values, "specs", None)
    if specs is not None:
        spec = specs[key]
        return spec.dtype, spec.shape
    array = values[key]
    name = array.dtype.name
    return next((d for d in BY_NUMBER.values() if d.numpy_name == name), None), array.shape


def averages_of(values: Values) -> dict[str, str]:
    """Return key of a value -> key of its moving average, by the roles of the values."""
    specs: Any = getattr(values, "specs", None)
    if specs is None:
        kinds = {key: kind_of(values, key) for key in values}
        specs = {
            key: TensorSpec(Unplaced(key, dtype, shape))
            for key, (dtype, shape) in kinds.items()
            if dtype
        }
    return averages(specs, getattr(values, "roles", None) or by_names(specs))


def box_of(slice_spec: str, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    """Return the slice that a save op names, ``10 3 0,3:0,3``; None for the whole tensor.

    TensorFlow: ``core/framework/tensor_slice.cc``, an axis is ``start,length`` or ``-``.

    Raises:
        CorruptCheckpointError: it is no slice of a tensor of that shape.
    """
    if not slice_spec.strip():
        return None
    *sizes, extents = slice_spec.split(" ")
    try:
        box = tuple(
            slice(0, size) if extent == "-" else slice(*_range(extent))
            for size, extent in zip(shape, extents.split(":"), strict=True)
        )
        fits = tuple(map(int, sizes)) == shape
    except ValueError:
        fits = False
    if not fits or any(b.start < 0 or b.stop > n for b, n in zip(box, shape, strict=True)):
        raise CorruptCheckpointError(
            "this is no slice of the stored tensor",
            structure=f"slice {quoted(slice_spec)}",
            expected=f"one of {list(shape)}",
        )
    return box


def _range(extent: str) -> tuple[int, int]:
    start, length = map(int, extent.split(","))
    return start, start + length


def weight_of(
    variable: Declared, saved: Saved, values: Values, cast: DataType | None = None
) -> Weight:
    """Return the constant for a variable.

    Args:
        variable: The variable as its graph declares it.
        saved: The key, and the slice, of its value.
        values: Key -> array.
        cast: The type to store floating-point numbers in.

    Raises:
        TensorNotFoundError: there is no such value.
        CorruptCheckpointError: it does not fit the variable.
    """
    try:
        stored_dtype, whole = kind_of(values, saved.key)
    except KeyError as error:
        advice = getattr(error, "advice", None) or _nearest(saved.key, values)
        needed = f"variable {quoted(variable.name)} needs the tensor {quoted(saved.key)}"
        raise TensorNotFoundError(f"{needed}, which the values lack", advice=advice) from error
    box = box_of(saved.slice_spec, whole)
    size = whole if box is None else tuple(each.stop - each.start for each in box)
    dtype = variable.dtype or stored_dtype
    if dtype is None:
        raise UnsupportedError("is of a dtype that TensorFlow lacks", tensor=saved.key)
    same = stored_dtype == dtype or (stored_dtype and to_numpy(stored_dtype) == to_numpy(dtype))
    if not same or not fits(size, variable.shape):
        raise CorruptCheckpointError(
            f"the value does not fit the variable {quoted(variable.name)}",
            tensor=saved.key,
            expected=f"{dtype} {_sizes(variable.shape)}",
            got=f"{stored_dtype or 'another type'} {list(size)}",
            advice="The checkpoint belongs to another graph",
        )
    is_float = dtype in (DataType.FLOAT32, DataType.FLOAT64)
    return Weight(variable.name, saved.key, box, dtype, size, cast if cast and is_float else dtype)


def fits(size: tuple[int, ...], shape: PartialShape) -> bool:
    """Return whether sizes agree with a shape, as far as it is known."""
    if shape is None:
        return True
    return len(size) == len(shape) and all(
        wanted in (None, number) for number, wanted in zip(size, shape, strict=True)
    )


def _sizes(shape: PartialShape) -> str:
    return "of any shape" if shape is None else str(["?" if n is None else n for n in shape])


def _nearest(key: str, names: Iterable[str]) -> str | None:
    alike = nearest(key, list(names))
    return f"Nearest: {', '.join(alike)}" if alike else None
