"""The .npy encoding shared by archives and folders: element types, strings, and the header.

Knows specs and bytes, no checkpoint. Nothing is ever pickled.

How a dtype is stored in an .npy file, alone or in an .npz archive:

==============================  =====================================  ====================
TensorFlow                      in the file                            with ``raw``
==============================  =====================================  ====================
dtypes of NumPy, with bool      the same                               the same
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

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, ClassVar

from tfckpt_reader.export.formats.base import Format
from tfckpt_reader.export.transfer import OutputArray
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSpec

BYTES, OFFSETS = "/__bytes__", "/__offsets__"
"""Suffixes of the names of the two arrays for strings of different lengths."""

_BEFORE_TEXT, _ALIGNMENT = 10, 64
"""Bytes before the text of a header; the header's size is a multiple of the second."""
_CHUNK = 1 << 18
"""Bytes of strings to join before they are written."""
_FEW_AXES, _FEW_ELEMENTS = 32, 1 << 56
"""Every NumPy allows shapes up to these limits, so it need not be imported to try."""


class NpyFormat(Format):
    """Base of the formats that hold .npy files."""

    type_names: ClassVar = {
        dtype: f"{'<' if dtype.itemsize > 1 else '|'}{dtype.numpy_name[0]}{dtype.itemsize}"
        for dtype in DataType
        if dtype.itemsize and not dtype.needs_ml_dtypes
    }
    """NumPy's type strings, such as ``<f4``; a type of one byte has no byte order."""

    def tensor_refusal(self, spec: TensorSpec) -> str | None:
        """Return the reason against holding a tensor in .npy files, or None."""
        if not spec.dtype.itemsize and spec.dtype is not DataType.STRING:
            return f"{spec.dtype} tensors cannot be stored in an .npy"
        return shape_refusal(spec)

    def string_arrays(
        self, name: str, spec: TensorSpec, read: Callable[[], NDArray[np.object_]]
    ) -> tuple[OutputArray, ...]:
        """Return one array of fixed width, or two arrays for bytes and offsets."""
        import numpy as np

        def elements() -> list[bytes]:
            return read().reshape(-1).tolist()

        strings = elements()
        lengths = [len(string) for string in strings]
        longest, size = max(lengths, default=0), sum(lengths)
        padded = longest * len(lengths) <= 2 * size
        if padded and not any(string.endswith(b"\0") for string in strings):
            width = max(longest, 1)

            def fixed() -> Iterator[memoryview]:
                return _joined(string.ljust(width, b"\0") for string in elements())

            return (OutputArray(name, f"|S{width}", spec.shape, width, spec, chunks=fixed),)
        offsets = np.cumsum([0, *lengths], dtype="<i8")
        data = offsets.tobytes()
        return (
            OutputArray(name + BYTES, "|u1", (size,), 1, spec, chunks=lambda: _joined(elements())),
            OutputArray(name + OFFSETS, "<i8", offsets.shape, 8, spec, chunks=lambda: iter([data])),
        )


def _joined(strings: Iterable[bytes]) -> Iterator[memoryview]:
    """Join strings to chunks: most are short, and each chunk costs system calls."""
    chunk = bytearray()
    for string in strings:
        chunk += string
        if len(chunk) >= _CHUNK:
            yield memoryview(chunk)
            chunk = bytearray()
    yield memoryview(chunk)


def shape_refusal(spec: TensorSpec) -> str | None:
    """Return the reason if the installed NumPy allows no such shape; it limits strides, too."""
    shape = spec.shape
    if len(shape) <= _FEW_AXES and prod(filter(None, shape)) <= _FEW_ELEMENTS:
        return None
    import numpy as np

    try:
        np.empty(shape if 0 in shape else (0,) * len(shape), "c16")
    except ValueError:
        axes, elements = len(shape), spec.elements
        return f"its shape exceeds the limits of NumPy: {axes} axes, {elements} elements"
    return None


def possible_names(name: str, spec: TensorSpec) -> tuple[str, ...]:
    """Return the longest possible names of a tensor's arrays; strings may need both of two."""
    return (name + BYTES, name + OFFSETS) if spec.dtype is DataType.STRING else (name,)


def header(array: OutputArray) -> bytes:
    """Return the bytes before the elements in an .npy file, version 1.0 of NumPy's format."""
    return _header(array.type_name, array.shape)


@lru_cache(maxsize=1024)
def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    text = repr(fields).encode("ascii")
    text += b" " * (-(_BEFORE_TEXT + len(text) + 1) % _ALIGNMENT) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
