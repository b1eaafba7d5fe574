"""Variant tensors in a data file: messages, each with its length and a checksum.

Knows no file, shard or key; ``tensor_proto`` decodes the messages. FORMAT 3.6; TensorFlow
``core/util/tensor_bundle/tensor_bundle.cc``. Each element is::

    varint64 length, VariantTensorDataProto, u32le masked crc

One crc covers the tensor up to each element: lengths as u64, messages, and the stored crcs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import decode_varint, encode_varint
from tfckpt_reader.errors import CHECKSUM_ADVICE, ChecksumError, CorruptCheckpointError
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.strings import require_room

if TYPE_CHECKING:
    from collections.abc import Iterable


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


def encode_variants(messages: Iterable[bytes]) -> tuple[bytes, int]:
    """Return the stored bytes of a variant tensor, and its crc."""
    data, crc = bytearray(), 0
    for message in messages:
        crc = crc32c(message, crc32c(len(message).to_bytes(8, "little"), crc))
        stored = mask(crc).to_bytes(4, "little")
        crc = crc32c(stored, crc)
        data += encode_varint(len(message)) + message + stored
    return bytes(data), crc
