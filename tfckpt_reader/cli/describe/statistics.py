"""The values of a tensor in a few numbers.

Sees arrays only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_RUN = 1 << 18
"""Elements looked at together, so that memory stays bounded."""
_SMALL_INTEGERS = (DataType.INT4, DataType.UINT4, DataType.INT2, DataType.UINT2)
_COMPLEX = (DataType.COMPLEX64, DataType.COMPLEX128)


def summarise(array: NDArray[Any], dtype: DataType) -> dict[str, Any]:
    """Return name -> value: min, max, mean, NaN and Inf of numbers; what suits other types.

    Min, max and mean are those of the finite values. Of complex numbers, those of magnitudes; one
    with a NaN beside an infinity counts as both.
    """
    if dtype is DataType.STRING:
        lengths = [len(element) for element in array.reshape(-1).tolist()]
        return {"longest": max(lengths, default=0), "shortest": min(lengths, default=0)}
    if dtype is DataType.VARIANT:
        types = sorted({element.type_name for element in array.reshape(-1).tolist()})
        return {"types": ", ".join(types)}
    if dtype is DataType.BOOL:
        return {"true": int(array.sum()), "false": int(array.size - array.sum())}
    return _numbers(array, dtype)


def _numbers(array: NDArray[Any], dtype: DataType) -> dict[str, Any]:
    import numpy as np

    low, high, finite, nans, infs = [], [], 0, 0, 0
    mean = 0.0
    for run in _runs(array, dtype):
        good = run[np.isfinite(run)]
        nans += int(np.isnan(run).sum())
        infs += int(np.isinf(run).sum())
        if dtype in _COMPLEX:
            with np.errstate(over="ignore"):  # finite parts can be of an infinite magnitude
                good = np.abs(good)
        if len(good):
            low.append(good.min())
            high.append(good.max())
            finite += len(good)
            # A sum could overflow where the mean does not.
            mean += float((good.astype(np.float64) / finite - mean / finite).sum())
    exact = int if np.issubdtype(array.dtype, np.integer) or dtype in _SMALL_INTEGERS else float
    size = "_abs" if dtype in _COMPLEX else ""
    return {
        f"min{size}": exact(min(low)) if low else None,
        f"max{size}": exact(max(high)) if high else None,
        f"mean{size}": mean if finite else None,
        "nan": nans,
        "inf": infs,
    }


def _runs(array: NDArray[Any], dtype: DataType) -> Iterator[NDArray[Any]]:
    """Yield the values piece by piece, in a type that has NaN, min and sum."""
    import numpy as np

    flat = array.reshape(-1)
    for begin in range(0, len(flat), _RUN):
        run = flat[begin : begin + _RUN]
        if dtype in _COMPLEX:
            yield run.astype(np.complex128)  # a magnitude can be too large for a float32
        elif dtype.needs_ml_dtypes:
            yield run.astype(np.float32)
        else:
            yield run
