"""Statistics of the values in an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_WINDOW = 1 << 18
"""Elements converted at once, to bound memory."""
_SMALL_INTEGERS = (DataType.INT4, DataType.UINT4, DataType.INT2, DataType.UINT2)
_COMPLEX = (DataType.COMPLEX64, DataType.COMPLEX128)


def summarise(array: NDArray[Any], dtype: DataType) -> dict[str, Any]:
    """Return min, max, mean, NaN and Inf of numbers; lengths, types or counts of other values.

    Min, max and mean cover the finite values; of complex numbers, their magnitudes. A complex
    number with a NaN beside an infinity counts as both.
    """
    if dtype is DataType.STRING:
        lengths = [len(element) for element in array.reshape(-1).tolist()]
        return {"longest": max(lengths, default=0), "shortest": min(lengths, default=0)}
    if dtype is DataType.VARIANT:
        types = sorted({element.type_name for element in array.reshape(-1).tolist()})
        return {"types": ", ".join(types)}
    if dtype is DataType.BOOL:
        return {"true": int(array.sum()), "false": int(array.size - array.sum())}
    return _number_facts(array, dtype)


def _number_facts(array: NDArray[Any], dtype: DataType) -> dict[str, Any]:
    import numpy as np

    low, high, count, nans, infs = [], [], 0, 0, 0
    mean = 0.0
    for window in _windows(array, dtype):
        finite = window[np.isfinite(window)]
        nans += int(np.isnan(window).sum())
        infs += int(np.isinf(window).sum())
        if dtype in _COMPLEX:
            with np.errstate(over="ignore"):  # finite components can have an infinite magnitude
                finite = np.abs(finite)
        if len(finite):
            low.append(finite.min())
            high.append(finite.max())
            count += len(finite)
            # A sum could overflow where the mean does not.
            mean += float((finite.astype(np.float64) / count - mean / count).sum())
    exact = int if np.issubdtype(array.dtype, np.integer) or dtype in _SMALL_INTEGERS else float
    suffix = "_abs" if dtype in _COMPLEX else ""
    return {
        f"min{suffix}": exact(min(low)) if low else None,
        f"max{suffix}": exact(max(high)) if high else None,
        f"mean{suffix}": mean if count else None,
        "nan": nans,
        "inf": infs,
    }


def _windows(array: NDArray[Any], dtype: DataType) -> Iterator[NDArray[Any]]:
    """Yield the values window by window, in a type with NaN, min and sum."""
    import numpy as np

    flat = array.reshape(-1)
    for begin in range(0, len(flat), _WINDOW):
        window = flat[begin : begin + _WINDOW]
        if dtype in _COMPLEX:
            yield window.astype(np.complex128)  # a magnitude can be too large for a float32
        elif dtype.needs_ml_dtypes:
            yield window.astype(np.float32)
        else:
            yield window
