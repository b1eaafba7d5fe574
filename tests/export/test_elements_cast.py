"""Casting floating-point numbers, against exact arithmetic with fractions."""

from __future__ import annotations

import struct
from fractions import Fraction
from math import inf, isinf, isnan, nan

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tfckpt_reader.export.elements import Cast, is_floating
from tfckpt_reader.tensor.dtypes import DataType

BFLOAT16, FLOAT16, FLOAT32, FLOAT64 = (
    DataType.BFLOAT16,
    DataType.FLOAT16,
    DataType.FLOAT32,
    DataType.FLOAT64,
)


def of_bfloat16(bits: int) -> float:
    found: float = struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    return found


def nearest_bfloat16(number: float) -> int:
    """The bits of the nearest bfloat16; of two equally near the even one. Not for NaN."""
    sign = 0x8000 if struct.pack("<d", number)[7] & 0x80 else 0
    if isinf(number):
        return sign | 0x7F80
    size, low, high = Fraction(abs(number)), 0, 0x7F80
    while high - low > 1:  # the bits of positive numbers are in the numbers' own order
        middle = (low + high) // 2
        low, high = (middle, high) if Fraction(of_bfloat16(middle)) <= size else (low, middle)
    above = Fraction(2) ** 128 if high == 0x7F80 else Fraction(of_bfloat16(high))
    down, up = size - Fraction(of_bfloat16(low)), above - size
    return sign | (low if down < up or (down == up and low % 2 == 0) else high)


def cast(numbers: list[float], source: DataType, target: DataType) -> tuple[bytes, int]:
    kind = {FLOAT16: "<f2", FLOAT32: "<f4", FLOAT64: "<f8"}[source]
    caster = Cast(source, target)
    data = bytes(caster(memoryview(np.array(numbers, kind).tobytes())))
    smallest = 2.0**-14 if target is FLOAT16 else 2.0**-126
    after = of_floats(data, target)
    assert caster.underflows == sum(
        abs(a) < smallest and a != b for a, b in zip(numbers, after, strict=True)
    )
    return data, caster.overflows


def of_floats(data: bytes, kind: DataType) -> list[float]:
    if kind is BFLOAT16:
        return [of_bfloat16(int(bits)) for bits in np.frombuffer(data, "<u2")]
    numbers = np.frombuffer(data, {FLOAT16: "<f2", FLOAT32: "<f4"}[kind])
    return [float(number) for number in numbers]


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
@example([1.00390625, 1.01171875, 1.0039062500000002, 1.003906249999999])  # ties, and beside them
@example([3.3895313892515355e38, 3.39e38, 3.396e38, -3.5e38, 1e300, -inf])
@example([4.6e-41, 9.2e-41, 1e-45, 5e-324, -0.0, 4.591774807899561e-41])
def test_float64_to_bfloat16_is_rounded_once(numbers: list[float]) -> None:
    data, overflows = cast(numbers, FLOAT64, BFLOAT16)
    wanted = [nearest_bfloat16(number) for number in numbers]
    assert np.frombuffer(data, "<u2").tolist() == wanted
    pairs = zip(wanted, numbers, strict=True)
    assert overflows == sum(isinf(of_bfloat16(bits)) and not isinf(x) for bits, x in pairs)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5))
def test_float32_to_bfloat16(numbers: list[float]) -> None:
    data, _ = cast(numbers, FLOAT32, BFLOAT16)
    wanted = [nearest_bfloat16(number) for number in numbers]
    assert np.frombuffer(data, "<u2").tolist() == wanted


@pytest.mark.parametrize("source", [FLOAT16, FLOAT32, FLOAT64])
@pytest.mark.parametrize("target", [FLOAT16, FLOAT32, BFLOAT16])
def test_nan_stays_nan_and_infinity_infinity(source: DataType, target: DataType) -> None:
    data, overflows = cast([nan, inf, -inf, 0.0, -0.0], source, target)
    if target is BFLOAT16:
        found = [of_bfloat16(bits) for bits in np.frombuffer(data, "<u2").tolist()]
    else:
        found = np.frombuffer(data, "<f2" if target is FLOAT16 else "<f4").tolist()
    assert isnan(found[0])
    assert found[1:3] == [inf, -inf]
    assert [str(x) for x in found[3:]] == ["0.0", "-0.0"]
    assert overflows == 0


def test_a_nan_of_which_only_low_bits_are_set() -> None:
    data = bytes(Cast(FLOAT32, BFLOAT16)(memoryview(struct.pack("<I", 0x7F800001))))
    assert isnan(of_bfloat16(int.from_bytes(data, "little")))


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5))
@example([65504.0, 65519.996, 65520.0, -65536.0])
def test_float32_to_float16_counts_overflows(numbers: list[float]) -> None:
    data, overflows = cast(numbers, FLOAT32, FLOAT16)
    limit = Fraction(65520)  # half-way from the largest to the next that there would be
    beyond = [not isinf(x) and abs(Fraction(x)) >= limit for x in numbers]
    assert overflows == sum(beyond)
    for x, found in zip(numbers, np.frombuffer(data, "<f2").tolist(), strict=True):
        if not isinf(found):
            error = abs(Fraction(found) - Fraction(x))
            assert error <= max(abs(Fraction(x)) / 2048, Fraction(1, 2**25))


def test_small_floats_are_widened_first() -> None:
    caster = Cast(DataType.FLOAT8_E4M3FN, FLOAT16)
    assert np.frombuffer(caster(memoryview(bytes([0x38, 0xB8]))), "<f2").tolist() == [1.0, -1.0]


def test_which_types_are_floating() -> None:
    floating = {str(dtype) for dtype in DataType if is_floating(dtype)}
    assert {"float16", "float32", "float64", "bfloat16", "float8_e5m2"} <= floating
    assert not floating & {"int8", "int4", "bool", "complex64", "string", "variant", "qint8"}
