"""A table of any bytes: rows in order, each found again by its key, or CheckpointError.

The input is either a whole file, or the contents of blocks that are sealed with right crcs. Rows
that were written in order, and not edited, must come back as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from reading import seek

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import writers as w

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.table.table import Table

Rows = list[tuple[bytes, bytes]]
_MOST_LOOKED_UP = 8


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    written = None
    kind = choices.below(4)
    if kind == 0:
        contents = choices.rest()
    elif kind == 1:
        written, contents = _good(choices)
    else:
        contents = _sealed(choices, loose=kind == 3)
    try:
        rows = [(key, bytes(value)) for key, value in Table(harness.Memory(contents)).rows()]
    except CheckpointError:
        if written is not None:
            raise
        return
    assert written is None or rows == written
    _check_lookups(Table(harness.Memory(contents)), rows)


def _check_lookups(table: Table, rows: Rows) -> None:
    """A lookup finds the first row of its key, searches those of all keys behind, or they raise."""
    firsts = {key: next(group)[1] for key, group in groupby(rows, itemgetter(0))}
    for key, value in islice(firsts.items(), _MOST_LOOKED_UP):
        for wanted in (key, key + b"\0", key[:-1]):
            try:
                found = table.get(wanted)
            except CheckpointError:
                continue
            assert (None if found is None else bytes(found)) == firsts.get(wanted)
        try:
            after = [(k, bytes(v)) for k, v in seek(table, key)]
        except CheckpointError:
            continue
        assert after == [row for row in firsts.items() if row[0] >= key]
        assert after[0][1] == value


def _good(choices: harness.Choices) -> tuple[Rows, bytes]:
    """Rows in order and their file, in some layout."""
    options: dict[str, Any] = {
        "block_size": choices.pick((1, 40, 200, 262144)),
        "restart_interval": choices.pick((1, 2, 16, 1000)),
        "compress": choices.flag(),
        "index_compress": choices.flag(),
        "handle_suffix": choices.some(3),
    }
    rows: dict[bytes, bytes] = {}
    while choices and len(rows) < 40:
        rows[choices.some(9)] = choices.some(20)
    ordered = sorted(rows.items())
    return ordered, w.table(ordered, **options) if rows else w.assemble(
        [(b"", w.seal(w.block([])))]
    )


def _sealed(choices: harness.Choices, *, loose: bool) -> bytes:
    """Blocks of edited or of raw contents, behind an index that is right, edited or raw."""
    blocks = []
    key = b""
    for _ in range(choices.below(4)):
        if loose:
            blocks.append((choices.some(4), w.seal(choices.some(120), compress=choices.flag())))
            continue
        rows = []
        for _ in range(choices.below(8)):
            key = max(key, choices.some(5))
            rows.append((key, choices.some(8)))
        contents = w.block(rows, restart_interval=1 + choices.below(4))
        for _ in range(choices.below(3)):
            contents = harness.edited(contents, choices)
        blocks.append((choices.some(4) if choices.flag() else key, w.seal(contents)))
    edits = choices.below(3)
    if not edits:
        return w.assemble(blocks)
    offset, handles = 0, []
    for separator, sealed in blocks:
        handles.append((separator, w.handle(offset, len(sealed) - 5)))
        offset += len(sealed)
    index = w.block(handles, restart_interval=1)
    for _ in range(edits):
        index = harness.edited(index, choices)
    return w.assemble(blocks, index=w.seal(index))


def seeds() -> Iterator[bytes]:
    rows = [(b"", b"h"), (b"x", b"1"), (b"xy", b"22"), (b"y\xff", bytes(300))]
    yield b"\0" + w.table(rows)
    yield b"\0" + w.table(rows, block_size=10, compress=True)
    yield b"\0" + w.assemble([(b"a", w.seal(bytes(4))), (b"b", w.seal(b"abc", kind=7))])
    some = b"\1a\2bc\2ab\3cde\3abc\1x\4abcd\0\1b\5hello"
    for block_size in range(4):
        for interval in range(4):
            yield bytes([1, block_size, interval, block_size & 1, interval & 1, 1]) + b"z" + some
    walk = bytes([3, 3, 1, 97, 2, 120, 121, 1, 98, 0, 2, 97, 98, 1, 49, 1, 0])
    for edits in range(3):
        yield bytes([2]) + walk + bytes([edits, 5, 0, 3, 1, 98, 0, edits, 9, 1, 0xFF, 4, 2]) * 3
    yield bytes([3, 2, 0, 12]) + w.block([(b"", b"")])[:12] + bytes([0, 1, 97, 4, 0, 0, 0, 0, 1])


if __name__ == "__main__":
    harness.main("table")
