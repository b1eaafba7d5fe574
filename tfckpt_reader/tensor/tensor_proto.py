"""TensorProto: a tensor as a protobuf message, in V1 rows, variants and constants of graphs.

Knows no file and no key. FORMAT 4.3 and 5.6; TensorFlow ``core/framework/tensor.proto``.

The values are either in ``tensor_content`` (raw, little-endian) or in one of the typed fields,
decoded by ``typed_values``.
"""

from __future__ import annotations

from itertools import chain, repeat
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import fields
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dense import array_factory, empty, shaped
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.tensor.proto_fields import data_type, dims
from tfckpt_reader.tensor.typed_values import FIELD, Part, count_values, decode_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
LARGEST_REPEAT = 1 << 28
"""Limit in bytes on repeating a few stored values: graphs store large constants like this."""
_SMALL_REPEAT = 1 << 20
"""Up to this size in bytes, a repeated single value is expanded."""


def decode_tensor_proto(data: memoryview, *, most: int = LARGEST_REPEAT) -> NDArray[Any]:
    """Return a tensor with its own dtype and shape, as a read-only array.

    With fewer values than elements the last value repeats; with none, all are zero. A single
    value repeated to more than `_SMALL_REPEAT` or `most` bytes becomes a broadcast view.

    Raises:
        CorruptCheckpointError: the message is damaged.
        UnsupportedError: several values are to be repeated to more than `most` bytes.
    """
    dtype, shape, content, parts = _split(data)
    if content is not None:
        return array_factory(dtype)(content.toreadonly(), shape)
    values = decode_values(parts, dtype)
    array = _repeated(values, dtype, shape, most)
    array.flags.writeable = False
    return array


def check_tensor_proto(data: memoryview) -> None:
    """Check a tensor without NumPy, and without expanding it in memory.

    Raises:
        CorruptCheckpointError: the message is damaged.
        UnsupportedError: a dtype not read here.
    """
    dtype, shape, content, parts = _split(data)
    if content is None:
        _require_room(count_values(parts, dtype), shape)


def _split(
    data: memoryview,
) -> tuple[DataType, tuple[int, ...], memoryview | None, list[Part]]:
    """Return a tensor's dtype, its shape, and its content or else its typed field."""
    number, content = 0, memoryview(b"")
    shape: tuple[int, ...] = ()
    parts: dict[int, list[Part]] = {}
    for field, kind, value in fields(data):
        if field == _DTYPE and isinstance(value, int):
            number = value
        elif field == _SHAPE and not isinstance(value, int):
            shape = dims(parse("Shape", value))
        elif field == _CONTENT and not isinstance(value, int):
            content = value
        else:
            parts.setdefault(field, []).append((kind, value))
    dtype = data_type(number)
    if not len(content) or not dtype.itemsize:
        return dtype, shape, None, parts.get(FIELD.get(dtype, 0), [])
    if len(content) != prod(shape) * dtype.itemsize:
        raise CorruptCheckpointError(
            "content does not fit the shape",
            structure="TensorProto",
            expected=f"{prod(shape) * dtype.itemsize} bytes",
            got=len(content),
        )
    return dtype, shape, content, []


def _require_room(number: int, shape: tuple[int, ...]) -> None:
    if number > prod(shape):
        raise CorruptCheckpointError(
            "more values than elements", structure="TensorProto", expected=prod(shape), got=number
        )


def _repeated(
    values: NDArray[Any], dtype: DataType, shape: tuple[int, ...], most: int
) -> NDArray[Any]:
    """Return the values in `shape`, the last one repeated for all further elements."""
    import numpy as np

    _require_room(len(values), shape)
    count = prod(shape)
    nbytes = (dtype.itemsize or 8) * count
    if len(values) <= 1 and nbytes > min(most, _SMALL_REPEAT):
        empty((0,) * len(shape), dtype)  # raises for a rank that NumPy lacks
        try:
            return np.broadcast_to(values[:1].reshape(()) if len(values) else _zero(dtype), shape)
        except ValueError as error:  # NumPy counts bytes even where none are stored
            raise UnsupportedError(
                f"an array of {dtype} {list(shape)} is too large for NumPy",
                structure="TensorProto",
            ) from error
    if len(values) < count and nbytes > most:
        raise UnsupportedError(
            f"{len(values)} stored values repeat to {count} elements, more than are expanded here",
            structure="TensorProto",
        )
    if dtype is DataType.STRING:
        # np.full and assignment would strip trailing NULs.
        last = values[-1] if len(values) else b""
        rest = repeat(last, count - len(values))
        full = np.fromiter(chain(values.tolist(), rest), np.object_, count)
        return shaped(full, shape, dtype)
    full = np.zeros(count, dtype=values.dtype)
    full[: len(values)] = values
    if len(values):
        full[len(values) :] = values[-1]
    return shaped(full, shape, dtype)


def _zero(dtype: DataType) -> NDArray[Any]:
    import numpy as np

    return (
        np.fromiter([b""], np.object_, 1).reshape(())
        if dtype is DataType.STRING
        else np.zeros((), to_numpy(dtype))
    )
