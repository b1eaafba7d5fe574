"""The table file: an immutable map from bytes to bytes, sorted by key.

Knows no protobuf and no tensor. FORMAT 2; TensorFlow ``core/lib/io/format.h``,
``table.cc``. V2 index files and V1 checkpoints are tables::

    [data block] ... [metaindex block] [index block] [footer]

An entry of the index block is a separator (>= every key of its data block, < every key of the
next) and a handle; bytes after the handle are ignored. The metaindex is always empty.

Offsets in errors count from the start of the file. For a compressed block it is the offset of the
block, and the message has the offset in the decompressed contents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    ErrorKind,
    UnsupportedError,
    located,
)
from tfckpt_reader.storage.ahead import ahead
from tfckpt_reader.table.block import Block, BlockCursor
from tfckpt_reader.table.faults import not_a_table, overlap, past_end, unordered, unreachable
from tfckpt_reader.table.format import (
    FOOTER_SIZE,
    HANDLES_END,
    MAGIC,
    TRAILER_SIZE,
    BlockHandle,
    Footer,
    unpack_block,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.storage.source import ByteSource

_TAIL = 1 << 12
"""Bytes at the end of the file that are read at once: a small table is all in them."""


class Table:
    """A table over a ByteSource. Blocks are read, and their crc checked, when touched.

    Raises:
        CorruptCheckpointError: the footer or the index block is not sound.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._tail_at = max(0, source.size - _TAIL)
        self._tail = source.read(self._tail_at, source.size - self._tail_at)
        self.footer = self._read_footer()
        self._last: tuple[BlockHandle, Block] | None = None
        self.index = self.read_block(self.footer.index_handle, "index block")
        self._in_index = BlockCursor(self.index)
        self._in_block: BlockCursor | None = None

    def _read_footer(self) -> Footer:
        source = self.source
        base = source.size - FOOTER_SIZE
        data = self._stored(base, FOOTER_SIZE) if base >= 0 else memoryview(b"")
        if data[HANDLES_END:] != MAGIC:
            raise not_a_table(source)
        try:
            with located(source.name, base):
                return Footer.decode(data)
        except CheckpointError as error:
            error.kind, error.structure = ErrorKind.TABLE, "footer"
            raise

    def _stored(self, offset: int, size: int) -> memoryview:
        begin = offset - self._tail_at
        return self._tail[begin : begin + size] if begin >= 0 else self.source.read(offset, size)

    def handles(self) -> Iterator[tuple[bytes, BlockHandle]]:
        """Walk the index: the separator and the handle of each data block, in key order."""
        with self._inside(self.footer.index_handle, self.index):
            for separator, value in self.index.entries():
                yield separator, _index_value(value)

    def data_blocks(self) -> list[tuple[bytes, BlockHandle]]:
        """Return the separators and handles of all data blocks, in key order.

        Raises:
            CorruptCheckpointError: two overlap: a small file could stand for any number of rows.
        """
        found = list(self.handles())
        end = 0
        for handle in sorted((handle for _, handle in found), key=lambda h: h.offset):
            if handle.offset < end:
                raise overlap(self.source.name, handle, end)
            end = handle.end
        return found

    def blocks(self) -> Iterator[tuple[bytes, BlockHandle]]:
        """Yield `data_blocks`, those of a distant file fetched ahead in few requests."""
        return ahead(self.source, self.data_blocks(), lambda block: block[1].stored)

    def rows(self) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """Walk all rows in key order, and make sure that lookups find the same rows.

        Raises:
            CorruptCheckpointError: blocks overlap, are out of order or damaged.
        """
        last = previous_separator = None
        for separator, handle in self.blocks():
            is_new = False
            key = last
            for key, value in self.entries(handle):
                if not is_new and key != last:
                    is_new = True
                    self.require_after(handle, key, last, previous_separator)
                yield key, value
            if key != last:
                self.require_within(handle, key or b"", separator)
            last, previous_separator = key, separator

    def require_after(
        self,
        handle: BlockHandle,
        key: bytes,
        last: bytes | None,
        previous_separator: bytes | None,
    ) -> None:
        """Make sure that a lookup of a block's first new key ends in that block.

        Args:
            handle: The block.
            key: Its first key other than `last`: of equal keys a lookup finds the first. The empty
                key is that of the header, which is looked for behind empty blocks too.
            last: The last key before the block, or None.
            previous_separator: The separator before the block, or None.
        """
        if last is not None and key < last:
            error = unordered(handle.offset, last, key)
            error.problem = "keys of this block come before those of the block before it"
            error.file = self.source.name
            raise error
        if key and previous_separator is not None and key <= previous_separator:
            raise unreachable(self.source.name, handle, key, previous_separator)

    def require_within(self, handle: BlockHandle, key: bytes, separator: bytes) -> None:
        """Make sure that a lookup of a block's last key ends in that block."""
        if key > separator:
            raise unreachable(self.source.name, handle, key, separator)

    def block(self, handle: BlockHandle) -> Block:
        """Return a data block; the last one is kept."""
        last = self._last
        if last is not None and last[0] == handle:
            return last[1]
        self._last = self._in_block = None  # never hold two: a V1 row can be very large
        block = self.read_block(handle, "data block")
        self._last = handle, block
        return block

    def read_block(
        self, handle: BlockHandle, structure: str, kind: ErrorKind = ErrorKind.BLOCK
    ) -> Block:
        """Read a block; check its bounds, crc, compression and restart array.

        Args:
            handle: Its position.
            structure: Its name in errors.
            kind: The kind of errors about it.
        """
        try:
            if handle.end > self.source.size:
                raise past_end(self.source, handle)
            stored = self._stored(handle.offset, handle.size + TRAILER_SIZE)
            with located(self.source.name, handle.offset):
                contents, compressed = unpack_block(stored, handle.size)
                return Block(contents, compressed_size=handle.size if compressed else None)
        except (CorruptCheckpointError, UnsupportedError) as error:
            error.structure = structure
            if isinstance(error, CorruptCheckpointError):
                error.kind = kind
            raise

    def entries(
        self, handle: BlockHandle, *, ordered: bool = True
    ) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """Walk the entries of one data block; `ordered` as for `Block.entries`."""
        block = self.block(handle)
        with self._inside(handle, block):
            for count, entry in enumerate(block.entries(ordered=ordered)):
                if count > handle.size // 3:  # that many bytes are the lengths of an entry
                    raise UnsupportedError("so many entries in few bytes: made to waste memory")
                yield entry

    def get(self, key: bytes) -> bytes | memoryview | None:
        """Return the value of a key, of equal keys the first; None if it is absent.

        Decodes the index from a restart point to the only block that can hold it, and that block
        likewise; from the end of the last search, if that is nearer.
        """
        with self._inside(self.footer.index_handle, self.index):
            found = self._in_index.first(key)
            if found is None:
                return None
            handle = _index_value(found[1])
        block = self.block(handle)
        cursor = self._in_block
        if cursor is None or cursor.block is not block:
            cursor = self._in_block = BlockCursor(block)
        with self._inside(handle, block):
            row = cursor.first(key)
        return row[1] if row is not None and row[0] == key else None

    @property
    def in_compressed(self) -> bool:
        """Whether the row that was read last lies in a compressed block."""
        return self._last is not None and self._last[1].compressed

    def first(self) -> tuple[bytes, bytes | memoryview] | None:
        """Return the first row; None if there is none."""
        rows = (row for _, handle in self.handles() for row in self.entries(handle))
        return next(rows, None)

    def _inside(self, handle: BlockHandle, block: Block) -> located:
        """Add the position of the block in the file to errors raised inside."""
        return located(self.source.name, handle.offset, unpacked=block.compressed)


def _index_value(value: bytes | memoryview) -> BlockHandle:
    try:
        return BlockHandle.decode(value, 0, len(value))[0]
    except CorruptCheckpointError as error:
        error.kind, error.structure = ErrorKind.BLOCK, "index block"
        error.offset = None  # it counts from the start of the value
        raise
