"""Descriptions of tensors and slices, and names as str."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import NAMES, piece

from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import key_of, name_of
from tfckpt_reader.tensor.spec import Segment, TensorSlice, TensorSpec, Unplaced


@given(st.binary(max_size=20))
def test_every_key_has_a_name(key: bytes) -> None:
    assert key_of(name_of(key)) == key


@given(NAMES)
def test_names_are_utf_8(name: str) -> None:
    assert name_of(key_of(name)) == name


def test_names_that_no_key_has() -> None:
    for name in ("\ud800", "a\udfff", "\udc7f"):
        assert key_of(name) == b""
    assert name_of("漢/ü".encode()) == "漢/ü"
    assert name_of(b"a\xff\x80") == "a\udcff\udc80"


def spec_of(shape: tuple[int, ...]) -> TensorSpec:
    return TensorSpec(Segment("a/b", DataType.FLOAT32, shape, 24, 0, 8, 1234))


def test_spec() -> None:
    spec = spec_of((2, 3))
    assert (spec.name, spec.dtype, spec.shape, spec.nbytes) == ("a/b", DataType.FLOAT32, (2, 3), 24)
    assert (spec.shard, spec.offset, spec.crc32c, spec.slices) == (0, 8, 1234, ())
    assert spec.key == b"a/b"
    assert [spec_of(shape).elements for shape in ((2, 3), (), (4, 0), (1 << 40, 1 << 20))] == [
        6,
        1,
        0,
        1 << 60,
    ]
    assert spec == spec_of((2, 3))
    assert spec != spec_of((3, 2))
    assert hash(spec) == hash(spec_of((2, 3)))
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own bytes
    for text in ("a/b", "float32", "(2, 3)"):
        assert text in repr(spec).lower()
    with pytest.raises(AttributeError):
        spec.shape = (1,)  # type: ignore[misc]


def test_slice() -> None:
    found = piece([(0, -1), (1, 2)], (4, 5))
    assert (found.start, found.shape, found.elements) == ((0, 1), (4, 2), 8)
    assert (found.shard, found.offset, found.nbytes, found.crc32c) == (None,) * 4
    assert str(found) == "-:1,2"
    assert str(piece([], ())) == ""
    assert piece([], ()).elements == 1
    assert (
        str(TensorSlice(((0, 5), (0, -1)), (0, 0), Unplaced("t", DataType.FLOAT32, (5, 3))))
        == "0,5:-"
    )
    with pytest.raises(AttributeError):
        found.shard = 1  # type: ignore[misc]
