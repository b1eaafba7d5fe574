"""All rows of a sound table at once, as TensorFlow writes them.

Knows no more of a table than `Table` and `Block`, and finds no fault: a table that is unusual in
any way is left to `Table.rows`, which goes entry by entry, and can say what is wrong.
"""

from __future__ import annotations

from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.table.block import Block
    from tfckpt_reader.table.table import Table


class Unusual(Exception):  # noqa: N818 - no error: the careful way answers
    """Something is not as TensorFlow writes it; it may be right all the same."""


def plain_rows(table: Table) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield the keys and the values of each data block, in key order.

    Raises:
        Unusual: `Table.rows` would raise an error, or two keys are equal, or lengths are large.
        CheckpointError: a block cannot be read.
    """
    last = previous_separator = None
    for separator, handle in table.blocks():
        keys, values = _entries(table.block(handle))
        if not keys or len(keys) > handle.size // 3:
            raise Unusual
        if last is not None and not keys[0] > max(last, previous_separator or b""):
            raise Unusual
        if keys[-1] > separator or not all(map(lt, keys, islice(keys, 1, None))):
            raise Unusual
        last, previous_separator = keys[-1], separator
        yield keys, values


def _entries(block: Block) -> tuple[list[bytes], list[bytes]]:
    data = block.data
    if not isinstance(data, bytes):
        raise Unusual
    keys: list[bytes] = []
    values: list[bytes] = []
    offset = 0
    for stop in (*block.restarts[1:], block.limit):
        key = b""  # an entry at a restart point shares nothing
        while offset < stop:
            shared, unshared, size = data[offset], data[offset + 1], data[offset + 2]
            if shared | unshared | size >= 0x80 or shared > len(key):
                raise Unusual
            tail = offset + 3
            middle = tail + unshared
            offset = middle + size
            key = key[:shared] + data[tail:middle]
            keys.append(key)
            values.append(data[middle:offset])
        if offset != stop:
            raise Unusual
    return keys, values
