"""Tables that are built: the bytes of the tests' own writer, which are TensorFlow's."""

from __future__ import annotations

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from strategies import KEYS, ROWS, Memory

from tfckpt_reader.table.builder import BLOCK_SIZE, TableBuilder, separator, shared_size, successor
from tfckpt_reader.table.table import Table


def built(rows: w.Rows) -> bytes:
    data = bytearray()
    builder = TableBuilder(data.extend)
    for key, value in rows:
        builder.add(key, value)
    builder.finish()
    return bytes(data)


@given(rows=ROWS)
def test_one_block(rows: w.Rows) -> None:
    assert built(rows) == w.table(rows)


SIZES = st.sampled_from([0, 1, 200, 100_000, BLOCK_SIZE - 40, 2 * BLOCK_SIZE - 6, 2 * BLOCK_SIZE])


@given(rows=st.dictionaries(KEYS, SIZES, max_size=12).map(lambda rows: sorted(rows.items())))
def test_many_blocks(rows: list[tuple[bytes, int]]) -> None:
    filled = [(key, bytes(size)) for key, size in rows]
    assert built(filled) == w.table(filled)


def test_names_like_those_of_a_model() -> None:
    rows = [(b"", b"header")]
    rows += [
        (b"layer_%05d/kernel/adam_%c" % (i, c), bytes(i % 60)) for i in range(9000) for c in b"mv"
    ]
    data = built(rows)
    assert data == w.table(rows)
    assert len(data) > BLOCK_SIZE
    assert [(key, bytes(value)) for key, value in Table(Memory(data)).rows()] == rows


@pytest.mark.parametrize("key", [b"a", b"", b"A"])
def test_a_key_must_come_after_the_one_before(key: bytes) -> None:
    builder = TableBuilder(bytearray().extend)
    builder.add(b"a", b"")
    with pytest.raises(ValueError, match="does not come after b'a'"):
        builder.add(key, b"")


@given(keys=st.lists(KEYS, min_size=2, max_size=2, unique=True).map(sorted))
def test_separators(keys: list[bytes]) -> None:
    last, after = keys
    assert last <= separator(last, after) < after
    assert last <= successor(last)
    assert last[: shared_size(last, after)] == after[: shared_size(last, after)]
    assert last[: shared_size(last, after) + 1] != after[: shared_size(last, after) + 1]
