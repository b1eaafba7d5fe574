"""Bytes of one tensor to an array."""

from __future__ import annotations

import struct
import tracemalloc
from array import array
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from tfckpt_reader.errors import (
    CheckpointError,
    ChecksumError,
    CorruptCheckpointError,
    UnsupportedError,
)
from tfckpt_reader.tensor.dense import array_factory, empty
from tfckpt_reader.tensor.dtypes import BY_NUMBER, DataType
from tfckpt_reader.tensor.strings import StringLengths, string_lengths, strings
from tfckpt_reader.tensor.tensor_proto import Variant, decode_variant
from tfckpt_reader.tensor.variant import variant_messages


def dense(
    data: memoryview, dtype: DataType, shape: tuple[int, ...], *, big_endian: bool = False
) -> NDArray[Any]:
    return array_factory(dtype, big_endian=big_endian)(data, shape)


PLAIN = ["float32", "float64", "int32", "uint8", "int16", "int8", "complex64", "int64"]
PLAIN += ["uint16", "complex128", "float16", "uint32", "uint64"]
SHAPES: list[tuple[int, ...]] = [(), (6,), (2, 3), (1, 2, 3), (0,), (2, 0, 3)]


def sample(dtype: str, shape: tuple[int, ...]) -> Any:
    count = int(np.prod(shape))
    return (np.arange(count) * 37 + 1).astype(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("shift", [0, 1])
def test_dense(dtype: str, shape: tuple[int, ...], big_endian: bool, shift: int) -> None:
    expected = sample(dtype, shape)
    payload = w.dense_payload(expected, big_endian=big_endian)
    data = memoryview(b"#" * shift + payload)[shift:]
    found = dense(data, BY_NUMBER[w.DTYPES[dtype]], shape, big_endian=big_endian)
    assert_array_equal(found, expected, strict=True)
    assert found.tobytes() == expected.tobytes()
    assert found.flags.aligned
    assert found.flags.c_contiguous
    assert not found.flags.writeable


def is_view(found: Any, data: memoryview) -> bool:
    return bool(np.shares_memory(found, np.frombuffer(data, np.uint8)))


def test_views_where_possible() -> None:
    buffer = np.arange(64, dtype=np.uint8)
    data = memoryview(buffer.data)
    assert is_view(dense(data[8:16], DataType.FLOAT32, (2,)), data)
    assert is_view(dense(data[3:7], DataType.INT8, (4,)), data)
    assert not is_view(dense(data[1:9], DataType.FLOAT32, (2,)), data)  # not aligned
    assert not is_view(dense(data[8:16], DataType.FLOAT32, (2,), big_endian=True), data)
    assert is_view(dense(data[8:16], DataType.UINT8, (8,), big_endian=True), data)
    assert is_view(dense(data[0:2], DataType.BOOL, (2,)), data)
    assert not is_view(dense(data[1:4], DataType.BOOL, (3,)), data)  # a 2 among them


def test_bools() -> None:
    data = bytes(range(256))
    found = dense(memoryview(data), DataType.BOOL, (256,))
    assert found.view(np.uint8).tolist() == [0] + [1] * 255
    scalar = dense(memoryview(b"\x80"), DataType.BOOL, ())
    assert scalar.view(np.uint8).tolist() == 1


@pytest.mark.parametrize(
    ("number", "low", "signed"), [(29, 4, True), (30, 4, False), (31, 2, True), (32, 2, False)]
)
def test_narrow_integers(number: int, low: int, signed: bool) -> None:
    """All 256 bytes: the low bits, with their sign."""
    pytest.importorskip("ml_dtypes")
    found = dense(memoryview(bytes(range(256))), BY_NUMBER[number], (256,))
    values = [byte % (1 << low) for byte in range(256)]
    if signed:
        values = [n - (1 << low) if n >> (low - 1) else n for n in values]
    assert found.astype(int).tolist() == values
    assert found.view(np.uint8).tolist() == [byte % (1 << low) for byte in range(256)]


def test_float4() -> None:
    pytest.importorskip("ml_dtypes")
    magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    found = dense(memoryview(bytes(range(256))), DataType.FLOAT4_E2M1FN, (256,))
    expected = ([*magnitudes, *(-m for m in magnitudes)]) * 16
    assert found.astype(float).tolist() == expected


def test_wrong_sizes_give_no_array() -> None:
    """Callers compare sizes before; were one to forget, noise must not come out."""
    for size in (0, 7, 9, 16):
        with pytest.raises((CheckpointError, ValueError)):
            dense(memoryview(bytes(size)), DataType.FLOAT32, (2,))


@pytest.mark.parametrize("dtype", [DataType.STRING, DataType.VARIANT, DataType.RESOURCE])
def test_bytes_are_not_taken_for_addresses(dtype: DataType) -> None:
    """NumPy would, and die."""
    with pytest.raises(CheckpointError):
        dense(memoryview(bytes(8)), dtype, (1,))


def test_more_than_numpy_holds() -> None:
    for shape in ((1 << 40, 1 << 20), (1,) * 70, (0,) * 70, (1 << 62, 0, 1 << 62)):
        with pytest.raises(UnsupportedError, match="more than"):
            empty(shape, DataType.FLOAT32)
    with pytest.raises(UnsupportedError):
        dense(memoryview(bytes(4)), DataType.FLOAT32, (1,) * 70)
    with pytest.raises(UnsupportedError):
        dense(memoryview(b""), DataType.FLOAT32, (0,) * 70)


# Strings


def front_of(data: bytes | bytearray, count: int, **options: bool) -> StringLengths:
    return string_lengths(memoryview(data), count, len(data), **options)


TEXTS = st.lists(st.one_of(st.binary(max_size=5), st.integers(120, 300).map(bytes)), max_size=20)


@given(texts=TEXTS, big_endian=st.booleans(), data=st.data())
def test_string_round_trip(texts: list[bytes], big_endian: bool, data: st.DataObject) -> None:
    payload, masked = w.string_payload(texts, big_endian=big_endian)
    view = memoryview(payload)
    front = front_of(payload, len(texts), big_endian=big_endian)
    assert front.lengths == array("Q", map(len, texts))
    assert front.end == len(payload)
    assert w.mask(w.crc(payload[front.begin :], front.crc)) == masked
    first = data.draw(st.integers(0, len(texts)))
    count = data.draw(st.integers(0, len(texts) - first))
    found = strings(view, front, first, count)
    assert found.dtype == object
    assert found.tolist() == texts[first : first + count]
    assert all(type(text) is bytes for text in found)
    with pytest.raises(ChecksumError):  # the checksum of no lengths too is other bytes
        front_of(payload, len(texts), big_endian=not big_endian)


def test_string_vectors() -> None:
    """FORMAT 2.8 and 3.5."""
    data = bytes.fromhex("02 00 78 27 0b 34 61 62")
    front = front_of(data, 2)
    assert (front.begin, front.end, w.mask(w.crc(b"ab", front.crc))) == (6, 8, 0x4DB08891)
    assert strings(memoryview(data), front, 0, 2).tolist() == [b"ab", b""]
    front = front_of(bytes.fromhex("00 a6 7b 11 3a"), 1)
    assert (front.begin, front.end) == (5, 5)
    front = front_of(bytes.fromhex("d8 ea 82 a2"), 0)
    assert (front.begin, front.end, w.mask(front.crc)) == (4, 4, 0x640CC1F6)
    nothing = front_of(b"", 0)
    assert (nothing.begin, nothing.end, list(nothing.lengths)) == (0, 0, [])


def test_lengths_that_do_not_match() -> None:
    payload = bytearray(w.string_payload([b"ab", b"c"])[0])
    payload[2] ^= 1
    with pytest.raises(ChecksumError, match="length checksum") as caught:
        front_of(payload, 2)
    assert caught.value.offset == 2
    assert list(front_of(payload, 2, check=False).lengths) == [2, 1]


@pytest.mark.parametrize("check", [True, False])
def test_lengths_past_the_end(check: bool) -> None:
    payload = w.string_payload([b"ab", b"c"])[0]
    for data, count in (
        (payload, 100),
        (payload, 1 << 40),
        (b"\x80" * 20, 2),
        (b"", 1),
        (b"\x01" * 8, 5),
    ):
        with pytest.raises(CorruptCheckpointError):
            front_of(data, count, check=check)


# Variants


def variant_of(values: list[tuple[bytes, bytes, list[bytes]]]) -> memoryview:
    return memoryview(w.variant_payload(values)[0])


TENSORS = [
    w.tensor_proto(np.array([[1, 2]], np.int64), label=True),
    w.tensor_proto(w.Strings([b"x"], ()), label=True),
]


def test_variant_messages() -> None:
    values = [
        (b"a", b"", []),
        (b"tensorflow::TensorList", b"\x00\x01\xff", TENSORS),
        (b"", b"", []),
    ]
    data = variant_of(values)
    messages, end, crc = variant_messages(data, 3)
    assert end == len(data)
    assert w.mask(crc) == w.variant_payload(values)[1]
    found = [decode_variant(message) for message in messages]
    assert [(v.type_name, v.metadata) for v in found] == [
        ("a", b""),
        ("tensorflow::TensorList", b"\x00\x01\xff"),
        ("", b""),
    ]
    assert_array_equal(found[1].tensors[0], np.array([[1, 2]], np.int64), strict=True)
    assert found[1].tensors[1].item() == b"x"
    assert variant_messages(memoryview(b""), 0) == ([], 0, 0)


def test_variant_damage() -> None:
    data = bytearray(variant_of([(b"kind", b"meta", TENSORS)] * 2))
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
        with pytest.raises(CorruptCheckpointError):
            variant_messages(memoryview(changed), 2)
    for size in range(len(data)):
        with pytest.raises(CorruptCheckpointError):
            variant_messages(memoryview(data[:size]), 2)
    for count in (3, 1 << 40):
        with pytest.raises(CorruptCheckpointError):
            variant_messages(memoryview(data), count)
    unchecked, _, _ = variant_messages(memoryview(data[:-1] + b"\xee"), 2, check=False)
    assert len(unchecked) == 2


def test_variant_length_of_2_63() -> None:
    data = w.varint(1 << 63) + bytes(20)
    with pytest.raises(CorruptCheckpointError):
        variant_messages(memoryview(data), 1)


def test_variant_of_odd_fields() -> None:
    """Of a field given twice the last counts; unknown ones, and those of a wrong kind, do not."""
    message = w.bytes_field(1, b"first") + w.bytes_field(1, b"\xff") + w.bytes_field(2, b"m")
    message += w.int_field(3, 5) + w.bytes_field(99, b"new") + w.int_field(1, 7)
    assert decode_variant(memoryview(message)) == Variant("\udcff", b"m", ())
    with pytest.raises(CheckpointError):
        decode_variant(memoryview(w.bytes_field(3, b"\xff")))


def test_values_that_repeat_in_a_variant_take_no_memory_to_speak_of() -> None:
    """There may be very many tensors, each of which a few bytes say."""
    label = w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((1 << 18,)))
    one = label + w.fixed32_field(5, 0x3F800000)
    proto = w.bytes_field(3, label) + w.bytes_field(3, one)
    tracemalloc.start()
    tensors = decode_variant(memoryview(proto * 20)).tensors
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert [tensor.shape for tensor in tensors] == [(1 << 18,)] * 40
    assert tensors[0].max() == 0
    assert tensors[-1].min() == 1
    with pytest.raises(UnsupportedError):
        decode_variant(memoryview(w.bytes_field(3, one + w.fixed32_field(5, 0))))


def test_values_that_repeat_a_little_in_a_variant() -> None:
    label = w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((5,)))
    two = label + w.bytes_field(7, b"\x01\x02")
    (tensor,) = decode_variant(memoryview(w.bytes_field(3, two))).tensors
    assert tensor.tolist() == [1, 2, 2, 2, 2]
    assert tensor.flags.c_contiguous


def test_variant_tensors_are_read_only() -> None:
    found = decode_variant(memoryview(w.bytes_field(1, b"k") + w.bytes_field(3, TENSORS[0])))
    assert not found.tensors[0].flags.writeable
    content = w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((1,)))
    raw = content + w.bytes_field(4, struct.pack("<i", -5))
    found = decode_variant(memoryview(w.bytes_field(3, raw)))
    assert found.tensors[0].tolist() == [-5]
    assert not found.tensors[0].flags.writeable


@pytest.mark.parametrize("big_endian", [False, True])
def test_very_many_strings(big_endian: bool) -> None:
    """Their lengths are summed part by part, and no length is left out."""
    texts = [b"x" * (i % 5) for i in range((1 << 16) + 3)]
    payload, crc = w.string_payload(texts, big_endian=big_endian)
    data = memoryview(payload)
    front = string_lengths(data, len(texts), big_endian=big_endian)
    assert w.mask(w.crc(payload[front.begin : front.end], front.crc)) == crc
    assert strings(data, front, 0, len(texts)).tolist() == texts
