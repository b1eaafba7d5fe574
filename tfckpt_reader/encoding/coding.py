"""Numbers and strings as bytes: varints and ordered code.

Knows no file and no block.

Every decoder takes a buffer, an offset and a limit, and returns the value with the offset after
it. Offsets in errors count from the start of the buffer.

* A *varint* is base 128, least significant group first, bit 7 set on all bytes but the last
  (FORMAT 2; TensorFlow ``core/lib/core/coding.cc``).
* *Ordered code* writes numbers and strings in an encoding that sorts like the values; the keys
  of tensor slices consist of it (FORMAT 3.7; ``core/lib/strings/ordered_code.cc``).
"""

from __future__ import annotations

from tfckpt_reader.errors import CorruptCheckpointError

_LONGEST_VARINT = 10
_U64 = (1 << 64) - 1


def decode_varint(data: bytes | memoryview, offset: int, limit: int) -> tuple[int, int]:
    """Return the unsigned 64-bit varint at `offset` and the offset after it.

    Bits above the 64th are dropped, as TensorFlow does.

    Raises:
        CorruptCheckpointError: it runs past `limit` or over ten bytes.
    """
    value = shift = 0
    position, limit = offset, min(limit, offset + _LONGEST_VARINT)
    while position < limit:
        byte = data[position]
        position += 1
        if byte < 0x80:
            return (value | byte << shift) & _U64, position
        value |= (byte & 0x7F) << shift
        shift += 7
    raise CorruptCheckpointError("varint does not end", offset=offset, structure="varint")


def decode_varint32(data: bytes | memoryview, offset: int, limit: int) -> tuple[int, int]:
    """Return the unsigned 32-bit varint at `offset` and the offset after it."""
    value, end = decode_varint(data, offset, limit)
    if value > 0xFFFFFFFF or end - offset > 5:
        raise CorruptCheckpointError(
            "varint is larger than 32 bits", offset=offset, structure="varint", got=value
        )
    return value, end


def encode_varint(value: int) -> bytes:
    """Return a number >= 0 as a varint, in its shortest form."""
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def encode_ordered_number(value: int) -> bytes:
    """Return a count byte and the big-endian bytes of a number >= 0."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def encode_ordered_string(value: bytes) -> bytes:
    """Return the string with each 00 as 00 ff and each ff as ff 00, and its terminator 00 01."""
    parts = [part.replace(b"\xff", b"\xff\x00") for part in value.split(b"\x00")]
    return b"\x00\xff".join(parts) + b"\x00\x01"


def encode_ordered_signed(value: int) -> bytes:
    """Return a signed number as n bytes of two's complement, the first n bits flipped.

    n is the smallest with 7n - 1 bits for the magnitude; the flipped bits encode n.
    """
    size = ((~value if value < 0 else value).bit_length() + 7) // 7
    marks = ((1 << size) - 1) << (7 * size)
    return ((value % (1 << (8 * size))) ^ marks).to_bytes(size, "big")
