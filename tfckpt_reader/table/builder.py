"""Build a table file from rows in ascending order of their keys, as TensorFlow does.

Knows no file: bytes go to a function. FORMAT 2.3 to 2.5; TensorFlow
``core/lib/io/table_builder.cc``, ``block_builder.cc``. Blocks are not compressed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import encode_varint
from tfckpt_reader.table.format import FOOTER_SIZE, HANDLES_END, MAGIC, BlockHandle

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_SIZE = 1 << 18
"""Bytes of contents from which on a block is written."""
_RESTART_INTERVAL = 16
"""Entries from one whole key to the next; 1 in the index block."""


class BlockBuilder:
    """The contents of a block that is being filled.

    Args:
        interval: Entries from one restart point to the next.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._entries = bytearray()
        self._restarts = [0]
        self._count = 0
        self.last_key = b""

    @property
    def size(self) -> int:
        """Bytes of the contents as they are now."""
        return len(self._entries) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        """Append an entry; its key comes after the last."""
        shared = 0
        if self._count % self._interval:
            shared = shared_size(self.last_key, key)
        elif self._count:
            self._restarts.append(len(self._entries))
        for number in (shared, len(key) - shared, len(value)):
            self._entries += encode_varint(number)
        self._entries += key[shared:]
        self._entries += value
        self._count, self.last_key = self._count + 1, key

    def finish(self) -> bytes:
        """Return the contents."""
        count = len(self._restarts)
        return bytes(self._entries) + struct.pack(f"<{count + 1}I", *self._restarts, count)


class TableBuilder:
    """A table that is being written, a block at a time.

    Args:
        write: Called with the bytes of the file, in order.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._offset = 0
        self._block: BlockBuilder | None = None
        self._index = BlockBuilder(1)
        self._written: BlockHandle | None = None
        """The last data block; its row in the index needs the key after it."""
        self._last_key: bytes | None = None

    def add(self, key: bytes, value: bytes) -> None:
        """Append a row.

        Raises:
            ValueError: its key does not come after the one before.
        """
        if self._last_key is not None and key <= self._last_key:
            raise ValueError(f"key {key!r} does not come after {self._last_key!r}")
        if self._block and len(key) + len(value) >= 2 * BLOCK_SIZE:
            self._flush()
        if self._written and self._last_key is not None:
            self._index.add(separator(self._last_key, key), self._written.encode())
            self._written = None
        self._block = self._block or BlockBuilder(_RESTART_INTERVAL)
        self._block.add(key, value)
        self._last_key = key
        if self._block.size >= BLOCK_SIZE:
            self._flush()

    def finish(self) -> None:
        """Write the last block, the index and the footer."""
        self._flush()
        metaindex = self._store(BlockBuilder(1))
        if self._written and self._last_key is not None:
            self._index.add(successor(self._last_key), self._written.encode())
        index = self._store(self._index)
        self._write((metaindex.encode() + index.encode()).ljust(HANDLES_END, b"\0") + MAGIC)
        self._offset += FOOTER_SIZE

    def _flush(self) -> None:
        if self._block:
            self._written, self._block = self._store(self._block), None

    def _store(self, block: BlockBuilder) -> BlockHandle:
        """Write a block and its trailer; return its handle."""
        contents = block.finish()
        stored = contents + b"\0"  # its compression: none
        handle = BlockHandle(self._offset, len(contents))
        self._write(stored + mask(crc32c(stored)).to_bytes(4, "little"))
        self._offset = handle.end
        return handle


def shared_size(key: bytes, other: bytes) -> int:
    """Return the number of bytes at the beginning of two keys that are the same."""
    size = min(len(key), len(other))
    # As numbers: a loop over bytes would take most of the time of a large index.
    different = int.from_bytes(key[:size], "big") ^ int.from_bytes(other[:size], "big")
    return size - (different.bit_length() + 7) // 8


def separator(last: bytes, after: bytes) -> bytes:
    """Return a short key from `last` on, but below `after`, the next block's first key."""
    same = shared_size(last, after)
    if same < min(len(last), len(after)) and last[same] + 1 < after[same]:
        return last[:same] + bytes([last[same] + 1])
    return last


def successor(last: bytes) -> bytes:
    """Return a short key from `last` on."""
    ones = len(last) - len(last.lstrip(b"\xff"))
    return last[:ones] + bytes([last[ones] + 1]) if ones < len(last) else last
