"""The fields of protobuf messages, without protobuf.

Knows no message. A field is a varint key ``number << 3 | wire type`` and a value: 0 a varint, 1
eight bytes, 2 a varint length and that many bytes, 5 four bytes. Offsets in errors count from the
start of the buffer.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.coding import decode_varint, encode_varint
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types."""
_LAST_FIELD = (1 << 29) - 1


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Walk the fields of one protobuf message: number, wire type, value.

    The value is an unsigned int for varints and a view into `data` for the other wire types.
    Nothing is copied; repeated fields are repeated.

    Raises:
        CorruptCheckpointError: a field runs past the end, or is a group or an unknown wire type.
    """
    offset, limit = 0, len(data)
    while offset < limit:
        key = data[offset]
        if 7 < key < 0x80 and limit - offset > 1 and data[offset + 1] < 0x80:
            # Nearly all fields of a list of strings: key and length are a byte each.
            kind, begin = key & 7, offset + 2
            if kind == VARINT:
                yield key >> 3, kind, data[offset + 1]
                offset = begin
                continue
            end = begin + data[offset + 1]
            if kind == LENGTH_DELIMITED and end <= limit:
                yield key >> 3, kind, data[begin:end]
                offset = end
                continue
        number, kind, offset, end = _field(data, offset, limit)
        if kind == VARINT:
            yield number, kind, decode_varint(data, offset, limit)[0]
        else:
            yield number, kind, data[offset:end]
        offset = end


def encode_key(number: int, size: int) -> bytes:
    """Return the key and size before `size` bytes of a field."""
    return encode_varint(number << 3 | LENGTH_DELIMITED) + encode_varint(size)


def encode_field(number: int, data: bytes | memoryview) -> bytes:
    """Return a field with bytes: a string, or a message."""
    return b"".join([encode_key(number, len(data)), data])


def encode_number(number: int, value: int) -> bytes:
    """Return a field with a varint, of a signed or unsigned number of 64 bits."""
    return encode_varint(number << 3 | VARINT) + encode_varint(value % (1 << 64))


def split_fields(
    data: memoryview, numbers: tuple[int, ...], most: int
) -> tuple[tuple[array[int], ...], bytes]:
    """Split some fields of a message off, without decoding their values.

    Args:
        data: The message.
        numbers: Numbers, below 16, of fields with lengths.
        most: The largest number of values: one can take two bytes, and its span takes 16.

    Returns:
        For each number, the begin and end offsets of its values, in turn; and the other fields.

    Raises:
        CorruptCheckpointError: as for `fields`.
        UnsupportedError: more values than `most`.
    """
    found = {number << 3 | LENGTH_DELIMITED: array("Q") for number in numbers}
    others = bytearray()
    offset, limit, left = 0, len(data), most
    while offset < limit:
        spans, end = found.get(data[offset]), limit + 1
        if spans is not None and limit - offset > 2:
            size, more = data[offset + 1], data[offset + 2]
            if size < 0x80:  # nearly all inputs of a node
                begin = offset + 2
                end = begin + size
            elif more < 0x80:  # nearly all nodes of a graph
                begin = offset + 3
                end = begin + (size & 0x7F | more << 7)
        if end > limit:
            number, kind, begin, end = _field(data, offset, limit)
            spans = found.get(number << 3 | kind)
        if spans is None:
            others += data[offset:end]
        else:
            spans.append(begin)
            spans.append(end)
            left -= 1
            if left < 0:
                raise UnsupportedError(
                    "has more fields than are listed here", expected=f"at most {most:,}"
                )
        offset = end
    return tuple(found.values()), bytes(others)


def _field(data: memoryview, start: int, limit: int) -> tuple[int, int, int, int]:
    """Return number and wire type of a field, and the offsets of its value."""
    key, offset = decode_varint(data, start, limit)
    number, kind = key >> 3, key & 7
    if not 0 < number <= _LAST_FIELD:
        raise CorruptCheckpointError(
            "no field has such a number", offset=start, structure="protobuf field", got=number
        )
    if kind == VARINT:
        return number, kind, offset, decode_varint(data, offset, limit)[1]
    if kind == LENGTH_DELIMITED:
        size, offset = decode_varint(data, offset, limit)
    elif kind in (FIXED32, FIXED64):
        size = 4 if kind == FIXED32 else 8
    else:
        raise CorruptCheckpointError(
            "unknown wire type", offset=offset, structure="protobuf field", got=kind
        )
    if size > limit - offset:
        raise CorruptCheckpointError(
            "field does not fit its message",
            offset=start,
            structure=f"field {number}",
            expected=f"{size:,} bytes",
            got=f"{limit - offset:,}",
        )
    return number, kind, offset, offset + size
