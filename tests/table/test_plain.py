"""All rows at once against the careful walk, over sound, unusual and damaged tables."""

from __future__ import annotations

import struct
from contextlib import suppress

import writers as w
from hypothesis import given
from hypothesis import strategies as st
from strategies import KEYS, ROWS, VALUES, Memory

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.table.plain import Unusual, plain_rows
from tfckpt_reader.table.table import Table

ANY_ROWS = st.lists(st.tuples(KEYS, VALUES), max_size=12)
"""In any order, with equal keys among them."""


def at_once(data: bytes) -> w.Rows | None:
    rows: w.Rows = []
    try:
        for keys, values in plain_rows(Table(Memory(data))):
            rows += zip(keys, values, strict=True)
    except (Unusual, CheckpointError):
        return None
    return rows


def one_by_one(data: bytes) -> w.Rows | None:
    with suppress(CheckpointError):
        return [(key, bytes(value)) for key, value in Table(Memory(data)).rows()]
    return None


@given(rows=ROWS, interval=st.sampled_from([1, 2, 16]), block_size=st.sampled_from([64, 4096]))
def test_tables_as_tensorflow_writes_them_are_read_at_once(
    rows: w.Rows, interval: int, block_size: int
) -> None:
    short = [(key, value[:99]) for key, value in rows]
    assert at_once(w.table(short, block_size=block_size, restart_interval=interval)) == short


@given(rows=ROWS | ANY_ROWS, block_size=st.sampled_from([1, 64]), compress=st.booleans())
def test_what_is_found_at_once_is_what_is_there(
    rows: w.Rows, block_size: int, *, compress: bool
) -> None:
    data = w.table(rows, block_size=block_size, compress=compress)
    assert at_once(data) in (None, one_by_one(data))


@given(
    blocks=st.lists(st.tuples(KEYS, ANY_ROWS), min_size=1, max_size=4),
    at=st.integers(0, 60), bits=st.integers(1, 255), restarts=st.lists(st.integers(0, 40)),
)  # fmt: skip
def test_damaged_blocks_with_a_right_crc(
    blocks: list[tuple[bytes, w.Rows]], at: int, bits: int, restarts: list[int]
) -> None:
    """Any separators and rows, a byte changed in each block, other restart points."""
    stored = []
    for separator, rows in blocks:
        contents = bytearray(w.block(rows))
        contents[at % len(contents)] ^= bits
        if restarts:
            contents += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
        stored.append((separator, w.seal(bytes(contents))))
    with suppress(CheckpointError):
        data = w.assemble(stored)
        assert at_once(data) in (None, one_by_one(data))
