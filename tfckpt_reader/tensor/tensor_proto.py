"""TensorProto: a tensor as a protobuf message, in variants and constants of graphs.

Knows no file and no key. FORMAT 3.6, 4.3 and 5.6; TensorFlow ``core/framework/tensor.proto``.

The values are either in ``tensor_content`` (raw, little-endian) or in one of the typed fields,
decoded by ``typed_values``. Variants are elements of types defined in TensorFlow's code: the name
of a type, opaque metadata, and tensors, which can be variant tensors again. They are decoded; none
of them is ever run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import fields
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, UnsupportedError
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dense import array_factory, empty, shaped
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.tensor.proto_fields import data_type, dims, require_axes
from tfckpt_reader.tensor.typed_values import FIELD, Part, count_values, decode_values, delimited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
LARGEST_REPEAT = 1 << 28
"""Limit in bytes on repeating stored values: graphs store large constants like this."""
_SMALL_REPEAT = 1 << 20
"""Up to this size in bytes, a repeated single value is expanded."""
_MESSAGE_FIELD = {DataType.RESOURCE: 14, DataType.VARIANT: 15}
"""The field for the values of each dtype whose values are messages."""
_EXPANSION = 256
"""Limit on the expansion of repeated values in a variant, as a multiple of a tensor's size."""
_DEEPEST = 50
"""Limit on variants in variants: protobuf's own, of 100 messages, of which each takes two."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One element of a variant tensor, as stored: TensorFlow's type is not needed, or run."""

    type_name: str
    """Its registered name in TensorFlow: "tensorflow::TensorList"."""
    metadata: bytes
    """Opaque to us."""
    tensors: tuple[NDArray[Any], ...]
    """The tensors in it, read-only; one value repeated very often is a broadcast view."""


class Room:
    """The memory left for arrays of repeated values, shared by the tensors of one request.

    Args:
        nbytes: Its size in bytes.
    """

    def __init__(self, nbytes: int = LARGEST_REPEAT) -> None:
        self.nbytes = min(nbytes, LARGEST_REPEAT)


def decode_tensor_proto(data: memoryview, room: Room | None = None) -> NDArray[Any]:
    """Return a tensor with its own dtype and shape, as a read-only array.

    With fewer values than elements the last value repeats; with none, all are zero. A single
    value repeated to more bytes than `_SMALL_REPEAT`, or than there is room for, becomes a
    broadcast view.

    Raises:
        CorruptCheckpointError: the message is damaged.
        UnsupportedError: several values are to be repeated to more bytes than there is room for.
    """
    return _decode(data, room or Room(), 0)


def _decode(data: memoryview, room: Room, depth: int) -> NDArray[Any]:
    dtype, shape, content, parts = _split(data)
    if content is not None:
        return array_factory(dtype)(content.toreadonly(), shape)
    if dtype in _MESSAGE_FIELD:
        values = _messages(parts, dtype, room, depth)
    else:
        values = decode_values(parts, dtype)
    array = _repeated(values, dtype, shape, room)
    array.flags.writeable = False
    return array


def check_tensor_proto(data: memoryview) -> None:
    """Check a tensor without NumPy, and without expanding it in memory.

    Raises:
        CorruptCheckpointError: the message is damaged.
        UnsupportedError: a dtype not read here.
    """
    _check(data, 0)


def _check(data: memoryview, depth: int) -> None:
    dtype, shape, content, parts = _split(data)
    if content is not None:
        return
    if dtype not in _MESSAGE_FIELD:
        _require_room(count_values(parts, dtype), shape)
        return
    _require_room(len(parts), shape)
    for part in parts:
        if dtype is DataType.VARIANT:
            check_variant(delimited(part), depth)
        else:
            _fields(delimited(part))


def room_of(nbytes: int) -> Room:
    """Return the room for repeated values in a variant tensor of `nbytes` stored bytes."""
    return Room(_EXPANSION * nbytes)


def decode_variant(message: memoryview, room: Room | None = None, depth: int = 0) -> Variant:
    """Decode one VariantTensorDataProto.

    Args:
        message: Its bytes.
        room: Shared by the elements of a tensor. Default: one for this message.
        depth: How many others it is inside of.

    Raises:
        CorruptCheckpointError: the message, or a tensor in it, is damaged.
        UnsupportedError: a few values in it are repeated very often, or it is nested too deep.
    """
    name, metadata, tensors = b"", b"", []
    room = room or room_of(len(message))
    with _inside(depth):
        for number, value in _fields(message):
            if number == 1:
                name = bytes(value)
            elif number == 2:
                metadata = bytes(value)
            elif number == 3:
                tensors.append(_decode(value, room, depth + 1))
    return Variant(name.decode("utf-8", "surrogateescape"), metadata, tuple(tensors))


def check_variant(message: memoryview, depth: int = 0) -> None:
    """Check a message as `decode_variant` does, without NumPy; no tensor is too large.

    Raises:
        CheckpointError: as for `decode_variant`.
    """
    with _inside(depth):
        for number, value in _fields(message):
            if number == 3:
                _check(value, depth + 1)


def _fields(message: memoryview) -> list[tuple[int, memoryview]]:
    return [(n, value) for n, _, value in fields(message) if not isinstance(value, int)]


@contextmanager
def _inside(depth: int) -> Iterator[None]:
    try:
        if depth > _DEEPEST:
            raise UnsupportedError(f"more than {_DEEPEST} variants are inside one another")
        yield
    except CheckpointError as error:
        error.offset = None  # it counts from a field inside the message
        raise


def _messages(parts: list[Part], dtype: DataType, room: Room, depth: int) -> NDArray[Any]:
    """Return the variants, or the messages of resources as bytes."""
    import numpy as np

    messages = map(delimited, parts)
    if dtype is DataType.VARIANT:
        values: list[Any] = [decode_variant(each, room, depth) for each in messages]
    else:
        values = [bytes(message) for message in messages if _fields(message) is not None]
    return np.fromiter(values, np.object_, len(values))


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
            require_axes(shape)
        elif field == _CONTENT and not isinstance(value, int):
            content = value
        else:
            parts.setdefault(field, []).append((kind, value))
    dtype = data_type(number)
    if len(content) and not dtype.itemsize:
        raise UnsupportedError(f"{dtype} values in tensor_content are not read")
    if not len(content):
        field = FIELD.get(dtype) or _MESSAGE_FIELD.get(dtype, 0)
        return dtype, shape, None, parts.get(field, [])
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
    values: NDArray[Any], dtype: DataType, shape: tuple[int, ...], room: Room
) -> NDArray[Any]:
    """Return the values in `shape`, the last one repeated for all further elements."""
    import numpy as np

    _require_room(len(values), shape)
    count = prod(shape)
    nbytes = (dtype.itemsize or 8) * count
    if len(values) <= 1 and nbytes > min(room.nbytes, _SMALL_REPEAT):
        empty((0,) * len(shape), dtype)  # raises for a rank that NumPy lacks
        try:
            return np.broadcast_to(values[:1].reshape(()) if len(values) else _zero(dtype), shape)
        except ValueError as error:  # NumPy counts bytes even where none are stored
            raise UnsupportedError(
                f"an array of {dtype} {list(shape)} is too large for NumPy",
                structure="TensorProto",
            ) from error
    if len(values) < count and nbytes > room.nbytes:
        raise UnsupportedError(
            f"{len(values)} stored values repeat to {count} elements, more than are expanded here",
            structure="TensorProto",
        )
    if len(values) < count:
        room.nbytes -= nbytes
    if values.dtype.kind == "O":
        # np.full and assignment would strip trailing NULs.
        last = values[-1] if len(values) else _NOTHING.get(dtype, b"")
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

    if dtype.itemsize:
        return np.zeros((), to_numpy(dtype))
    return np.fromiter([_NOTHING.get(dtype, b"")], np.object_, 1).reshape(())


_NOTHING = {DataType.VARIANT: Variant("", b"", ())}
"""The value of elements without one, if it is not b""."""
