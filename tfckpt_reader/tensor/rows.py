"""Rows asked for along axis 0, and arrays to read them into.

Knows no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.dtypes import to_numpy
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSpec


def row_range(spec: TensorSpec, rows: slice | None) -> range:
    """Return the rows of a tensor that a slice stands for; all without one.

    Raises:
        ValueError: the tensor is a scalar, or the slice has a step.
    """
    if not spec.shape:
        if rows is not None:
            raise ValueError(f"tensor {quoted(spec.name)} is a scalar and has no rows")
        return range(1)
    if rows is None:
        return range(spec.shape[0])
    start, stop, step = rows.indices(spec.shape[0])
    if step != 1:
        raise ValueError(f"rows must have step 1, not {step}")
    return range(start, max(start, stop))


def require_fit(out: NDArray[Any], spec: TensorSpec, rows: range) -> None:
    """Require an array of the dtype and shape of some rows.

    Raises:
        ValueError: it is another, or read-only.
    """
    dtype = to_numpy(spec.dtype)
    shape = (len(rows), *spec.shape[1:]) if spec.shape else ()
    if out.dtype == dtype and out.shape == shape and out.flags.writeable:
        return
    kind = "a writable" if out.flags.writeable else "a read-only"
    raise ValueError(
        f"out must be a writable array of {dtype} {list(shape)}, "
        f"not {kind} one of {out.dtype} {list(out.shape)}"
    )


def copy_rows(
    whole: NDArray[Any], spec: TensorSpec, rows: range, out: NDArray[Any] | None
) -> NDArray[Any]:
    """Return some rows of an array at hand, owned, or written into `out`."""
    part = whole[rows.start : rows.stop] if spec.shape else whole
    if out is None:
        return part.copy()
    out[...] = part
    return out
