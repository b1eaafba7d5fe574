"""The good checkpoint that every case changes, and ways to change it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import writers as w

from hostile.case import WHOLE, Edit, Files

GOOD: dict[str, Any] = {
    "a": np.array([1, 2, 3], np.float32),
    "b": np.array([[1, -2], [3, -4]], np.int64),
    "s": w.Strings([b"x", b"", b"yz"], (3,)),
    "w": np.array([[0.5, -0.0]], np.float64),
}
GRID = np.arange(20, dtype=np.float32).reshape(4, 5)
PIECES: list[list[tuple[int, int]]] = [[(0, 2), WHOLE], [(2, 2), (0, 3)], [(2, 2), (3, 2)]]
PIECE_KEYS = [w.slice_key(b"p", piece) for piece in PIECES]
SLICED: dict[str, Any] = {"a": GOOD["a"], "p": w.Sliced(GRID, PIECES)}
VALUES: dict[str, Any] = {name: w.typed(tensor)[1] for name, tensor in GOOD.items()}
SLICED_VALUES: dict[str, Any] = {"a": VALUES["a"], "p": GRID}


def files_of(suffixed: Mapping[str, bytes]) -> Files:
    return {f"x{suffix}": contents for suffix, contents in suffixed.items()}


def bundle(edit: Edit | None = None, tensors: Mapping[Any, Any] = GOOD, **options: Any) -> Files:
    """A bundle named x, its rows changed."""
    return files_of(w.bundle_files(tensors, edit_rows=edit, **options))


def with_index(make: Callable[[w.Rows], bytes], tensors: Mapping[Any, Any] = GOOD) -> Files:
    """The good data with an index made by hand from the good rows."""
    rows: w.Rows = []

    def keep(good: w.Rows) -> w.Rows:
        rows.extend(good)
        return good

    files = bundle(keep, tensors)
    files["x.index"] = make(rows)
    return files


def good_rows() -> w.Rows:
    """The rows of the good index."""
    rows: w.Rows = []

    def keep(good: w.Rows) -> w.Rows:
        rows.extend(good)
        return good

    bundle(keep)
    return rows


def set_entry(key: str | bytes, **fields: Any) -> Edit:
    """Set fields of one entry."""
    name = key.encode() if isinstance(key, str) else key
    return lambda rows: w.edit_entry(rows, name, **fields)


def set_row(key: bytes, change: Callable[[bytes], bytes | None]) -> Edit:
    """Change the value of one row; None removes the row."""
    return lambda rows: w.replace_row(rows, key, change(dict(rows)[key]))


def append(key: bytes, more: bytes) -> Edit:
    return set_row(key, lambda value: value + more)


def one_block(contents: bytes, **seal: Any) -> bytes:
    """A table of one data block with a right crc."""
    return w.assemble([(b"~", w.seal(contents, **seal))])


def two_blocks(
    change: Callable[[bytes], bytes] = bytes, separators: tuple[bytes, bytes] = (b"b", b"~")
) -> Callable[[w.Rows], bytes]:
    """Header, a and b in one block; s and w in another, whose stored bytes are changed."""

    def make(rows: w.Rows) -> bytes:
        first, second = w.seal(w.block(rows[:3])), change(w.seal(w.block(rows[3:])))
        return w.assemble(list(zip(separators, (first, second), strict=True)))

    return make


def entry_bytes(shared: int, key: bytes, value: bytes, size: int | None = None) -> bytes:
    """One entry of a block, its lengths as told."""
    size = len(value) if size is None else size
    return w.varint(shared) + w.varint(len(key)) + w.varint(size) + key + value


def raw_block(entries: bytes, restarts: Sequence[int] = (0,), count: int | None = None) -> bytes:
    """A block of entries as they are, and restart points as told."""
    count = len(restarts) if count is None else count
    return entries + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", count)


def plain_entries(rows: w.Rows) -> list[bytes]:
    """Every row as an entry that shares nothing."""
    return [entry_bytes(0, key, value) for key, value in rows]


def index_edit(change: Callable[[bytes], bytes], make: Files | None = None) -> Files:
    files = dict(make or bundle())
    files["x.index"] = change(files["x.index"])
    return files


def footer_of(handles: bytes) -> Callable[[bytes], bytes]:
    """Replace the handles in the footer, padded with zeros to 40 bytes."""
    return lambda index: index[:-48] + handles.ljust(40, b"\0")[:40] + index[-8:]
