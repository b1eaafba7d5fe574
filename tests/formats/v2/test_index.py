"""Rows of a V2 index: the short way of decoding them, and protobuf's."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.encoding.checksum import unmask
from tfckpt_reader.errors import CheckpointError, UnsupportedError
from tfckpt_reader.formats.v2.index import Header, decode_entry
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.proto_fields import data_type, dims, extents
from tfckpt_reader.tensor.spec import Segment

Entry: TypeAlias = "tuple[Segment, tuple[tuple[tuple[int, int], ...], ...] | None]"

INT = st.one_of(st.integers(0, 300), st.integers(-3, (1 << 63) - 1), st.just(1 << 31))
SIZES = st.lists(st.integers(-1, 1 << 40), max_size=4)
FIELDS = st.one_of(
    st.tuples(st.just("dtype"), st.integers(-1, 140)),
    st.tuples(st.just("shape"), SIZES),
    st.tuples(st.just("shard"), INT),
    st.tuples(st.just("offset"), INT),
    st.tuples(st.just("size"), INT),
    st.tuples(st.just("crc"), st.integers(0, (1 << 32) - 1)),
    st.tuples(st.just("slices"), st.just([[(0, 2)]])),
)


def by_protobuf(value: bytes) -> Entry | type[CheckpointError]:
    try:
        message = parse("BundleEntry", value)
        segment = Segment(
            "t",
            data_type(message.dtype),
            dims(message.shape),
            message.size,
            message.shard_id,
            message.offset,
            unmask(message.crc32c),
        )
        return segment, tuple(extents(piece) for piece in message.slices) or None
    except CheckpointError as error:
        return type(error)


def decoded(value: bytes) -> Entry | type[CheckpointError]:
    """By a buffer of each kind, which must not matter."""
    found = []
    for buffer in (value, memoryview(value)):
        try:
            found.append(decode_entry("t", buffer))
        except CheckpointError as error:
            found.append(type(error))  # type: ignore[arg-type]
    assert found[0] == found[1]
    return found[0]


def message_of(fields: list[tuple[str, Any]]) -> bytes:
    return b"".join(w._entry_fields({name: value})[0][1] for name, value in fields)


@given(st.lists(FIELDS, max_size=8))
def test_any_fields_in_any_order(fields: list[tuple[str, Any]]) -> None:
    value = message_of(fields)
    assert decoded(value) == by_protobuf(value)


@given(st.lists(FIELDS, max_size=8), st.integers(0, 60), st.integers(0, 255), st.booleans())
def test_any_change(fields: list[tuple[str, Any]], at: int, byte: int, cut: bool) -> None:
    ordered = sorted(fields, key=lambda field: w._ENTRY[field[0]][0])
    value = message_of(ordered) + w.bytes_field(9, b"new")
    value = value[:at] if cut else value[:at] + bytes([byte]) + value[at + 1 :]
    assert decoded(value) == by_protobuf(value)


@given(st.binary(max_size=30))
def test_any_bytes(value: bytes) -> None:
    assert decoded(value) == by_protobuf(value)


@given(
    st.integers(1, 33),
    st.lists(st.integers(0, 1 << 15), max_size=4).map(tuple),
    st.fixed_dictionaries(
        {
            "shard": st.integers(0, (1 << 31) - 1),
            "offset": st.integers(0, (1 << 63) - 1),
            "size": st.integers(0, (1 << 63) - 1),
            "crc": st.integers(0, (1 << 32) - 1),
        }
    ),
)
def test_what_the_writer_writes(dtype: int, shape: tuple[int, ...], place: dict[str, int]) -> None:
    found = decode_entry("t", w.entry(dtype, shape, **place))
    crc = unmask(place["crc"])
    numbers = place["size"], place["shard"], place["offset"], crc
    assert found == (("t", dtype, shape, *numbers), None)


@pytest.mark.parametrize("shape", [(), (0,), (2, 300), (1 << 40, 1)])
def test_every_changed_byte_of_dtype_and_shape(shape: tuple[int, ...]) -> None:
    sound = w.entry(1, shape, size=8, crc=1)
    for at in range(4 + sound[3]):
        for byte in range(256):
            value = sound[:at] + bytes([byte]) + sound[at + 1 :]
            assert decoded(value) == by_protobuf(value), value.hex()


def test_every_changed_byte_of_a_header() -> None:
    sound = w.header(1)
    for at in range(len(sound)):
        for byte in range(256):
            value = sound[:at] + bytes([byte]) + sound[at + 1 :]
            plain, longer = [], value + w.bytes_field(15, b"left to protobuf")
            for data in (value, longer):
                try:
                    plain.append(Header.decode(data))
                except CheckpointError as error:
                    plain.append(type(error))  # type: ignore[arg-type]
            assert plain[0] == plain[1] or at in (2, 3), value.hex()


def test_slices_as_stored() -> None:
    stored = [[(0, 2), (0, -1)], [(2, 1), (0, 3)]]
    segment, slices = decode_entry("t", w.entry(1, (3, 3), slices=stored, shard=7))
    assert slices == tuple(tuple(each) for each in stored)
    assert segment.shard == 7


def test_slices_again_and_again() -> None:
    """A few are left to whoever puts them together; very many, compressed, would take hours."""
    few = [[(0, -1)]] * 3
    assert decode_entry("t", w.entry(1, (3,), slices=few))[1] == (((0, -1),),) * 3
    with pytest.raises(UnsupportedError, match="more than 1,000 of its slices"):
        decode_entry("t", w.entry(1, (3,), slices=[[(0, -1)]] * 2000))
    apart = [[(i, 1)] for i in range(2000)]
    assert len(decode_entry("t", w.entry(1, (2000,), slices=apart))[1] or ()) == 2000


def test_header() -> None:
    assert Header.decode(bytes.fromhex("08 01 1a 02 08 01")) == Header(1, 0)
    assert Header.decode(w.header(12, endianness=1)) == Header(12, 1)
    assert Header.decode(b"") == Header(0, 0)
    assert Header.decode(w.header(3) + w.bytes_field(15, b"new")) == Header(3, 0)
    for junk in (b"\xff", b"\x08", b"\x1a\x05"):
        with pytest.raises(CheckpointError):
            Header.decode(junk)
