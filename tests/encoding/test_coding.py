"""Varints, protobuf fields, ordered code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.encoding.coding import (
    decode_varint,
    decode_varint32,
    encode_ordered_number,
    encode_ordered_signed,
    encode_ordered_string,
    encode_varint,
)
from tfckpt_reader.encoding.wire_format import (
    FIXED32,
    FIXED64,
    LENGTH_DELIMITED,
    VARINT,
    fields,
    split_fields,
)
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError

U64 = (1 << 64) - 1
EDGES = sorted({max(0, (1 << k) + d) for k in range(65) for d in (-1, 0, 1)} - {1 << 64, U64 + 2})


# Bytes from the format's definition: base 128, low group first.
@pytest.mark.parametrize(
    ("n", "code"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "80 01"),
        (300, "ac 02"),
        (16383, "ff 7f"),
        (16384, "80 80 01"),
        (1 << 32, "80 80 80 80 10"),
        (U64, "ff ff ff ff ff ff ff ff ff 01"),
    ],
)
def test_varint_vectors(n: int, code: str) -> None:
    data = bytes.fromhex(code)
    assert decode_varint(data, 0, len(data)) == (n, len(data))
    assert decode_varint(memoryview(b"\xff" + data + b"\xff"), 1, len(data) + 1) == (
        n,
        len(data) + 1,
    )


@pytest.mark.parametrize("n", EDGES)
def test_varint_powers_of_two(n: int) -> None:
    data = w.varint(n)
    assert decode_varint(data, 0, len(data)) == (n, len(data))
    assert encode_varint(n) == data
    if n < 1 << 32:
        assert decode_varint32(data, 0, len(data)) == (n, len(data))
    else:
        with pytest.raises(CorruptCheckpointError):
            decode_varint32(data, 0, len(data))


@given(st.lists(st.integers(0, U64), max_size=20))
def test_varints_in_a_row(numbers: list[int]) -> None:
    data, offset, found = b"".join(map(w.varint, numbers)), 0, []
    while offset < len(data):
        number, offset = decode_varint(data, offset, len(data))
        found.append(number)
    assert found == numbers


@pytest.mark.parametrize("data", [w.varint(n) for n in (0, 128, 1 << 31, U64)])
def test_varint_never_passes_its_limit(data: bytes) -> None:
    for limit in range(len(data)):
        with pytest.raises(CorruptCheckpointError) as caught:
            decode_varint(data, 0, limit)
        assert caught.value.offset == 0
    with pytest.raises(CorruptCheckpointError) as caught:
        decode_varint(b"\x00" + data, len(data) + 1, len(data) + 1)
    assert caught.value.offset == len(data) + 1


def test_varint_forms() -> None:
    """Zeros at the end are let through; ten bytes are the most; bits above the 64th are dropped."""
    assert decode_varint(b"\x81\x80\x00", 0, 3) == (1, 3)
    assert decode_varint(b"\x80" * 9 + b"\x00", 0, 10) == (0, 10)
    assert decode_varint(b"\xff" * 9 + b"\x7f", 0, 10) == (U64, 10)
    with pytest.raises(CorruptCheckpointError):
        decode_varint(b"\x80" * 10 + b"\x00", 0, 11)


def test_varint32_forms() -> None:
    assert decode_varint32(b"\xff\xff\xff\xff\x0f", 0, 5) == ((1 << 32) - 1, 5)
    assert decode_varint32(b"\x81\x80\x00", 0, 3) == (1, 3)
    with pytest.raises(CorruptCheckpointError):
        decode_varint32(b"\x81" + b"\x80" * 4 + b"\x00", 0, 6)


FIELD = st.one_of(
    st.tuples(st.just(VARINT), st.integers(0, U64)),
    st.tuples(st.just(LENGTH_DELIMITED), st.binary(max_size=200)),
    st.tuples(st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


def encoded(number: int, kind: int, value: Any) -> bytes:
    tag = w.varint(number << 3 | kind)
    if kind == VARINT:
        return tag + w.varint(value)
    return tag + (w.varint(len(value)) if kind == LENGTH_DELIMITED else b"") + bytes(value)


@given(st.lists(st.tuples(st.integers(1, (1 << 29) - 1), FIELD), max_size=12))
def test_fields_round_trip(message: list[tuple[int, tuple[int, Any]]]) -> None:
    data = b"".join(encoded(number, *field) for number, field in message)
    found = [
        (number, (kind, value if isinstance(value, int) else bytes(value)))
        for number, kind, value in fields(memoryview(data))
    ]
    assert found == message


def test_fields_are_views() -> None:
    data = bytearray(w.bytes_field(2, b"abc"))
    ((_, _, value),) = fields(memoryview(data))
    assert isinstance(value, memoryview)
    data[-1] = ord("d")
    assert bytes(value) == b"abd"


@pytest.mark.parametrize(
    "message",
    [
        b"\x08",  # a key, and nothing
        b"\x80",  # half a key
        b"\x12\x05abc",  # longer than what is there
        b"\x12",
        w.varint(2 << 3 | 2) + w.varint(1 << 63),
        b"\x0d\0\0\0",  # three of four bytes
        b"\x09" + bytes(7),
        b"\x0b\x0c",  # a group
        b"\x0e\x00",  # wire types 6 and 7
        b"\x0f\x00",
        b"\x02\x00",  # field number 0
    ],
)
def test_bad_fields(message: bytes) -> None:
    good = w.int_field(1, 5)
    walk = fields(memoryview(good + message))
    assert next(walk) == (1, VARINT, 5)
    with pytest.raises(CorruptCheckpointError) as caught:
        next(walk)
    assert (caught.value.offset or 0) >= len(good)


# FORMAT 3.7, as it stands there.
NUMBERS = st.sampled_from([1, 2, 3, 5, 16, 200])
SIZES = st.one_of(st.integers(0, 140), st.sampled_from([127, 128, 16383, 16384, 70_000]))
FIELDS = st.one_of(
    st.tuples(NUMBERS, SIZES).map(lambda pair: w.bytes_field(pair[0], bytes(pair[1]))),
    st.tuples(NUMBERS, st.integers(0, U64)).map(lambda pair: w.int_field(*pair)),
    NUMBERS.map(lambda number: w.fixed32_field(number, 7)),
    NUMBERS.map(lambda number: w.varint(number << 3 | 1) + bytes(8)),
    st.sampled_from([1, 2, 3]).map(lambda number: bytes([number << 3 | 0x82, 0, 3]) + b"abc"),
)


@given(st.lists(FIELDS, max_size=20), st.data())
def test_split_fields(parts: list[bytes], data: st.DataObject) -> None:
    message = b"".join(parts)
    wanted, rest = split_fields(memoryview(message), (1, 3), 20)
    found = [
        [message[begin:end] for begin, end in zip(spans[::2], spans[1::2], strict=True)]
        for spans in wanted
    ]
    walked = list(fields(memoryview(message)))
    for number, values in zip((1, 3), found, strict=True):
        expected: list[Any] = [v for n, k, v in walked if (n, k) == (number, LENGTH_DELIMITED)]
        assert values == expected
    assert w.split_fields(rest) == [
        (number, raw)
        for number, raw in w.split_fields(message)
        if number not in (1, 3) or _key_kind(raw) != LENGTH_DELIMITED
    ]
    if message:
        cut = message[: data.draw(st.integers(1, len(message)))]
        assert _refused(lambda: split_fields(memoryview(cut), (1, 3), 20)) == _refused(
            lambda: list(fields(memoryview(cut)))
        )


def _key_kind(raw: bytes) -> int:
    return raw[0] & 7


def _refused(call: Callable[[], object]) -> str:
    try:
        call()
    except CorruptCheckpointError as error:
        return str(error)
    return ""


def test_split_fields_limits_the_number_of_values() -> None:
    message = memoryview(w.bytes_field(1, b"") * 3 + w.bytes_field(2, b"") * 3)
    assert len(split_fields(message, (1,), 3)[0][0]) == 6
    for numbers, most in (((1,), 2), ((1, 2), 5)):
        with pytest.raises(UnsupportedError, match=f"at most {most}"):
            split_fields(message, numbers, most)


SIGNED = [
    (-1, "7f"),
    (0, "80"),
    (1, "81"),
    (9, "89"),
    (63, "bf"),
    (64, "c040"),
    (8191, "dfff"),
    (8192, "e02000"),
    (1 << 20, "f0100000"),
    (1 << 27, "f808000000"),
    (1 << 34, "fc0400000000"),
    (1 << 55, "ff8080000000000000"),
    (1 << 62, "ffc04000000000000000"),
]


@pytest.mark.parametrize(("n", "code"), SIGNED)
def test_ordered_signed_vectors(n: int, code: str) -> None:
    assert encode_ordered_signed(n) == bytes.fromhex(code)


@pytest.mark.parametrize(
    ("n", "code"),
    [(0, "00"), (2, "01 02"), (255, "01 ff"), (256, "02 01 00"), (1 << 24, "04 01000000")],
)
def test_ordered_number_vectors(n: int, code: str) -> None:
    assert encode_ordered_number(n) == bytes.fromhex(code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "0001"),
        (b"foo", "666f6f0001"),
        (b"\x00\x01\xff", "00ff01ff000001"),
        (b"\xff\x00\xff", "ff0000ffff000001"),
        (b"\x00\x00", "00ff00ff0001"),
    ],
)
def test_ordered_string_vectors(text: bytes, code: str) -> None:
    assert encode_ordered_string(text) == bytes.fromhex(code)


INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(INT64, INT64)
def test_ordered_signed_sorts(a: int, b: int) -> None:
    assert (encode_ordered_signed(a) < encode_ordered_signed(b)) == (a < b)
    assert encode_ordered_signed(a) == w.ordered_signed(a)


@given(st.integers(0, U64), st.integers(0, U64))
def test_ordered_number_sorts(a: int, b: int) -> None:
    assert (encode_ordered_number(a) < encode_ordered_number(b)) == (a < b)
    assert encode_ordered_number(a) == w.ordered_number(a)


BYTES = st.lists(st.sampled_from(b"\x00\x01a\xfe\xff"), max_size=6).map(bytes)


@given(BYTES, BYTES)
def test_ordered_string_sorts(a: bytes, b: bytes) -> None:
    assert (encode_ordered_string(a) < encode_ordered_string(b)) == (a < b)
    assert encode_ordered_string(a) == w.ordered_string(a)
    assert a == b or not encode_ordered_string(a).startswith(encode_ordered_string(b))
