"""Scan the numbers of a tensor: NaN, infinities, only zeros, one number, or only denormals.

Knows no file; needs NumPy but not ml_dtypes.

No arithmetic is done: as unsigned integers, the bits of floats without their sign sort in the order
of the numbers, with infinity and NaN at the end. The same few steps serve all types.

Reported are:

* NaN and infinities, in every tensor of floats, of any shape or use.
* Only zeros, or only one number, in weights: two axes longer than 1, and no slot of an optimizer.
  Biases and running means begin as zeros, scales and running variances as ones, and the slots of
  frozen weights stay zero: a sound checkpoint has dozens, and they would hide a real one.
* Only denormals (every non-zero number is below the least normal one), of one axis or more and no
  slot: decayed away, or read in the wrong byte order. Types of 8 bits are exempt, since denormals
  are a fair share of their numbers.
* Nothing of integers, bools and strings, where a constant is usually intended.
"""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.objects.role_patterns import is_slot
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class Bits(NamedTuple):
    """Bit patterns of a type's numbers."""

    size: int
    """Bytes of a number: half of a complex one."""
    largest: int
    """Bits of the largest finite number."""
    infinity: int
    """Bits of infinity; -1 without one."""
    least: int
    """Bits of the least normal number."""
    lone_nan: bool = False
    """The only NaN has the bits of minus zero, and not bits above `largest`."""


_DOUBLE = Bits(8, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0x0010000000000000)
_SINGLE = Bits(4, 0x7F7FFFFF, 0x7F800000, 0x00800000)
FLOATS: dict[DataType, Bits] = {
    DataType.FLOAT64: _DOUBLE,
    DataType.COMPLEX128: _DOUBLE,
    DataType.FLOAT32: _SINGLE,
    DataType.COMPLEX64: _SINGLE,
    DataType.FLOAT16: Bits(2, 0x7BFF, 0x7C00, 0x0400),
    DataType.BFLOAT16: Bits(2, 0x7F7F, 0x7F80, 0x0080),
    DataType.FLOAT8_E5M2: Bits(1, 0x7B, 0x7C, 0x04),
    DataType.FLOAT8_E4M3FN: Bits(1, 0x7E, -1, 0x08),
    DataType.FLOAT8_E5M2FNUZ: Bits(1, 0x7F, -1, 0x04, lone_nan=True),
    DataType.FLOAT8_E4M3FNUZ: Bits(1, 0x7F, -1, 0x08, lone_nan=True),
    DataType.FLOAT8_E4M3B11FNUZ: Bits(1, 0x7F, -1, 0x08, lone_nan=True),
}
"""Types with a NaN. float4 has none, and few numbers at all."""


class Scan(NamedTuple):
    """Summary of some numbers. An empty one has no elements."""

    elements: int
    nan: int
    """Number of NaN elements."""
    infinite: int
    """Number of infinite elements."""
    first: int
    """Byte of the first NaN or infinity, from the start of the segment; or -1."""
    largest: int
    """Greatest bits without the sign."""
    low: int
    """Least bits."""
    high: int
    """Greatest bits."""


def scan(window: memoryview, dtype: DataType, begin: int = 0) -> Scan:
    """Scan little-endian, normalised numbers, `begin` bytes into their segment."""
    import numpy as np

    bits = FLOATS[dtype]
    patterns = np.frombuffer(window, f"<u{bits.size}")
    if not patterns.size:
        return _NOTHING
    sign = 1 << 8 * bits.size - 1
    low, high = int(patterns.min()), int(patterns.max())
    if high < sign:
        unsigned, largest = patterns, high
    else:
        unsigned = patterns & patterns.dtype.type(sign - 1)
        largest = int(unsigned.max())
    count = patterns.size * bits.size // dtype.itemsize
    if largest <= bits.largest and not (bits.lone_nan and high >= sign):
        return Scan(count, 0, 0, -1, largest, low, high)
    above = (unsigned > bits.largest) & (unsigned != bits.infinity)
    nan = patterns == sign if bits.lone_nan else above
    infinite = unsigned == bits.infinity if bits.infinity > 0 else np.zeros(1, bool)
    first = [int(mask.argmax()) * bits.size for mask in (nan, infinite) if mask.any()]
    offset = begin + min(first) if first else -1
    counts = _elements(nan, dtype), _elements(infinite, dtype)
    return Scan(count, *counts, offset, largest, low, high)


_NOTHING = Scan(0, 0, 0, -1, 0, 0, 0)


def _elements(mask: NDArray[Any], dtype: DataType) -> int:
    """Return the number of elements with a marked number; complex ones have two."""
    import numpy as np

    pairs = dtype in (DataType.COMPLEX64, DataType.COMPLEX128) and mask.size > 1
    return int(np.count_nonzero(mask.reshape(-1, 2).any(1) if pairs else mask))


def merge(scans: Sequence[Scan]) -> Scan:
    """Return the scan of all these numbers, given in the order of their offsets."""
    some = [each for each in scans if each.elements]
    if not some:
        return _NOTHING
    return Scan(
        sum(each.elements for each in some),
        sum(each.nan for each in some),
        sum(each.infinite for each in some),
        next((each.first for each in some if each.first >= 0), -1),
        max(each.largest for each in some),
        min(each.low for each in some),
        max(each.high for each in some),
    )


def anomalies(
    name: str, dtype: DataType, shape: Sequence[int], numbers: Scan
) -> Iterator[tuple[str, str, str | None]]:
    """Yield code, words and value of each anomaly of a tensor."""
    counts = (("TFC601", numbers.nan, "NaN"), ("TFC602", numbers.infinite, "infinite"))
    for code, count, what in counts:
        if count:
            verb = "is" if count == 1 else "are"
            yield code, f"{count:,} of {numbers.elements:,} elements {verb} {what}", None
    if numbers.first >= 0 or numbers.elements < 2 or not shape or is_slot(name, dtype, shape):
        return
    bits, of_all = FLOATS[dtype], f"all {numbers.elements:,} elements"
    has_axes = sum(size > 1 for size in shape) > 1
    if not numbers.largest:
        if has_axes:
            yield "TFC603", f"{of_all} are zero", None
    elif numbers.low == numbers.high and dtype.itemsize == bits.size and has_axes:
        yield "TFC604", f"{of_all} are the same number", _number(numbers.low, dtype)
    elif numbers.largest < bits.least and bits.size > 1:
        yield "TFC605", f"{of_all} are denormal or zero", None


def _number(bits: int, dtype: DataType) -> str:
    """Return a number as text; of a type known to ml_dtypes only, its bits."""
    if dtype is DataType.BFLOAT16:
        bits, size = bits << 16, 4
    else:
        size = dtype.itemsize
    if size == 1:
        return f"{bits:#04x}"
    return str(unpack({2: "<e", 4: "<f", 8: "<d"}[size], bits.to_bytes(size, "little"))[0])
