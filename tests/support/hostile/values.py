"""Groups 21 to 23: values."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import writers as w

from hostile.case import Case, Fails, corrupt, ml_dtypes
from hostile.good import GOOD, VALUES, bundle, set_entry
from hostile.rows import harmless
from tfckpt_reader.errors import (
    ChecksumError,
    TruncatedError,
    UnsupportedError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


def values() -> Iterator[Case]:  # noqa: PLR0915 - a list of cases
    strings = [b"x", b"", b"yz"]
    good, good_crc = w.string_payload(strings)
    lengths_crc = Fails(ChecksumError, "length checksum")
    mismatch = Fails(ChecksumError, "does not match")
    too_few = corrupt("too few bytes for")
    endless = corrupt("varint does not end")

    def string(  # noqa: PLR0917
        name: str, what: str, payload: bytes, fails: Any, crc: int | None = None, shape: Any = (3,),
        size: int | None = None, **more: Any,
    ) -> Case:
        tensors = {**GOOD, "s": w.Raw(7, shape, payload, crc), "w": GOOD["w"]}
        edit = None if size is None else set_entry("s", size=size)
        return Case(
            21, f"string-{name}", what, bundle(edit, tensors), {**VALUES, "s": fails}, **more
        )

    def sealed(lengths: Sequence[int], data: bytes) -> tuple[bytes, int]:
        summed = b"".join(struct.pack("<I" if n < 1 << 32 else "<Q", n) for n in lengths)
        checksum = w.masked(summed)
        payload = b"".join(map(w.varint, lengths)) + checksum + data
        return payload, w.mask(w.crc(checksum + data, w.crc(summed)))

    right = w.typed(GOOD["s"])[1]
    yield string("lengths-flipped", "a length is 2, not 1", b"\2" + good[1:], lengths_crc, good_crc)
    yield string(
        "length-crc-0", "the checksum of the lengths is 0", good[:3] + bytes(4) + good[7:],
        lengths_crc, good_crc,
    )
    yield string("data-flipped", "a byte of a string", good[:-1] + b"Z", mismatch, good_crc)
    yield string("crc-wrong", "the tensor's crc", good, mismatch, 5)
    for name, lengths in (
        ("2-40", (1 << 40, 0, 2)), ("2-63", (1 << 63, 0, 2)), ("2-64", ((1 << 64) - 1, 0, 2)),
        ("2-32", (1 << 32, 0, 2)),
    ):
        payload, crc = sealed(lengths, b"xyz")
        yield string(
            f"length-{name}", f"a length of 2^{name[2:]}, its checksum right", payload,
            Fails(TruncatedError, "past the end of the file"), crc,
            measured="SIGSEGV at get_tensor" if name == "2-40" else "",
        )
    payload, crc = sealed((1, 0, 90), b"xyz")
    yield string(
        "lengths-past-file", "lengths that run past the file", payload,
        Fails(TruncatedError, "past the end of the file"), crc,
    )
    yield string(
        "varint-11-bytes", "a length of 11 bytes", b"\x80" * 10 + b"\1" + good, endless, good_crc
    )
    yield string("varints-endless", "no end in the lengths", b"\xff" * 30, endless)
    long_lengths = b"\x81\0" + good[1:]
    yield string(
        "varint-long", "a length in a longer varint than needed", long_lengths, right, good_crc
    )
    yield string(
        "size-3-short", "size 3 bytes smaller than what the strings take", good, right, good_crc,
        size=len(good) - 3,
    )
    yield string("size-3-long", "size 3 bytes larger", good, right, good_crc, size=len(good) + 3)
    yield string("size-0", "size 0 for 3 strings", good, too_few, good_crc, size=0)
    negative = corrupt("position is negative")
    yield string("size-minus-5", "size -5", good, negative, good_crc, size=-5)
    yield string(
        "size-past-file", "size past the file", good, Fails(TruncatedError, "ends before"),
        good_crc, size=5000,
    )
    yield string(
        "size-2-40", "size 2^40", good, Fails(TruncatedError, "ends before"), good_crc,
        size=1 << 40, stricter="TensorFlow refuses sizes past the file only up to some MiB",
    )
    yield string("count-4", "shape [4] for 3 strings", good, lengths_crc, good_crc, shape=(4,))
    yield string("count-2", "shape [2] for 3 strings", good, lengths_crc, good_crc, shape=(2,))
    for power in (20, 31, 40, 62):
        yield string(
            f"count-2-{power}", f"shape [2^{power}] for 3 strings", good, too_few, good_crc,
            shape=(1 << power,),
        )
    yield string(
        "none", "no strings, and their 4 bytes", w.string_payload([])[0], np.empty((0,), object),
        w.string_payload([])[1], shape=(0,),
    )
    yield string(
        "none-0-bytes", "no strings in 0 bytes", b"", np.empty((0,), object), w.mask(0), shape=(0,)
    )
    yield from _variants()
    yield from _odd_values()


def _is_bomb(array: Any) -> bool:
    """One value that stands for 2^40 takes no memory."""
    (tensor,) = array[0].tensors
    return bool(tensor.shape == (1 << 40,) and tensor[-1] == np.uint32(1).view(np.float32))


def _holds_an_empty_variant(array: Any) -> bool:
    """A variant without a value is an empty one, inside another too."""
    (tensor,) = array[0].tensors
    (inner,) = tensor.tolist()
    return bool(tensor.shape == (1,) and not inner.type_name and not inner.tensors)


def _variants() -> Iterator[Case]:
    item = w.tensor_proto(np.array([1, 2], np.int32), label=True)
    payload, crc = w.variant_payload([(b"tensorflow::TensorList", b"m", [item])])
    checksum = Fails(ChecksumError, "checksum of a variant")

    def variant(
        name: str, what: str, raw: bytes, fails: Any, masked: int, shape: Any = (1,), **more: Any
    ) -> Case:
        return Case(
            22, f"variant-{name}", what,
            bundle(tensors={"v": w.Raw(21, shape, raw, masked), "a": GOOD["a"]}),
            {"a": VALUES["a"], "v": fails}, **more,
        )

    def of(tensor: bytes, more: bytes = b"") -> tuple[bytes, int]:
        return w.variant_payload([(b"t", b"", [tensor + more])])

    yield variant(
        "cut", "the last byte is missing", payload[:-1], corrupt("variant runs past"), crc
    )
    yield variant(
        "flipped", "a byte of the message", payload[:9] + b"!" + payload[10:], checksum, crc
    )
    yield variant(
        "length-2-63", "a length of 2^63", w.varint(1 << 63) + payload[1:],
        corrupt("variant runs past"), crc,
    )
    yield variant(
        "count-2-40", "shape [2^40]", payload, corrupt("too few bytes for"), crc, (1 << 40,)
    )
    yield variant(
        "crc-wrong", "the tensor's crc", payload, Fails(ChecksumError, "does not match"), 7
    )
    for name, tensor, what, fails in (
        ("garbage", b"\xff\xff", "a tensor that is no message", corrupt("")),
        (
            "dtype-99", w.int_field(1, 99), "a tensor of dtype 99",
            Fails(UnsupportedError, "are not read"),
        ),
        (
            "dim-minus-1", w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((-1,))),
            "a tensor of shape [-1]", corrupt("shape cannot be"),
        ),
        (
            "bomb",
            w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((1 << 40,))) + w.fixed32_field(5, 1),
            "one float for 2^40", _is_bomb,
        ),
        (
            "values-too-many",
            w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((1,))) + w.bytes_field(7, b"\1\2"),
            "two values for one element", corrupt("more values than elements"),
        ),
        (
            "content-short",
            w.int_field(1, 3) + w.bytes_field(2, w.shape_proto((2,))) + w.bytes_field(4, bytes(7)),
            "7 bytes of content for 8", corrupt("content does not fit"),
        ),
        (
            "nested", w.int_field(1, 21) + w.bytes_field(2, w.shape_proto((1,))),
            "a tensor of variants", _holds_an_empty_variant,
        ),
        (
            "empty-2-62", w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((0, 1 << 62))),
            "no elements in shape (0, 2^62)", Fails(UnsupportedError, ""),
        ),
        (
            "rank-100",
            w.int_field(1, 3)
            + w.bytes_field(2, w.shape_proto((1,) * 100))
            + w.bytes_field(7, b"\1"), "100 axes", Fails(UnsupportedError, ""),
        ),
        (
            "content-rank-100",
            w.int_field(1, 3)
            + w.bytes_field(2, w.shape_proto((1,) * 100))
            + w.bytes_field(4, bytes(4)), "100 axes, and content", Fails(UnsupportedError, ""),
        ),
        (
            "repeat-rank-100",
            w.int_field(1, 7)
            + w.bytes_field(2, w.shape_proto((1,) * 99 + (2,)))
            + w.bytes_field(8, b"s"), "100 axes of strings", Fails(UnsupportedError, ""),
        ),
    ):
        raw, masked = of(tensor)
        yield variant(f"tensor-{name}", what, raw, fails, masked)


def _odd_values() -> Iterator[Case]:
    def raw(
        name: str, what: str, dtype: int, stored: bytes, shape: tuple[int, ...], value: Any
    ) -> Case:
        return harmless(
            23, name, what, bundle(tensors={"x": w.Raw(dtype, shape, stored)}), values={"x": value}
        )

    yield raw(
        "bool-bytes", "bools stored as 0, 1, 2 and 255", 10, bytes([0, 1, 2, 255]), (4,),
        np.array([False, True, True, True]),
    )
    yield raw("bool-one-odd", "a bool scalar stored as 128", 10, b"\x80", (), np.array(True))
    nibbles = bytes([0xF8, 0x1F, 0x20, 0x07])
    yield raw(
        "int4-high-bits", "int4 with high bits set", 29, nibbles, (4,),
        np.array([-8, -1, 0, 7]).astype(ml_dtypes.int4),
    )
    yield raw(
        "uint4-high-bits", "uint4 with high bits set", 30, nibbles, (4,),
        np.array([8, 15, 0, 7]).astype(ml_dtypes.uint4),
    )
    yield raw(
        "int2-high-bits", "int2 with high bits set", 31, bytes([0xFE, 0x01, 0x30]), (3,),
        np.array([-2, 1, 0]).astype(ml_dtypes.int2),
    )
    for name, number, unsigned, bits in (
        ("float32", 1, "<u4", (0x7FC00001, 0xFF800001, 0x80000000, 1, 0x807FFFFF, 0x7F800000)),
        ("float64", 2, "<u8", (0x7FF8000000000001, 0xFFF0000000000001, 1 << 63, 1, (1 << 52) - 1)),
        ("float16", 19, "<u2", (0x7E01, 0xFC01, 0x8000, 1, 0x83FF)),
        ("bfloat16", 14, "<u2", (0x7FC1, 0xFF81, 0x8000, 1, 0x807F)),
        ("float8_e5m2", 24, "u1", (0x7F, 0xFD, 0x80, 1, 0x83)),
        ("complex64", 8, "<u4", (0x7FC00001, 0x80000000, 1, 0xFF800001)),
    ):
        stored = np.array(bits, unsigned)
        value = stored.astype(stored.dtype.newbyteorder("=")).view(np.dtype(name))
        yield raw(
            f"bits-{name}", f"NaN payloads, -0 and subnormals of {name}", number, stored.tobytes(),
            value.shape, value,
        )
