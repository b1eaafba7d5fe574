"""Types that other formats lack, as the nearest wider type they have; every value stays exact.

Rank 2: knows no file; needs NumPy but not ml_dtypes.

bfloat16 is the upper half of a float32. The 8-bit and 4-bit floats are decoded by their layout,
sign, exponent, mantissa: a table of 256 values each. "fn" types have no infinity, "fnuz" types no
negative zero either, and that one pattern is their only NaN.
"""

from __future__ import annotations

from functools import cache
from math import copysign, inf, nan
from typing import TYPE_CHECKING

from tfckpt_reader.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_SMALL_FLOATS: dict[DataType, tuple[int, int, int, str]] = {
    DataType.FLOAT8_E5M2: (5, 2, 15, "ieee"),
    DataType.FLOAT8_E4M3FN: (4, 3, 7, "fn"),
    DataType.FLOAT8_E4M3FNUZ: (4, 3, 8, "fnuz"),
    DataType.FLOAT8_E4M3B11FNUZ: (4, 3, 11, "fnuz"),
    DataType.FLOAT8_E5M2FNUZ: (5, 2, 16, "fnuz"),
    DataType.FLOAT4_E2M1FN: (2, 1, 1, "finite"),
}
"""Bits of exponent, bits of mantissa, bias, and which patterns are not numbers."""


@cache
def small_float_values(dtype: DataType) -> NDArray[np.float32]:
    """Return the value of each of the 256 bytes, for an 8-bit or 4-bit float type."""
    import numpy as np

    values = np.array([_small_float(byte, *_SMALL_FLOATS[dtype]) for byte in range(256)])
    return values.astype(np.float32)


def _small_float(byte: int, exponent_bits: int, mantissa_bits: int, bias: int, kind: str) -> float:
    width = exponent_bits + mantissa_bits
    byte &= (2 << width) - 1
    sign = -1.0 if byte >> width else 1.0
    magnitude = byte & ((1 << width) - 1)
    exponent, mantissa = magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1)
    top = (1 << exponent_bits) - 1
    if kind == "fnuz" and byte == 1 << width:
        return copysign(nan, sign)
    if kind == "fn" and magnitude == (1 << width) - 1:
        return copysign(nan, sign)
    if kind == "ieee" and exponent == top:
        return copysign(nan if mantissa else inf, sign)
    if exponent == 0:
        return sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
    return sign * (mantissa + (1 << mantissa_bits)) * 2.0 ** (exponent - bias - mantissa_bits)


def _widen_bfloat16(piece: memoryview) -> memoryview:
    import numpy as np

    return (np.frombuffer(piece, "<u2").astype("<u4") << 16).astype("<u4").view(np.uint8).data


def _sign_extender(bits: int) -> Callable[[memoryview], memoryview]:
    table = bytes(
        (((n & (1 << bits) - 1) ^ (1 << bits - 1)) - (1 << bits - 1)) & 0xFF for n in range(256)
    )
    return lambda piece: memoryview(bytes(piece).translate(table))


def _float_widener(dtype: DataType) -> Callable[[memoryview], memoryview]:
    import numpy as np

    table = small_float_values(dtype).astype("<f4")
    return lambda piece: table[np.frombuffer(piece, np.uint8)].view(np.uint8).data


def widened(dtype: DataType) -> tuple[DataType, Callable[[memoryview], memoryview]] | None:
    """Return the wider type for one that NumPy lacks, and what turns its bytes into that type's.

    The bytes are little-endian, canonical and whole elements, on both sides. None for a type
    that NumPy has.
    """
    if dtype is DataType.BFLOAT16:
        return DataType.FLOAT32, _widen_bfloat16
    if dtype in _SMALL_FLOATS:
        return DataType.FLOAT32, _float_widener(dtype)
    if dtype.bits:
        signed = not str(dtype).startswith("u")
        target = DataType.INT8 if signed else DataType.UINT8
        return target, _sign_extender(dtype.bits) if signed else memoryview
    return None
