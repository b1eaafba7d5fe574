"""Tensors written out as protobuf: FORMAT 4.3 and 5.6."""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tfckpt_reader.encoding.wire_format import fields
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, UnsupportedError
from tfckpt_reader.tensor.dtypes import BY_NUMBER, DataType
from tfckpt_reader.tensor.tensor_proto import (
    Room,
    Variant,
    check_tensor_proto,
    decode_tensor_proto,
)
from tfckpt_reader.tensor.typed_values import FIELD, count_values, decode_values

# FORMAT 4.3 and 5.6: field by dtype number.
FIELDS = {1: 5, 2: 6, 7: 8, 8: 9, 18: 12, 9: 10, 10: 11, 14: 13, 19: 13, 22: 16, 23: 17}
FIELDS |= dict.fromkeys((3, 4, 5, 6, 11, 12, 13, 15, 16, 17, 29, 30, 31, 32), 7)
FIELDS |= dict.fromkeys((24, 25, 26, 27, 28, 33), 18)
NAMES = {number: name for name, number in w.DTYPES.items()}
QUANTISED = {11: "int8", 12: "uint8", 13: "int32", 15: "int16", 16: "uint16"}
NUMERIC = sorted(set(FIELDS) - {7})


def values(number: int) -> w.Typed:
    """Six values of a dtype, the extremes among them."""
    if number == 14 or number >= 24:
        pytest.importorskip("ml_dtypes")
    dtype = np.dtype(QUANTISED.get(number, NAMES.get(number, "")))
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        numbers: list[Any] = [limits.min, limits.max, 0, 1, limits.max // 2, limits.min]
    elif number in (29, 30, 31, 32):
        numbers = [0, 1, -1 if number in (29, 31) else 2, 1, 0, 1]
    else:
        numbers = [0, 1, -1, 1.5, -0.0, 2]
    return w.Typed(number, np.array(numbers, dtype))


def test_fields() -> None:
    assert {int(dtype): field for dtype, field in FIELD.items()} == FIELDS


@pytest.mark.parametrize("number", NUMERIC)
@pytest.mark.parametrize("packed", [True, False])
def test_every_dtype(number: int, packed: bool) -> None:
    tensor = values(number)
    proto = w.tensor_proto(w.Typed(number, tensor.array.reshape(2, 3)), packed=packed, label=True)
    found = decode_tensor_proto(memoryview(proto))
    assert found.dtype == tensor.array.dtype
    assert found.shape == (2, 3)
    assert found.flags.aligned
    assert found.tobytes() == tensor.array.tobytes()


@pytest.mark.parametrize("number", NUMERIC)
def test_packed_and_single_in_turn(number: int) -> None:
    tensor = values(number)
    runs = [(slice(0, 2), True), (slice(2, 3), False), (slice(3, 6), True)]
    data = b"".join(
        w.tensor_proto(w.Typed(number, tensor.array[part]), packed=packed) for part, packed in runs
    )
    parts = [(kind, value) for _, kind, value in fields(memoryview(data))]
    found = decode_values(parts, BY_NUMBER[number])
    assert found.tobytes() == tensor.array.tobytes()


@pytest.mark.parametrize("number", NUMERIC)
def test_content(number: int) -> None:
    tensor = values(number)
    content = w.dense_payload(tensor.array)
    proto = label(number, (3, 2)) + w.bytes_field(4, content)
    found = decode_tensor_proto(memoryview(proto))
    assert found.dtype == tensor.array.dtype
    assert found.shape == (3, 2)
    assert found.tobytes() == tensor.array.tobytes()
    for wrong in (content[:-1], content + b"\0", content * 2):
        with pytest.raises(CorruptCheckpointError, match="content"):
            decode_tensor_proto(memoryview(label(number, (3, 2)) + w.bytes_field(4, wrong)))


def label(number: int, shape: tuple[int, ...]) -> bytes:
    return w.int_field(1, number) + w.bytes_field(2, w.shape_proto(shape))


def test_content_of_which_not_every_bit_counts() -> None:
    """As in a data file (FORMAT 3.4): any byte but 0 is true, upper bits are ignored."""
    proto = label(10, (3,)) + w.bytes_field(4, b"\x00\x02\xff")
    found = decode_tensor_proto(memoryview(proto))
    assert found.view(np.uint8).tolist() == [0, 1, 1]
    pytest.importorskip("ml_dtypes")
    proto = label(29, (4,)) + w.bytes_field(4, b"\xf8\x1f\x20\x07")
    found = decode_tensor_proto(memoryview(proto))
    assert found.astype(int).tolist() == [-8, -1, 0, 7]
    assert found.tobytes() == b"\x08\x0f\x00\x07"


def test_strings() -> None:
    proto = w.tensor_proto(w.Strings([b"a\0", b"", b"\xff\0\0"], (3, 1)), label=True)
    found = decode_tensor_proto(memoryview(proto))
    assert found.dtype == object
    assert found.tolist() == [[b"a\0"], [b""], [b"\xff\0\0"]]
    short = label(7, (3,)) + w.bytes_field(8, b"x\0")
    assert decode_tensor_proto(memoryview(short)).tolist() == [b"x\0"] * 3


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_scalars_and_nothing(shape: tuple[int, ...]) -> None:
    array = np.ones(shape, np.float32)
    found = decode_tensor_proto(memoryview(w.tensor_proto(array, label=True)))
    assert_array_equal(found, array, strict=True)


def test_last_value_repeats() -> None:
    few = label(3, (5,)) + w.bytes_field(7, b"\x01\x02")
    assert decode_tensor_proto(memoryview(few)).tolist() == [1, 2, 2, 2, 2]
    none = label(10, (2, 2))
    assert decode_tensor_proto(memoryview(none)).tolist() == [[False] * 2] * 2
    many = label(3, (1,)) + w.bytes_field(7, b"\x01\x02")
    with pytest.raises(CorruptCheckpointError, match="more values"):
        decode_tensor_proto(memoryview(many))


def test_the_room_for_repeated_values_is_shared() -> None:
    """Then one value stays one value, and several are refused; those that are all there are not."""
    shape = w.bytes_field(2, w.shape_proto((100,)))
    one, two = (memoryview(w.int_field(1, 1) + shape + w.fixed32_field(5, 1) * n) for n in (1, 2))
    whole = memoryview(w.int_field(1, 1) + shape + w.fixed32_field(5, 1) * 100)
    room = Room(1000)
    for proto in (one, two):
        assert decode_tensor_proto(proto, room).strides == (4,)
    assert room.nbytes == 200
    assert decode_tensor_proto(one, room).strides == (0,)
    with pytest.raises(UnsupportedError, match="repeat"):
        decode_tensor_proto(two, room)
    assert decode_tensor_proto(whole, room).strides == (4,)


def test_a_value_that_stands_for_very_many() -> None:
    """A few bytes may not fill the memory."""
    one = label(1, (1 << 40,)) + w.bytes_field(5, struct.pack("<f", 1.5))
    found = decode_tensor_proto(memoryview(one))
    assert found.shape == (1 << 40,)
    assert found[12345] == 1.5
    assert not found.flags.writeable
    nothing = decode_tensor_proto(memoryview(label(9, (1 << 20, 1 << 20))))
    assert nothing[7, 7] == 0
    with pytest.raises(UnsupportedError, match="NumPy"):
        decode_tensor_proto(memoryview(label(2, (1 << 62,))))
    two = label(1, (1 << 40,)) + w.bytes_field(5, struct.pack("<2f", 1.5, 2))
    with pytest.raises(UnsupportedError):
        decode_tensor_proto(memoryview(two))
    texts = decode_tensor_proto(memoryview(label(7, (1 << 40,)) + w.bytes_field(8, b"a\0")))
    assert texts[1 << 39] == b"a\0"


@given(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), max_size=300))
def test_integers(numbers: list[int]) -> None:
    array = np.array(numbers, np.int32)
    for packed in (True, False):
        proto = w.tensor_proto(array, packed=packed, label=True)
        assert_array_equal(decode_tensor_proto(memoryview(proto)), array, strict=True)


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=100))
def test_low_bits_count(numbers: list[int]) -> None:
    packed = b"".join(map(w.varint, numbers))
    for number in (4, 5, 6, 17, 9):
        dtype = np.dtype(NAMES[number])
        found = decode_values([(2, memoryview(packed))], BY_NUMBER[number])
        expected = np.array(numbers, np.uint64).astype(f"u{dtype.itemsize}").view(dtype)
        assert_array_equal(found, expected, strict=True)


def test_varints_across_windows() -> None:
    """Packed integers are decoded a MiB at a time; one may lie on the border."""
    random = np.random.default_rng(0)
    array = (random.integers(0, 1 << 62, 300_000) >> random.integers(0, 62, 300_000)).astype("i8")
    proto = w.tensor_proto(array, label=True)
    assert len(proto) > 1 << 20
    assert_array_equal(decode_tensor_proto(memoryview(proto)), array, strict=True)


@pytest.mark.parametrize(
    "proto",
    [
        b"",  # dtype 0
        label(0, (1,)),
        label(101, (1,)),
        label(1, (-1,)),
        label(1, (1 << 40, 1 << 40)),
        label(1, (2,)) + w.bytes_field(5, bytes(7)),
        label(8, (2,)) + w.bytes_field(9, bytes(12)),
        label(1, (2,)) + w.int_field(5, 1),
        label(3, (2,)) + w.bytes_field(7, b"\x80\x80"),
        label(3, (2,)) + w.bytes_field(7, b"\x80" * 11 + b"\x01"),
        label(3, (2,)) + w.fixed32_field(7, 1),
        label(7, (2,)) + w.int_field(8, 1),
        label(1, (2,)) + b"\x2a\x7f",
        b"\x12\x02\xff\xff",
        label(24, (2,)) + w.int_field(18, 3),
    ],
)
def test_bad_protos(proto: bytes) -> None:
    with pytest.raises(CheckpointError):
        decode_tensor_proto(memoryview(proto))


@pytest.mark.parametrize("number", [99, 127])
def test_what_is_not_read(number: int) -> None:
    with pytest.raises(CheckpointError):
        decode_tensor_proto(memoryview(label(number, (1,))))


def variant(name: bytes, *tensors: bytes) -> bytes:
    return w.bytes_field(1, name) + b"".join(w.bytes_field(3, tensor) for tensor in tensors)


def variants(shape: tuple[int, ...], *messages: bytes) -> bytes:
    return label(21, shape) + b"".join(w.bytes_field(15, message) for message in messages)


def test_variants() -> None:
    inner = variants((), variant(b"inner", w.tensor_proto(np.arange(3), label=True)))
    proto = memoryview(variants((2,), variant(b"a", inner), variant(b"b")))
    check_tensor_proto(proto)
    found = decode_tensor_proto(proto)
    assert found.shape == (2,)
    assert not found.flags.writeable
    assert [element.type_name for element in found] == ["a", "b"]
    assert found[0].tensors[0].shape == ()
    assert found[0].tensors[0].item().tensors[0].tolist() == [0, 1, 2]


def test_fewer_variants_than_elements() -> None:
    last = decode_tensor_proto(memoryview(variants((3,), variant(b"a"), variant(b"b"))))
    assert [element.type_name for element in last] == ["a", "b", "b"]
    none = decode_tensor_proto(memoryview(variants((2,))))
    assert none.tolist() == [Variant("", b"", ())] * 2
    assert decode_tensor_proto(memoryview(variants((0,)))).shape == (0,)
    one = decode_tensor_proto(memoryview(variants((1 << 40,), variant(b"a"))))
    assert one.strides == (0,)
    with pytest.raises(UnsupportedError):
        decode_tensor_proto(memoryview(variants((200,), variant(b"a"), variant(b"b"))), Room(1000))


def test_more_variants_than_elements() -> None:
    proto = memoryview(variants((), variant(b"a"), variant(b"b")))
    for read in (decode_tensor_proto, check_tensor_proto):
        with pytest.raises(CorruptCheckpointError):
            read(proto)


@pytest.mark.parametrize("depth", [40, 60, 400])
def test_variants_inside_variants(depth: int) -> None:
    proto = variants((), variant(b"innermost"))
    for _ in range(depth - 1):
        proto = variants((), variant(b"", proto))
    for read in (decode_tensor_proto, check_tensor_proto):
        if depth == 40:
            read(memoryview(proto))
        else:
            with pytest.raises(UnsupportedError):
                read(memoryview(proto))


def test_resources_are_messages() -> None:
    message = w.bytes_field(1, b"/device:CPU:0") + w.bytes_field(3, b"table")
    proto = memoryview(label(20, (1,)) + w.bytes_field(14, message))
    check_tensor_proto(proto)
    assert decode_tensor_proto(proto).tolist() == [message]


@pytest.mark.parametrize("number", [7, 20, 21])
def test_content_of_elements_without_a_size(number: int) -> None:
    """No value is better than b"" in place of each."""
    proto = memoryview(label(number, (1,)) + w.bytes_field(4, b"\1a"))
    for read in (decode_tensor_proto, check_tensor_proto):
        with pytest.raises(UnsupportedError):
            read(proto)


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    try:
        found = decode_tensor_proto(memoryview(data))
    except CheckpointError:
        return
    assert isinstance(found, np.ndarray)


# What verification asks, without NumPy, comes to the same.


def outcome(read: Callable[[], object]) -> object:
    try:
        return read()
    except CheckpointError as error:
        return type(error)


def view(data: bytes) -> memoryview:
    return memoryview(data)


occurrences = st.lists(
    st.one_of(
        st.tuples(st.just(0), st.integers(0, (1 << 64) - 1)),
        st.tuples(st.just(1), st.binary(min_size=8, max_size=8).map(view)),
        st.tuples(st.just(2), st.binary(max_size=24).map(view)),
        st.tuples(st.just(2), st.lists(st.integers(0, (1 << 64) - 1), max_size=4).map(
            lambda numbers: view(b"".join(map(w.varint, numbers))))),
        st.tuples(st.just(5), st.binary(min_size=4, max_size=4).map(view)),
    ),
    max_size=4,
)  # fmt: skip


# To count values needs no NumPy type; to decode them does.
DECODED_HERE = [d for d in FIELD if find_spec("ml_dtypes") or not d.needs_ml_dtypes]


@given(occurrences, st.sampled_from(DECODED_HERE))
def test_as_many_are_counted_as_are_decoded(parts: Any, dtype: DataType) -> None:
    decoded = outcome(lambda: len(decode_values(parts, dtype)))
    assert outcome(lambda: count_values(parts, dtype)) == decoded


def test_varints_are_counted_across_windows() -> None:
    numbers = np.random.default_rng(0).integers(0, 1 << 20, 600_000)
    packed = w.tensor_proto(numbers.astype(np.int32))[1 + 3 :]
    assert len(packed) > 1 << 20
    part = (2, memoryview(packed))
    assert count_values([part, part], DataType.INT32) == 1_200_000


protos = st.one_of(
    st.binary(max_size=80),
    st.tuples(
        st.sampled_from([1, 3, 7, 9, 10, 14, 20, 21, 24, 29]),
        st.lists(st.integers(0, 3), max_size=3),
        st.integers(4, 18),
        st.binary(max_size=24),
    ).map(lambda of: label(of[0], tuple(of[1])) + w.bytes_field(of[2], of[3])),
)


@given(protos)
def test_what_is_checked_can_be_decoded(data: bytes) -> None:
    def check() -> str:
        check_tensor_proto(memoryview(data))
        return "sound"

    decoded = outcome(lambda: decode_tensor_proto(memoryview(data)))
    checked = outcome(check)
    if decoded is UnsupportedError:  # too large for NumPy, or of a type that is not read
        assert checked in ("sound", UnsupportedError)
    elif isinstance(decoded, np.ndarray):
        assert checked == "sound"
    else:
        assert checked == decoded
