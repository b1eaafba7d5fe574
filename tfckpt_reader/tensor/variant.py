"""Variant tensors: elements of types that only TensorFlow's code knows.

Knows no file, shard or key. FORMAT 3.6; TensorFlow
``core/util/tensor_bundle/tensor_bundle.cc``, ``core/framework/tensor.proto``. Each element is::

    varint64 length, VariantTensorDataProto, u32le masked crc

One crc runs through the tensor: lengths as u64, messages, and the crcs stored on the way. A message
is a type's name, opaque metadata, and tensors. It is taken apart; nothing of it is ever run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import decode_varint, fields
from tfckpt_reader.errors import DAMAGED, CheckpointError, ChecksumError, CorruptCheckpointError
from tfckpt_reader.tensor.dense import require_room
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.tensor_proto import check_tensor_proto, decode_tensor_proto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_EXPANSION = 256
"""How many times its own size the values of a tensor may be repeated to: there can be very many."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One element of a variant tensor, as stored: no type of TensorFlow's is needed, or run."""

    type_name: str
    """What TensorFlow registered it as: "tensorflow::TensorList"."""
    metadata: bytes
    """Opaque to us."""
    tensors: tuple[NDArray[Any], ...]
    """The tensors it holds, read-only; one value repeated very often is a broadcast view."""


def variant_messages(
    data: memoryview, count: int, *, check: bool = True
) -> tuple[list[memoryview], int, int]:
    """Split a variant tensor into its messages; also return the bytes they take and their crc.

    Raises:
        CorruptCheckpointError: an element does not fit.
        ChecksumError: the crc stored behind an element differs.
    """
    require_room(DataType.VARIANT, count, len(data))
    messages, crc, offset = [], 0, 0
    for _ in range(count):
        size, offset = decode_varint(data, offset, len(data))
        stored = data[offset + size : offset + size + 4]
        if len(stored) < 4:
            raise CorruptCheckpointError(
                "variant runs past the end of its tensor", offset=offset, got=f"{size} bytes"
            )
        message = data[offset : offset + size]
        crc = crc32c(message, crc32c(size.to_bytes(8, "little"), crc))
        if check and mask(crc) != int.from_bytes(stored, "little"):
            raise ChecksumError(
                "checksum of a variant does not match",
                offset=offset,
                expected=f"{int.from_bytes(stored, 'little'):#010x}",
                got=f"{mask(crc):#010x}",
                advice=DAMAGED,
            )
        crc = crc32c(stored, crc)
        messages.append(message)
        offset += size + 4
    return messages, offset, crc


def decode_variant(message: memoryview) -> Variant:
    """Decode one VariantTensorDataProto.

    Raises:
        CorruptCheckpointError: it is not one, or holds a tensor that cannot be.
        UnsupportedError: a few values in it stand for very many.
    """
    name, metadata, tensors = b"", b"", []
    with _inside():
        for number, value in _fields(message):
            if number == 1:
                name = bytes(value)
            elif number == 2:
                metadata = bytes(value)
            elif number == 3:
                tensors.append(decode_tensor_proto(value, most=_EXPANSION * len(value)))
    return Variant(name.decode("utf-8", "surrogateescape"), metadata, tuple(tensors))


def check_variant(message: memoryview) -> None:
    """Make sure of what `decode_variant` would, without NumPy; of tensors none is too large.

    Raises:
        CheckpointError: as `decode_variant`.
    """
    with _inside():
        for number, value in _fields(message):
            if number == 3:
                check_tensor_proto(value)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, _, value in fields(message):
        if not isinstance(value, int):
            yield number, value


@contextmanager
def _inside() -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        error.offset = None  # it counts from somewhere inside the message
        raise
