"""Specs that are made of rows and decoded when asked, against those of the careful way."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from strategies import SHAPES, Memory

from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.listing import plain_listing
from tfckpt_reader.formats.v2.rows import RowSpec
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.spec import TensorSpec

NUMBERS = st.integers(0, 300) | st.integers(0, 2**63 - 1)


def both(**place: Any) -> tuple[TensorSpec, TensorSpec]:
    """The spec of a listing, and that of a lookup."""
    rows = [(b"", w.header(200)), (b"a", w.entry(1, (2, 3), **place))]
    table = Table(Memory(w.table(rows), "p.index"))
    listed, found = plain_listing(table), Bundle("p", table=table).lookup("a")
    assert listed is not None
    assert found is not None
    return listed["a"], found


@given(offset=NUMBERS, size=NUMBERS, shard=st.integers(0, 127), crc=st.integers(1, 2**32 - 1))
def test_it_is_the_spec_of_a_lookup(**place: int) -> None:
    listed, found = both(**place)
    assert type(listed) is RowSpec
    assert type(found) is TensorSpec
    assert (listed, hash(listed), repr(listed)) == (found, hash(found), repr(found))
    assert found == listed
    assert not listed != found  # noqa: SIM202 - both operators are its own
    assert (listed.offset, listed.nbytes, listed.shard) == (
        place["offset"],
        place["size"],
        place["shard"],
    )
    assert len({listed, found}) == 1


def test_others_differ() -> None:
    listed, found = both(offset=5, size=24, crc=1)
    for other in both(offset=6, size=24, crc=1):
        assert other not in (listed, found)
        assert listed != other
    assert listed != object()


def test_it_pickles() -> None:
    for spec in both(offset=5, size=24, crc=1):
        again = pickle.loads(pickle.dumps(spec))  # noqa: S301 - our own
        assert again == spec
        assert type(again) is TensorSpec


@given(shape=SHAPES)
def test_dtype_and_shape(shape: tuple[int, ...]) -> None:
    rows = [(b"", w.header()), (b"a", w.entry(3, shape)), (b"b", w.entry(3, shape, offset=7))]
    listed = plain_listing(Table(Memory(w.table(rows), "p.index")))
    if listed is not None:  # a shape of over 127 bytes
        assert [(s.dtype, s.shape) for s in listed.values()] == [(DataType.INT32, shape)] * 2


@pytest.mark.parametrize(
    "row",
    [
        w.entry(1, (2,), shard=128, size=8, crc=1),
        w.entry(1, (2,), size=8, crc=None),
        w.entry(1, (2,), size=8, crc=1) + b"\x35\x01\x00\x00\x00",
        w.entry(1, (2,), crc=1) + w.int_field(5, 8),
        w.entry(1, (2,), size=8, crc=1, slices=[[(0, 2)]]),
        w.entry(1, (2,), size=-1, crc=1),
    ],
    ids=["shard", "no crc", "crc twice", "order", "slices", "negative"],
)
def test_unusual_rows_are_left_to_the_careful_way(row: bytes) -> None:
    rows = [(b"", w.header()), (b"a", row)]
    assert plain_listing(Table(Memory(w.table(rows), "p.index"))) is None
