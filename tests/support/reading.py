"""Ways of reading that the package has no single door for, and tests need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.table.block import Block, BlockCursor
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.spec import TensorSpec


def seek(searched: Block | Table, target: bytes) -> Iterator[tuple[bytes, bytes | memoryview]]:
    """Yield the rows with keys >= `target`, found by one search for each."""
    if isinstance(searched, Table):
        for key in dict.fromkeys(key for key, _ in searched.rows() if key >= target):
            value = searched.get(key)
            assert value is not None
            yield key, value
        return
    cursor = BlockCursor(searched)
    row = cursor.first(target)
    while row is not None:
        yield row
        row = cursor.first(row[0] + b"\0")


def check_tensor(reader: Any, spec: TensorSpec) -> None:
    """Read all bytes of a tensor and compare their crcs, without making an array."""
    if not isinstance(reader, Bundle):
        reader.check(spec)
        return
    for segment in reader.segments(spec):
        reader.layout(segment).check(segment)
