"""Floating-point numbers in another floating-point type, rounded to nearest, ties to even.

Rank 4: knows no file; needs NumPy but not ml_dtypes.

A float64 becomes a bfloat16 by way of a float32 that was rounded to odd: a float32 rounded to
nearest would be rounded twice, and could end up on the wrong side of a tie.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tfckpt_reader.dtypes import DataType, to_numpy
from tfckpt_reader.export.widen import widened

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

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
