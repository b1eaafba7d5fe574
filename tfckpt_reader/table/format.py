"""The last 48 bytes of a table file, and the handles by which blocks are found.

Knows no file. FORMAT 2.1; TensorFlow ``core/lib/io/format.h``::

    footer = metaindex handle, index handle, zeros up to byte 40, 8 bytes magic
    handle = varint64 offset, varint64 size (the block's trailer not counted)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    pass

from dataclasses import dataclass

from tfckpt_reader.encoding.coding import encode_varint

MAGIC = bytes.fromhex("57fb808b247547db")
"""Ends every table; LevelDB's number, made from a sha1 of its project's address."""
FOOTER_SIZE = 48
HANDLES_END = 40
"""Where the magic begins."""
TRAILER_SIZE = 5
"""Bytes behind each block: its compression and its crc."""


@dataclass(frozen=True, slots=True)
class BlockHandle:
    """Where a block lies: `offset` and `size` in bytes, the trailer not counted."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset behind the block's trailer, in bytes."""
        return self.offset + self.size + TRAILER_SIZE

    @classmethod
    def decode(cls, data: bytes | memoryview, offset: int, limit: int) -> tuple[BlockHandle, int]:
        """Return the handle at `offset` and the offset behind it."""
        start, offset = decode_varint(data, offset, limit)
        size, offset = decode_varint(data, offset, limit)
        return cls(start, size), offset

    def encode(self) -> bytes:
        """Return the handle in its shortest form."""
        return encode_varint(self.offset) + encode_varint(self.size)


@dataclass(frozen=True, slots=True)
class Footer:
    """The last 48 bytes: where the metaindex and the index block are."""

    metaindex: BlockHandle
    index: BlockHandle
    is_canonical: bool
    """Whether the 40 bytes before the magic are just the handles, in shortest form, and zeros."""

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Footer:
        """Parse 48 bytes whose magic has been checked."""
        metaindex, offset = BlockHandle.decode(data, 0, HANDLES_END)
        index, _ = BlockHandle.decode(data, offset, HANDLES_END)
        canonical = (metaindex.encode() + index.encode()).ljust(HANDLES_END, b"\0")
        return cls(metaindex, index, canonical == data[:HANDLES_END])


LARGEST_EXPANSION = 22
"""How much larger a block's contents may be than the block: no snappy element yields more than
64 bytes from 3, about 21 times its size."""


def _unsnappy(contents: memoryview) -> memoryview:
    """Decompress without trusting the stream's claim about its own length.

    The decompressor aborts the process if its own allocation fails, so it is handed memory.
    """
    import cramjam  # what python-snappy is made of; snappy itself cannot fill a given buffer

    claimed, _ = decode_varint(contents, 0, len(contents))
    if claimed > LARGEST_EXPANSION * len(contents):
        raise CorruptCheckpointError(
            "snappy: claims to expand to more than snappy can",
            expected=f"at most {count_of(LARGEST_EXPANSION * len(contents), 'byte')}",
            got=count_of(claimed, "byte"),
            offset=0,
        )
    try:
        data = bytearray(claimed)
    except MemoryError as error:
        raise UnsupportedError(
            f"snappy: expands to {count_of(claimed, 'byte')}, more than the memory there is",
            offset=0,
        ) from error
    try:
        written = cramjam.snappy.decompress_raw_into(contents, data)
    except cramjam.DecompressionError as error:
        raise CorruptCheckpointError(
            f"snappy: cannot be decompressed: {error}",
            offset=0,
        ) from error
    if written != claimed:
        raise CorruptCheckpointError(
            "snappy: expands to another length than it claims",
            expected=claimed,
            got=written,
            offset=0,
        )
    return memoryview(data).toreadonly()
