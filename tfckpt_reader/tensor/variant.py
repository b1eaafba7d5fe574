"""Variant tensors: elements of types defined in TensorFlow's code.

Knows no file, shard or key. FORMAT 3.6; TensorFlow
``core/util/tensor_bundle/tensor_bundle.cc``, ``core/framework/tensor.proto``. Each element is::

    varint64 length, VariantTensorDataProto, u32le masked crc

One crc covers the tensor up to each element: lengths as u64, messages, and the stored crcs. A
message is a type's name, opaque metadata, and tensors. It is decoded; none of it is ever run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.encoding.wire_format import fields
from tfckpt_reader.errors import (
    CHECKSUM_ADVICE,
    CheckpointError,
    ChecksumError,
    CorruptCheckpointError,
)
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.strings import require_room
from tfckpt_reader.tensor.tensor_proto import check_tensor_proto, decode_tensor_proto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_EXPANSION = 256
"""Limit on the expansion of repeated values, as a multiple of a tensor's stored size."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One element of a variant tensor, as stored: TensorFlow's type is not needed, or run."""

    type_name: str
    """Its registered name in TensorFlow: "tensorflow::TensorList"."""
    metadata: bytes
    """Opaque to us."""
    tensors: tuple[NDArray[Any], ...]
    """The tensors in it, read-only; one value repeated very often is a broadcast view."""


def variant_messages(
    data: memoryview, count: int, *, check: bool = True
) -> tuple[list[memoryview], int, int]:
    """Split a variant tensor into its messages; return them, their size in bytes and their crc.

    Raises:
        CorruptCheckpointError: an element does not fit.
        ChecksumError: the crc stored after an element differs.
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
                advice=CHECKSUM_ADVICE,
            )
        crc = crc32c(stored, crc)
        messages.append(message)
        offset += size + 4
    return messages, offset, crc


def decode_variant(message: memoryview) -> Variant:
    """Decode one VariantTensorDataProto.

    Raises:
        CorruptCheckpointError: the message, or a tensor in it, is damaged.
        UnsupportedError: a few values in it are repeated very often.
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
    """Check a message as `decode_variant` does, without NumPy; no tensor is too large.

    Raises:
        CheckpointError: as for `decode_variant`.
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
        error.offset = None  # it counts from a field inside the message
        raise
