"""Errors about tables and blocks.

Knows no more than their callers hand over; offsets are theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, TruncatedError, UnsupportedError
from tfckpt_reader.storage.sniff import HEAD_SIZE, describe
from tfckpt_reader.table.format import MAGIC, BlockHandle
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from tfckpt_reader.storage.source import ByteSource


def bad_entry(start: int, shared: int, known: int, end: int, limit: int) -> CorruptCheckpointError:
    """Return the error about an entry that does not fit."""
    if shared > known:
        return CorruptCheckpointError(
            "key shares more bytes than the key before it has",
            offset=start,
            structure="table entry",
            expected=f"at most {known}",
            got=shared,
        )
    return CorruptCheckpointError(
        "key and value run past the end of the block",
        offset=start,
        structure="table entry",
        expected=f"at most {limit - start} bytes",
        got=end - start,
    )


def key_bomb(start: int, borrowed: int) -> UnsupportedError:
    """Return the error about keys that would fill the memory."""
    return UnsupportedError(
        f"keys share {count_of(borrowed, 'byte')} with those before them, far more than names do",
        offset=start,
    )


def bad_restart(restart: int) -> CorruptCheckpointError:
    """Return the error about a restart point amid an entry."""
    return CorruptCheckpointError(
        "restart point does not begin an entry with a whole key",
        offset=restart,
        structure="restart point",
    )


def unordered(start: int, previous: bytes, key: bytes) -> CorruptCheckpointError:
    """Return the error about keys out of order."""
    return CorruptCheckpointError(
        "keys are not in ascending order",
        offset=start,
        kind=ErrorKind.KEY_ORDER,
        structure="key order",
        expected=f"a key from {previous!r} on",
        got=repr(key),
    )


def unreachable(
    file: str, handle: BlockHandle, key: bytes, separator: bytes
) -> CorruptCheckpointError:
    """Return the error about a key that a lookup misses, by the separator at one end of a block."""
    is_first = key <= separator
    where = (
        "first key would end in the block before it"
        if is_first
        else "last key would end behind the block"
    )
    return CorruptCheckpointError(
        f"a lookup of the block's {where}",
        file=file,
        offset=handle.offset,
        kind=ErrorKind.SEPARATOR,
        structure="separator",
        expected=f"a separator below {key!r}" if is_first else f"a separator from {key!r} on",
        got=repr(separator),
    )


def overlap(file: str, handle: BlockHandle, end: int) -> CorruptCheckpointError:
    """Return the error about a block that begins before another's end."""
    return CorruptCheckpointError(
        "data blocks overlap",
        file=file,
        offset=handle.offset,
        kind=ErrorKind.BLOCK,
        structure="index block",
        expected=f"a block from byte {end} on",
    )


def past_end(source: ByteSource, handle: BlockHandle) -> CorruptCheckpointError:
    """Return the error about a block that its file is too short for."""
    return CorruptCheckpointError(
        "block handle points past the end of the file",
        file=source.name,
        offset=handle.offset,
        expected=f"an end at or before byte {source.size}",
        got=f"byte {handle.end}",
    )


def not_a_table(source: ByteSource) -> CorruptCheckpointError:
    """Return the error about a file that does not end as a table does."""
    head = bytes(source.read(0, min(HEAD_SIZE, source.size)))
    known = describe(head)
    if known is not None:
        what, advice = known
        return CorruptCheckpointError(
            f"this is {what}" if what != "empty" else "this file is empty",
            kind=ErrorKind.FOREIGN,
            file=source.name,
            advice=advice,
        )
    return TruncatedError(
        "the file does not end as a table does: cut off, or not a checkpoint index",
        file=source.name,
        offset=max(0, source.size - len(MAGIC)),
        kind=ErrorKind.TABLE,
        structure="footer",
        expected=f"magic {MAGIC.hex()}",
        got=bytes(source.read(max(0, source.size - 8), min(8, source.size))).hex() or "nothing",
        advice="Compare its size with the original's, or download it again",
    )
