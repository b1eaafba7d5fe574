"""One block of a table file: sorted keys and values.

Knows no file. FORMAT 2.3; TensorFlow ``core/lib/io/block.cc``::

    contents = entry* , restart offset (u32le) * n, n (u32le)
    entry    = varint32 shared, varint32 unshared, varint32 value size, key tail, value

An entry's key is the first `shared` bytes of the previous key and the tail. At a restart offset
`shared` is 0, so a search can begin there.
"""

from __future__ import annotations

from array import array
from sys import byteorder
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.coding import decode_varint32
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.table.faults import bad_entry, bad_restart, key_bomb, unordered
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    Entry = tuple[bytes, "bytes | memoryview"]

SMALL = 1 << 20
"""Up to this size, in bytes, contents become a bytes object: it is faster to walk than a view."""
_LARGEST_BORROWING = 64
"""How many times its stored size a block's keys may share: otherwise a small file could stand for
keys that fill the memory. Real writers store every sixteenth key whole."""
_FREE_BORROWING = 1 << 14
"""Bytes that keys may share in any block, however small."""


class Block:
    """The contents of one block, checked and decompressed.

    Args:
        contents: Its bytes.
        compressed_size: How many bytes were stored, if they were compressed.
    """

    __slots__ = ("compressed", "data", "limit", "restarts", "stored")

    def __init__(self, contents: bytes | memoryview, *, compressed_size: int | None = None) -> None:
        data = bytes(contents) if len(contents) <= SMALL else contents
        count = int.from_bytes(data[-4:], "little")
        if len(data) < 4 or count > (len(data) - 4) // 4:
            raise CorruptCheckpointError(
                "restart array does not fit the block",
                offset=max(0, len(data) - 4),
                expected=f"at most {count_of(max(0, len(data) - 4) // 4, 'restart point')}",
                got=count if len(data) >= 4 else f"a block of {count_of(len(data), 'byte')}",
            )
        self.data = data
        self.compressed, self.stored = compressed_size is not None, compressed_size or len(data)
        # Without a restart point the block is empty, whatever bytes it has.
        self.limit = len(data) - 4 - 4 * count if count else 0
        self.restarts = array("I")
        self.restarts.frombytes(data[self.limit : -4] if count else b"")
        if byteorder == "big":
            self.restarts.byteswap()
        self._check_restarts()

    def _check_restarts(self) -> None:
        # A search relies on them: 0 first, then ascending; it would miss keys otherwise.
        previous = -1
        for restart in self.restarts:
            if restart <= previous or restart > max(0, self.limit - 1) or previous < 0 < restart:
                raise CorruptCheckpointError(
                    "restart points do not ascend from 0 within the block",
                    offset=self.limit,
                    got=restart,
                )
            previous = restart

    def entries(
        self, restart: int = 0, *, ordered: bool = True
    ) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """Walk the entries in stored order, from one restart point on.

        Args:
            restart: Index of the restart point.
            ordered: Raise if keys are not in ascending order.

        Raises:
            CorruptCheckpointError: an entry does not fit, keys are not in order, or a restart
                point does not begin an entry with a whole key. Adjacent equal keys are allowed:
                TensorFlow reads such files.
        """
        data, limit = self.data, self.limit
        pending = iter(self.restarts[restart:])
        offset = upcoming = next(pending, limit)
        key, borrowed, most_borrowed = b"", 0, _LARGEST_BORROWING * self.stored + _FREE_BORROWING
        while offset < limit:
            start = offset
            # Two bytes past `limit` exist: the restart array follows the entries.
            shared, unshared, size = data[offset], data[offset + 1], data[offset + 2]
            if shared | unshared | size < 0x80:
                offset += 3
            else:
                shared, unshared, size, offset = _lengths(data, offset, limit)
                borrowed += shared
                if borrowed > most_borrowed and shared <= len(key):
                    raise key_bomb(start, borrowed)
            middle = offset + unshared
            end = middle + size
            if shared > len(key) or end > limit:
                raise bad_entry(start, shared, len(key), end, limit)
            if start >= upcoming:
                if start > upcoming or shared:
                    raise bad_restart(upcoming)
                upcoming = next(pending, limit)
            previous, key = key, key[:shared] + data[offset:middle]
            if ordered and key < previous:
                raise unordered(start, previous, key)
            yield key, data[middle:end]
            offset = end
        if upcoming < limit:
            raise bad_restart(upcoming)

    def restart_before(self, target: bytes) -> int:
        """Return the index of the last restart point whose key is below `target`, or 0."""
        low, high = 0, len(self.restarts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._restart_key(middle) < target:
                low = middle
            else:
                high = middle - 1
        return low

    def _restart_key(self, index: int) -> bytes:
        data, start = self.data, self.restarts[index]
        shared, unshared, size = data[start], data[start + 1], data[start + 2]
        offset = start + 3
        if shared | unshared | size >= 0x80:
            shared, unshared, _, offset = _lengths(data, start, self.limit)
        if shared or offset + unshared > self.limit:
            raise bad_entry(start, shared, 0, offset + unshared, self.limit)
        return bytes(data[offset : offset + unshared])


class BlockCursor:
    """Searches in one block; ascending targets never walk over an entry twice.

    A block may have a single restart point: starting there for each target could take forever.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self._paused: list[tuple[int, bytes, Entry | None, Iterator[Entry]]] = []

    def first(self, target: bytes) -> Entry | None:
        """Return the first entry with a key >= `target`; None if there are no more."""
        restart = self.block.restart_before(target)
        try:
            # pop() is atomic: no two threads continue the same walk.
            begun, before, entry, walk = self._paused.pop()
        except IndexError:
            begun = -1
        if begun != restart or target < before:
            walk = self.block.entries(restart)
            entry = next(walk, None)
        while entry is not None and entry[0] < target:
            entry = next(walk, None)
        self._paused.append((restart, target, entry, walk))
        return entry


def _lengths(data: bytes | memoryview, offset: int, limit: int) -> tuple[int, int, int, int]:
    """Return an entry's three lengths, of any size, and the offset after them."""
    shared, offset = decode_varint32(data, offset, limit)
    unshared, offset = decode_varint32(data, offset, limit)
    size, offset = decode_varint32(data, offset, limit)
    return shared, unshared, size, offset
