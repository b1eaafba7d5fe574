"""A small array of each element type."""

from __future__ import annotations

from typing import Any

import numpy as np
import writers as w

QUANTISED = {11: "int8", 12: "uint8", 13: "int32", 15: "int16", 16: "uint16"}
SUB_BYTE = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}
ML_DTYPES = (14, *range(24, 34))


def sample(number: int) -> w.Typed:
    """A [2, 3] array of a dtype number, with the extremes of its kind."""
    if number in QUANTISED:
        return w.Typed(number, sample(w.DTYPES[QUANTISED[number]]).array)
    name = next(name for name, other in w.DTYPES.items() if other == number)
    if number in ML_DTYPES:
        import ml_dtypes  # noqa: F401 - it teaches NumPy the names
    dtype = np.dtype(name)
    values: list[Any] = [1, 0, 0.5, -1, 2, 1.5]
    if name in SUB_BYTE:
        low, high = SUB_BYTE[name]
        values = [low, high, 0, 1, high, low]
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = [limits.min, limits.max, 0, 1, 2, limits.max - 1]
    elif dtype.kind == "c":
        values = [1 + 2j, -3.5j, 0, np.inf, 1e-3, -1]
    return w.Typed(number, np.array(values, dtype).reshape(2, 3))
