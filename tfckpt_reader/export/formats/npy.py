"""Arrays as NumPy stores them: which type holds which dtype, the header, and strings.

Sees specs and bytes, never a checkpoint file. Nothing is ever pickled.

How a dtype is stored in an .npy file, alone or in an .npz archive:

==============================  =====================================  ====================
TensorFlow                      in the file                            with ``raw``
==============================  =====================================  ====================
what NumPy has, bool included   the same                               the same
quantised                       their integers                         the same
bfloat16                        float32                                uint16, the bits
float8 kinds, float4            float32                                uint8, the bits
int4, int2 / uint4, uint2       int8 / uint8                           uint8, the bits
string                          ``S<n>`` if no element ends in NUL and padding at most doubles
                                the size; else two arrays: ``name/__bytes__`` (uint8, all
                                strings joined) and ``name/__offsets__`` (int64, count + 1)
variant, resource               refused
==============================  =====================================  ====================
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import prod
from typing import TYPE_CHECKING

from tfckpt_reader.export.arrays import Form, Stored
from tfckpt_reader.export.elements import widened
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSpec

BYTES, OFFSETS = "/__bytes__", "/__offsets__"
"""Ends the names of the two arrays that strings may need."""

_BEFORE_TEXT, _ALIGNMENT = 10, 64
"""Bytes before the text of a header, and what its end is a multiple of."""
_GATHERED = 1 << 18
"""Bytes of strings from which on they are written."""
_FEW_AXES, _FEW_ELEMENTS = 32, 1 << 56
"""Every NumPy has arrays of so many: it need not be asked, or imported."""


@cache
def form(dtype: DataType, *, raw: bool) -> Form | None:
    """Return how numbers of a dtype are stored; None for what has no form."""
    if not dtype.itemsize:
        return None
    wider = widened(dtype)
    if wider is None:
        return Form(_descr(dtype.numpy_name, dtype.itemsize), dtype.itemsize)
    if raw:
        return Form(_descr("uint", dtype.itemsize), dtype.itemsize)
    target, change = wider
    return Form(_descr(target.numpy_name, target.itemsize), target.itemsize, change)


def _descr(numpy_name: str, itemsize: int) -> str:
    """Return NumPy's type string, ``<f4``; a type of one byte has no byte order."""
    return f"{'<' if itemsize > 1 else '|'}{numpy_name[0]}{itemsize}"


def why_not_held(spec: TensorSpec) -> str | None:
    """Say why NumPy cannot hold a tensor; None if it can."""
    if not spec.dtype.itemsize and spec.dtype is not DataType.STRING:
        return f"{spec.dtype} tensors have no form in an .npy"
    if not _holds_shape(spec.shape):
        return (
            f"its shape is more than NumPy holds: {len(spec.shape)} axes, {spec.elements} elements"
        )
    return None


def parts(name: str, spec: TensorSpec) -> tuple[str, ...]:
    """Return what the arrays of a tensor may be called; strings may need both of two names."""
    return (name + BYTES, name + OFFSETS) if spec.dtype is DataType.STRING else (name,)


def _holds_shape(shape: tuple[int, ...]) -> bool:
    """Tell whether the NumPy at hand has arrays of a shape; it limits axes, and strides too."""
    if len(shape) <= _FEW_AXES and prod(filter(None, shape)) <= _FEW_ELEMENTS:
        return True
    import numpy as np

    try:
        np.empty(shape if 0 in shape else (0,) * len(shape), "c16")
    except ValueError:
        return False
    return True


def strings(
    name: str, spec: TensorSpec, read: Callable[[], NDArray[np.object_]]
) -> tuple[Stored, ...]:
    """Return the one or two arrays for strings.

    Args:
        name: In the target.
        spec: The tensor.
        read: Returns its elements; called once here, and again for each array that is written, so
            that no more than one tensor's strings are in memory.
    """
    import numpy as np

    elements: list[bytes] = read().reshape(-1).tolist()
    lengths = [len(element) for element in elements]
    longest, payload = max(lengths, default=0), sum(lengths)
    padded = longest * len(lengths) <= 2 * payload
    if padded and not any(element.endswith(b"\0") for element in elements):
        width = max(longest, 1)

        def fixed() -> Iterator[memoryview]:
            return _gathered(element.ljust(width, b"\0") for element in read().reshape(-1).tolist())

        return (Stored(name, f"|S{width}", spec.shape, width, spec, pieces=fixed),)
    offsets = np.zeros(len(lengths) + 1, "<i8")
    np.cumsum(lengths, out=offsets[1:])
    places = offsets.tobytes()
    return (
        Stored(
            *(name + BYTES, "|u1", (payload,), 1, spec),
            pieces=lambda: _gathered(read().reshape(-1).tolist()),
        ),
        Stored(
            *(name + OFFSETS, "<i8", offsets.shape, 8, spec),
            pieces=lambda: iter([places]),
        ),
    )


def _gathered(elements: Iterable[bytes]) -> Iterator[memoryview]:
    """Join strings, most of which are short: each piece costs calls to the system."""
    piece = bytearray()
    for element in elements:
        piece += element
        if len(piece) >= _GATHERED:
            yield memoryview(piece)
            piece = bytearray()
    yield memoryview(piece)


def header(stored: Stored) -> bytes:
    """Return what stands before the elements in an .npy file, version 1.0 of NumPy's format."""
    return _header(stored.kind, stored.shape)


@lru_cache(maxsize=1024)
def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    fields = {"descr": kind, "fortran_order": False, "shape": shape}
    text = repr(fields).encode("ascii")
    text += b" " * (-(_BEFORE_TEXT + len(text) + 1) % _ALIGNMENT) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
