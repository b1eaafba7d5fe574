"""Convert elements to another type: to the next wider type, exactly, or to a chosen float, rounded.

Knows no file; needs NumPy but not ml_dtypes. All bytes are whole little-endian elements.

bfloat16 is the upper half of a float32. The 8-bit and 4-bit floats are decoded by their layout,
sign, exponent, mantissa: a table of 256 values each. "fn" types have no infinity, "fnuz" types no
negative zero either, and the pattern of that zero is their only NaN.
"""

from __future__ import annotations

import threading
from functools import cache, partial
from math import copysign, inf, nan
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.tensor.dtypes import DataType, to_numpy

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Encode = Callable[[memoryview], memoryview]
    """Converts whole little-endian elements to as many of another type. Called on any thread."""

_SMALL_FLOATS: dict[DataType, tuple[int, int, int, str]] = {
    DataType.FLOAT8_E5M2: (5, 2, 15, "ieee"),
    DataType.FLOAT8_E4M3FN: (4, 3, 7, "fn"),
    DataType.FLOAT8_E4M3FNUZ: (4, 3, 8, "fnuz"),
    DataType.FLOAT8_E4M3B11FNUZ: (4, 3, 11, "fnuz"),
    DataType.FLOAT8_E5M2FNUZ: (5, 2, 16, "fnuz"),
    DataType.FLOAT4_E2M1FN: (2, 1, 1, "finite"),
}
"""Bits of exponent, bits of mantissa, bias, and the kind, for the NaNs."""


class Encoding(NamedTuple):
    """A type for the elements of a tensor, and the conversion to it."""

    dtype: DataType
    encode: Encode | None = None
    """None: the elements stay as they are."""

    def after(self, first: Encode | None) -> Encoding:
        """Return the encoding that converts the elements with `first` beforehand."""
        if first is None:
            return self
        then = self.encode
        return self._replace(encode=first if then is None else partial(_both, first, then))


# Encoders are functions with a name, which can be pickled.


def _both(first: Encode, then: Encode, data: memoryview) -> memoryview:
    return then(first(data))


@cache
def widened(dtype: DataType) -> Encoding | None:
    """Return a type missing in NumPy as a wider type; None for NumPy's own types."""
    if dtype is DataType.BFLOAT16:
        return Encoding(DataType.FLOAT32, _widen_bfloat16)
    if dtype in _SMALL_FLOATS:
        return Encoding(DataType.FLOAT32, _small_float_widener(dtype))
    if dtype.bits and str(dtype).startswith("u"):
        return Encoding(DataType.UINT8)
    if dtype.bits:
        return Encoding(DataType.INT8, _sign_extender(dtype.bits))
    return None


def _widen_bfloat16(data: memoryview) -> memoryview:
    import numpy as np

    return (np.frombuffer(data, "<u2").astype("<u4") << 16).astype("<u4").view(np.uint8).data


def _sign_extender(bits: int) -> Encode:
    table = bytes(
        (((n & (1 << bits) - 1) ^ (1 << bits - 1)) - (1 << bits - 1)) & 0xFF for n in range(256)
    )
    return partial(_translated, table)


def _translated(table: bytes, data: memoryview) -> memoryview:
    return memoryview(bytes(data).translate(table))


def _small_float_widener(dtype: DataType) -> Encode:
    import numpy as np

    table = np.array([_small_float(byte, *_SMALL_FLOATS[dtype]) for byte in range(256)], "<f4")
    return partial(_values_in, table)


def _values_in(table: NDArray[np.float32], data: memoryview) -> memoryview:
    import numpy as np

    return table[np.frombuffer(data, np.uint8)].view(np.uint8).data


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


CAST_TYPES = {str(t): t for t in (DataType.FLOAT32, DataType.FLOAT16, DataType.BFLOAT16)}
"""Values of the option ``cast`` -> type."""
_SMALLEST_NORMAL = {
    DataType.FLOAT32: 2.0**-126,
    DataType.FLOAT16: 2.0**-14,
    DataType.BFLOAT16: 2.0**-126,
}
"""Smaller numbers lose digits, or become zero."""

_NUMPY_FLOATS = (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64)


def is_floating(dtype: DataType) -> bool:
    """Return whether elements are floating-point numbers, not complex ones."""
    return (widened(dtype) or Encoding(dtype)).dtype in _NUMPY_FLOATS


class Cast:
    """Rounds the elements of one tensor to another type, and counts the damage.

    May be called on any thread.

    Args:
        source: The tensor's dtype, a floating-point type.
        target: One of `CAST_TYPES`.
    """

    def __init__(self, source: DataType, target: DataType) -> None:
        self._source = source
        self.target = target
        self.overflows = 0
        """Finite numbers too large for the target type: they became infinities."""
        self.underflows = 0
        """Numbers too small for the target type: they became zero, or lost digits as subnormals."""
        wide_type, self._widen = widened(source) or Encoding(source)
        self._wide = to_numpy(wide_type).newbyteorder("<")
        self._lock = threading.Lock()

    def __call__(self, data: memoryview) -> memoryview:
        """Return the bytes of the elements in the target type."""
        import numpy as np

        numbers = np.frombuffer(self._widen(data) if self._widen else data, self._wide)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            rounded, infinite = _rounded(numbers, self.target)
        overflows = int(np.count_nonzero(infinite & np.isfinite(numbers)))
        underflows = _underflows(numbers, rounded, self.target)
        if overflows or underflows:
            self.add(overflows, underflows)
        return rounded.view(np.uint8).data

    def add(self, overflows: int, underflows: int) -> None:
        """Count more damage, done here or in another process."""
        with self._lock:
            self.overflows += overflows
            self.underflows += underflows

    def drain(self) -> tuple[int, int]:
        """Return overflows and underflows, and begin to count from 0."""
        with self._lock:
            counts = self.overflows, self.underflows
            self.overflows = self.underflows = 0
        return counts

    def __reduce__(self) -> tuple[Any, ...]:
        return Cast, (self._source, self.target)


def _rounded(numbers: NDArray[Any], target: DataType) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the numbers rounded to the nearest, and a mask of the infinite ones."""
    import numpy as np

    if target is DataType.BFLOAT16:
        bits = _bfloat16_bits(numbers)
        return bits, (bits & 0x7FFF) == 0x7F80
    rounded = numbers.astype(to_numpy(target).newbyteorder("<"))
    return rounded, np.isinf(rounded)


def _underflows(numbers: NDArray[Any], rounded: NDArray[Any], target: DataType) -> int:
    """Return how many numbers are below the target's normal range and were changed by rounding."""
    import numpy as np

    small = np.abs(numbers) < _SMALLEST_NORMAL[target]
    if not small.any():
        return 0
    after = rounded[small]
    if target is DataType.BFLOAT16:
        after = (after.astype("<u4") << 16).view("<f4")
    return int(np.count_nonzero(after.astype("<f8") != numbers[small].astype("<f8")))


def _bfloat16_bits(numbers: NDArray[Any]) -> NDArray[np.uint16]:
    import numpy as np

    single = _rounded_to_odd(numbers) if numbers.dtype.itemsize == 8 else numbers
    bits = single.astype("<f4").view("<u4")
    # Half of the last bit that stays, less one if that bit is 0: so that ties go to even.
    upper = ((bits + (0x7FFF + (bits >> 16 & 1)).astype("<u4")) >> 16).astype("<u2")
    return np.where(np.isnan(numbers), (bits >> 16 | 0x0040).astype("<u2"), upper).astype("<u2")


def _rounded_to_odd(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Return float64 as float32, truncated, with the last bit set wherever bits are lost.

    Rounding this to bfloat16 equals rounding the float64 once.
    """
    import numpy as np

    single = numbers.astype("<f4")
    beyond = np.abs(single.astype("<f8")) > np.abs(numbers)
    bits = single.view("<u4").copy()
    bits[beyond] -= 1  # one step towards zero, also from infinity and across the subnormals
    inexact = bits.view("<f4").astype("<f8") != numbers
    inexact &= ~np.isnan(numbers)
    bits[inexact] |= 1
    return bits.view("<f4")
