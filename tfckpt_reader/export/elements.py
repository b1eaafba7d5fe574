"""Types that other formats lack, as the nearest wider type they have; every value stays exact.

Knows no file; needs NumPy but not ml_dtypes.

bfloat16 is the upper half of a float32. The 8-bit and 4-bit floats are decoded by their layout,
sign, exponent, mantissa: a table of 256 values each. "fn" types have no infinity, "fnuz" types no
negative zero either, and that one pattern is their only NaN.
"""

from __future__ import annotations

import threading
from functools import cache
from math import copysign, inf, nan
from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.dtypes import DataType, to_numpy

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


TARGETS = {
    "float32": DataType.FLOAT32,
    "float16": DataType.FLOAT16,
    "bfloat16": DataType.BFLOAT16,
}
"""What can be cast to, by name."""


_FLOATS = (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64)


class Cast:
    """Turns the bytes of one tensor into those of another type; counts what became infinite.

    Called with whole elements, little-endian, on any thread.
    """

    def __init__(self, source: DataType, target: DataType) -> None:
        self.overflows = 0
        """Finite numbers that the target type cannot hold: they became infinities."""
        self._source = source
        self._round = _to_bfloat16 if target is DataType.BFLOAT16 else _rounder(target)
        self._lock = threading.Lock()

    def __call__(self, piece: memoryview) -> memoryview:
        """Return the bytes of the elements in the target type."""
        import numpy as np

        numbers = _numbers(piece, self._source)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            rounded, infinite = self._round(numbers)
        overflows = int(np.count_nonzero(infinite & np.isfinite(numbers)))
        if overflows:
            with self._lock:
                self.overflows += overflows
        return rounded.view(np.uint8).data


def is_floating(dtype: DataType) -> bool:
    """Tell whether elements are floating-point numbers, not complex ones."""
    wider = widened(dtype)
    return dtype in _FLOATS or (wider is not None and wider[0] is DataType.FLOAT32)


def _numbers(piece: memoryview, dtype: DataType) -> NDArray[Any]:
    """Return numbers as NumPy has them; the types that it lacks are widened, exactly."""
    import numpy as np

    wider = widened(dtype)
    if wider is None:
        return np.frombuffer(piece, to_numpy(dtype).newbyteorder("<"))
    return np.frombuffer(wider[1](piece), to_numpy(wider[0]).newbyteorder("<"))


def _rounder(
    target: DataType,
) -> Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[np.bool_]]]:
    import numpy as np

    to = to_numpy(target).newbyteorder("<")

    def rounded(numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        found = numbers.astype(to)
        return found, np.isinf(found)

    return rounded


def _to_bfloat16(numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    import numpy as np

    single = _rounded_to_odd(numbers) if numbers.dtype.itemsize == 8 else numbers
    bits = single.astype("<f4").view("<u4")
    is_nan = np.isnan(numbers)
    # Half of the last bit that stays, less one if that bit is 0: so that ties go to even.
    kept = ((bits + (0x7FFF + (bits >> 16 & 1)).astype("<u4")) >> 16).astype("<u2")
    kept = np.where(is_nan, (bits >> 16 | 0x0040).astype("<u2"), kept).astype("<u2")
    return kept, (kept & 0x7FFF) == 0x7F80


def _rounded_to_odd(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Return float64 as float32, cut off, with the last bit set wherever anything was cut off."""
    import numpy as np

    single = numbers.astype("<f4")
    beyond = np.abs(single.astype("<f8")) > np.abs(numbers)
    bits = single.view("<u4").copy()
    bits[beyond] -= 1  # one step towards zero, also from infinity and across the subnormals
    inexact = bits.view("<f4").astype("<f8") != numbers
    inexact &= ~np.isnan(numbers)
    bits[inexact] |= 1
    return bits.view("<f4")
