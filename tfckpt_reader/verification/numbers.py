"""What numbers a tensor holds: NaN, infinities, nothing but zeros, one number, or denormals.

Knows no file; needs NumPy but not ml_dtypes.

Numbers are never computed with: as unsigned integers, the bits of floats without their sign are in
the order of the numbers, with infinity and NaN at the end. So the same few steps serve all types.

What is told, and what is not:

* NaN and infinities, in every tensor of floats, of whatever shape or use.
* Zeros throughout and one number throughout, only of weights: two axes longer than 1, and no slot
  of an optimizer. Biases and running means begin as zeros, scales and running variances as ones,
  and the slots of what is frozen stay zero: a sound checkpoint has dozens, and they would hide the
  one that matters.
* Denormals throughout (all that is not zero is below the least normal number), of one axis or more
  and no slot: decayed away, or read in the wrong byte order. Not in types of 8 bits, where
  denormals are a fair part of all numbers.
* Integers, bools and strings: nothing. There, a constant is what somebody wanted.
"""

from __future__ import annotations

import re
from struct import unpack
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class Bits(NamedTuple):
    """How a type's numbers lie in their bits."""

    size: int
    """Bytes of a number: half of a complex one."""
    largest: int
    """Bits of the largest finite number."""
    infinity: int
    """Bits of infinity; -1 where there is none."""
    least: int
    """Bits of the least normal number."""
    lone_nan: bool = False
    """NaN is not above `largest` but where minus zero would be."""


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
"""The types that can hold a NaN. float4 has none, and few numbers at all."""
_SLOT = re.compile(
    r"/\.OPTIMIZER_SLOT/|^optimizer/|/optimizer/|_optimizer/|^(Adam|AdamW|SGD|RMSprop|Nadam)/"
    r"|/(Adam|Momentum|RMSProp|Adagrad|Adadelta|Ftrl|LAMB|AdamWeightDecay)(Optimizer)?(_\d+)?$"
    r"|/adam_[mv]$|_slot_(m|v|vr|vc)$"
)
"""Names that the optimizers of TensorFlow, Keras, BERT and T5 give to what they keep."""


class Look(NamedTuple):
    """What some numbers are like. An empty one has no elements."""

    elements: int
    nan: int
    infinite: int
    first: int
    """Byte at which the first NaN or infinity begins, from the start of the tensor's run; or -1."""
    largest: int
    """Greatest bits without the sign."""
    low: int
    high: int
    """Least and greatest bits."""


def look(piece: memoryview, dtype: DataType, begin: int = 0) -> Look:
    """Look at numbers: little-endian, canonical bytes that begin `begin` bytes into the run."""
    import numpy as np

    bits = FLOATS[dtype]
    found = np.frombuffer(piece, f"<u{bits.size}")
    if not found.size:
        return Look(0, 0, 0, -1, 0, 0, 0)
    sign = 1 << 8 * bits.size - 1
    low, high = int(found.min()), int(found.max())
    if high < sign:
        size, largest = found, high
    else:
        size = found & found.dtype.type(sign - 1)
        largest = int(size.max())
    count = found.size * bits.size // dtype.itemsize
    if largest <= bits.largest and not (bits.lone_nan and high >= sign):
        return Look(count, 0, 0, -1, largest, low, high)
    nan = found == sign if bits.lone_nan else (size > bits.largest) & (size != bits.infinity)
    infinite = size == bits.infinity if bits.infinity > 0 else np.zeros(1, bool)
    first = [int(mask.argmax()) * bits.size for mask in (nan, infinite) if mask.any()]
    at = begin + min(first) if first else -1
    return Look(count, _elements(nan, dtype), _elements(infinite, dtype), at, largest, low, high)


def _elements(mask: NDArray[Any], dtype: DataType) -> int:
    """Return how many elements have a number that is marked."""
    import numpy as np

    pairs = dtype in (DataType.COMPLEX64, DataType.COMPLEX128) and mask.size > 1
    return int(np.count_nonzero(mask.reshape(-1, 2).any(1) if pairs else mask))


def together(looks: Sequence[Look]) -> Look:
    """Return what all these numbers are like, given in the order in which they lie."""
    some = [each for each in looks if each.elements]
    if not some:
        return Look(0, 0, 0, -1, 0, 0, 0)
    elements, nan, infinite = (
        sum(found) for found in zip(*(each[:3] for each in some), strict=True)
    )
    first = next((each.first for each in some if each.first >= 0), -1)
    largest, low = max(each.largest for each in some), min(each.low for each in some)
    return Look(elements, nan, infinite, first, largest, low, max(each.high for each in some))


def remarks(
    name: str, dtype: DataType, shape: Sequence[int], seen: Look
) -> Iterator[tuple[str, str, str | None]]:
    """Yield code, words, and what was found, for what is odd about a tensor."""
    for code, count, what in (("TFC601", seen.nan, "NaN"), ("TFC602", seen.infinite, "infinite")):
        if count:
            verb = "is" if count == 1 else "are"
            yield code, f"{count:,} of {seen.elements:,} elements {verb} {what}", None
    if seen.first >= 0 or seen.elements < 2 or not shape or _SLOT.search(name):
        return
    bits, of_all = FLOATS[dtype], f"all {seen.elements:,} elements"
    has_axes = sum(size > 1 for size in shape) > 1
    if not seen.largest:
        if has_axes:
            yield "TFC603", f"{of_all} are zero", None
    elif seen.low == seen.high and dtype.itemsize == bits.size and has_axes:
        yield "TFC604", f"{of_all} are the same number", _number(seen.low, dtype)
    elif seen.largest < bits.least and bits.size > 1:
        yield "TFC605", f"{of_all} are denormal or zero", None


def _number(bits: int, dtype: DataType) -> str:
    """Return a number in words; of the types that only ml_dtypes has, its bits."""
    if dtype is DataType.BFLOAT16:
        bits, size = bits << 16, 4
    else:
        size = dtype.itemsize
    if size == 1:
        return f"{bits:#04x}"
    return str(unpack({2: "<e", 4: "<f", 8: "<d"}[size], bits.to_bytes(size, "little"))[0])
