"""Rows of an index as TensorFlow writes them, kept as bytes, and specs made of them.

Knows no table and no data file. A listing makes very many specs, and most are only asked for name,
dtype and shape: those are decoded, once for all rows that begin alike, and the place is checked
for its form. It is decoded when it is asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import unmask
from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.formats.v2.index import (
    CRC,
    CRC_SIZE,
    DTYPE,
    OFFSET,
    SHAPE,
    SHARD,
    SIZE,
    decode_head,
)
from tfckpt_reader.table.plain import Unusual
from tfckpt_reader.tensor.spec import Segment, TensorSpec

if TYPE_CHECKING:
    from tfckpt_reader.tensor.dtypes import DataType

_VARINT = rb"[\x80-\xff]{0,8}[\x00-\x7f]"
_PLACE = re.compile(
    rb"(?s:(?:\x%02x[\x01-\x7f])?(?:\x%02x%b)?(?:\x%02x%b)?\x%02x.{4})"
    % (SHARD, OFFSET, _VARINT, SIZE, _VARINT, CRC)
)
"""The fields behind dtype and shape: shard, offset and size, each absent if it is 0, and the crc.
Numbers stay below 2^63."""


class RowSpec(TensorSpec):
    """The spec of a tensor with a row of its own; `stored` is the row."""

    __slots__ = ()

    @property
    def segment(self) -> Segment:
        """Its stored bytes."""
        name, dtype, shape, row, _ = self
        offset, end = 4 + row[3], len(row) - CRC_SIZE
        found = [0, 0, 0]
        for i, tag in enumerate((SHARD, OFFSET, SIZE)):
            if row[offset] == tag:
                found[i], offset = decode_varint(row, offset + 1, end)
        shard, begin, size = found
        crc = unmask(int.from_bytes(row[end + 1 :], "little"))
        return Segment(name, dtype, shape, size, shard, begin, crc)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorSpec):
            return NotImplemented
        return (self.segment, ()) == (other.segment, other.slices)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(TensorSpec(self.segment))


def add_specs(names: list[str], values: list[bytes], specs: dict[str, TensorSpec]) -> None:
    """Add the spec of each row.

    Raises:
        Unusual: fields in another order, or others; more than a tensor's.
        IndexError: a row is cut off.
        CheckpointError: a dtype or a shape is impossible.
    """
    heads: dict[bytes, tuple[DataType, tuple[int, ...]]] = {}
    has_place, make = _PLACE.fullmatch, tuple.__new__
    for name, value in zip(names, values, strict=True):
        middle = 4 + value[3]
        head = heads.get(value[:middle])
        if head is None:
            if value[0] != DTYPE or value[2] != SHAPE or value[1] | value[3] >= 0x80:
                raise Unusual
            head = heads[value[:middle]] = decode_head(value[:middle])
        if not has_place(value, middle):
            raise Unusual
        # Made as `TensorSpec(...)` makes it, without a call in between.
        specs[name] = make(RowSpec, (name, *head, value, ()))
