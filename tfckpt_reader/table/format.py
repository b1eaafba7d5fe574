"""The frame of a table file: its footer, handles of blocks, and stored blocks.

Knows no file and no entry. FORMAT 2.1, 2.2; TensorFlow ``core/lib/io/format.h``, ``format.cc``::

    footer  = metaindex handle, index handle, zeros up to byte 40, 8 bytes magic
    handle  = varint64 offset, varint64 size (without the block's trailer)
    stored  = contents, trailer
    trailer = 1 byte compression (0 none, 1 snappy), u32le masked crc of contents and that byte

The crc covers the contents as stored, compressed.
"""

from __future__ import annotations

from typing import NamedTuple

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.coding import decode_varint, encode_varint
from tfckpt_reader.errors import ChecksumError, CorruptCheckpointError, UnsupportedError
from tfckpt_reader.text import count_of

MAGIC = bytes.fromhex("57fb808b247547db")
"""Last bytes of every table; LevelDB's number, from a sha1 of its project's address."""
FOOTER_SIZE = 48
HANDLES_END = 40
"""Offset of the magic in the footer."""
TRAILER_SIZE = 5
"""Bytes behind each block: its compression and its crc."""
LARGEST_EXPANSION = 22
"""How much larger contents may be than a compressed block: no snappy element yields more than 64
bytes from 3, about 21 times its size."""


class BlockHandle(NamedTuple):
    """The position of a block: `offset` and `size` in bytes, without the trailer."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset behind the block's trailer, in bytes."""
        return self.offset + self.size + TRAILER_SIZE

    @property
    def stored(self) -> range:
        """The bytes of the block and its trailer."""
        return range(self.offset, self.end)

    @classmethod
    def decode(cls, data: bytes | memoryview, offset: int, limit: int) -> tuple[BlockHandle, int]:
        """Return the handle at `offset` and the offset after it."""
        start, offset = decode_varint(data, offset, limit)
        size, offset = decode_varint(data, offset, limit)
        return cls(start, size), offset

    def encode(self) -> bytes:
        """Return the handle in its shortest form."""
        return encode_varint(self.offset) + encode_varint(self.size)


class Footer(NamedTuple):
    """The last 48 bytes: handles of the metaindex and the index block."""

    metaindex_handle: BlockHandle
    index_handle: BlockHandle
    handles: bytes
    """The 40 bytes before the magic."""

    @property
    def is_canonical(self) -> bool:
        """Whether the handles are in shortest form, with zeros behind."""
        shortest = self.metaindex_handle.encode() + self.index_handle.encode()
        return self.handles == shortest.ljust(HANDLES_END, b"\0")

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Footer:
        """Parse 48 bytes whose magic has been checked."""
        metaindex, offset = BlockHandle.decode(data, 0, HANDLES_END)
        index, _ = BlockHandle.decode(data, offset, HANDLES_END)
        return cls(metaindex, index, bytes(data[:HANDLES_END]))


def unpack_block(stored: memoryview, size: int) -> tuple[memoryview, bool]:
    """Check and decompress a stored block: `size` bytes of contents and the trailer.

    Returns:
        The contents, and whether they were compressed.

    Raises:
        ChecksumError: the crc differs.
        CorruptCheckpointError: unknown compression, or bytes that cannot be decompressed.
        UnsupportedError: the contents exceed the memory of the machine.
    """
    crc = mask(crc32c(stored[: size + 1]))
    masked = int.from_bytes(stored[size + 1 :], "little")
    if crc != masked:
        raise ChecksumError(
            "masked crc does not match",
            offset=0,
            expected=f"{masked:#010x}",
            got=f"{crc:#010x}",
            advice="The file is damaged: copy or download it again",
        )
    kind = stored[size]
    if kind not in _DECOMPRESS:
        raise CorruptCheckpointError(
            "unknown compression type", offset=size, expected="0 (none) or 1 (snappy)", got=kind
        )
    return _DECOMPRESS[kind](stored[:size]), kind != 0


def _uncompressed(contents: memoryview) -> memoryview:
    return contents


def _unsnappy(contents: memoryview) -> memoryview:
    """Decompress without trusting the stream's claim about its own length.

    The decompressor aborts the process if its own allocation fails, so it gets a buffer.
    """
    import cramjam  # python-snappy is built on it, and has no function that fills a buffer

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


_DECOMPRESS = {0: _uncompressed, 1: _unsnappy}
"""Compression type -> function from stored to plain contents."""
