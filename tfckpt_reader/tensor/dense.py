"""Elements of a fixed size: stored bytes to an array.

Knows no file and no key. FORMAT 3.4, 3.8; TensorFlow ``core/util/tensor_bundle/tensor_bundle.cc``.

Elements lie row-major and little-endian (big-endian in a big-endian bundle). Any non-zero byte of
a bool is true. int4, uint4, int2, uint2 and float4 take a byte each, of which only the low bits
count. *Normalised* bytes are native-endian, their bools are 0 or 1, and unused bits are 0.
*Portable* bytes are the same, but little-endian on every machine.
"""

from __future__ import annotations

from sys import byteorder
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSpec

    ArrayFactory = Callable[[memoryview, tuple[int, ...]], NDArray[Any]]
    """Returns stored bytes as a read-only array of a shape."""

_NORMALISED_BYTE = {
    DataType.BOOL: bytes([0] + [1] * 255),
    **{d: bytes(i & ((1 << d.bits) - 1) for i in range(256)) for d in DataType if d.bits},
}
"""Byte to byte, for the types with bits that do not count."""
_BITS = {1: DataType.UINT8, 2: DataType.UINT16}
"""The integers that hold the bits of types unknown to NumPy, by their bytes."""
_NATIVE_IS_BIG = byteorder == "big"


def empty(shape: tuple[int, ...], dtype: DataType) -> NDArray[Any]:
    """Return an uninitialised array, C-contiguous, aligned, native.

    Raises:
        UnsupportedError: more than the machine or NumPy can hold.
    """
    import numpy as np

    try:
        return np.empty(shape, to_numpy(dtype))
    except (MemoryError, ValueError) as error:
        raise UnsupportedError(
            f"an array of {dtype} {list(shape)} is more than this machine or NumPy can hold"
        ) from error


def empty_rows(spec: TensorSpec, rows: range) -> NDArray[Any]:
    """Return an uninitialised array for some rows of a tensor; range(1) for a scalar."""
    return empty((len(rows), *spec.shape[1:]) if spec.shape else (), spec.dtype)


def empty_bits(shape: tuple[int, ...], dtype: DataType) -> NDArray[Any]:
    """Return an uninitialised array for stored numbers: of integers where NumPy lacks the type."""
    return empty(shape, _BITS[dtype.itemsize] if dtype.needs_ml_dtypes else dtype)


def shaped(flat: NDArray[Any], shape: tuple[int, ...], dtype: DataType) -> NDArray[Any]:
    """Return elements in a shape, as a view.

    Raises:
        UnsupportedError: NumPy has no arrays of that shape.
        CorruptCheckpointError: there are more or fewer elements than it has.
    """
    try:
        return flat.reshape(shape)
    except ValueError as error:
        raise _misfit(shape, dtype, flat.nbytes) from error


def _misfit(shape: tuple[int, ...], dtype: DataType, nbytes: int) -> CorruptCheckpointError:
    empty(shape, dtype)  # raises if NumPy cannot hold the shape
    problem = f"the bytes are not those of {dtype} in the shape"
    return CorruptCheckpointError(problem, expected=list(shape[:8]), got=count_of(nbytes, "byte"))


def array_factory(dtype: DataType, *, big_endian: bool = False) -> ArrayFactory:
    """Return a function that builds arrays of one dtype.

    Its array is a view of the bytes, which must be read-only, where these are normalised and
    aligned; else a copy. Most tensors are small: all that depends on the dtype is done here, once.

    Raises:
        CorruptCheckpointError: the dtype has no fixed size: NumPy would take bytes for addresses.
    """
    from numpy import ndarray

    numpy_dtype = to_numpy(dtype)
    if not dtype.itemsize:
        raise CorruptCheckpointError(f"{dtype}s are not stored as numbers")
    plain = dtype.itemsize > 1 and big_endian == _NATIVE_IS_BIG

    def make(data: memoryview, shape: tuple[int, ...]) -> NDArray[Any]:
        try:
            stored: NDArray[Any] = ndarray(shape, numpy_dtype, data)
        except (TypeError, ValueError, OverflowError) as error:
            raise _misfit(shape, dtype, len(data)) from error
        if stored.nbytes != len(data):  # NumPy ignores surplus bytes
            raise _misfit(shape, dtype, len(data))
        if not stored.flags.aligned or not (
            plain or is_normalised(stored, dtype, big_endian=big_endian)
        ):
            stored = stored.copy()
            normalise(stored, dtype, big_endian=big_endian)
            stored.flags.writeable = False
        return stored

    return make


def is_normalised(array: NDArray[Any], dtype: DataType, *, big_endian: bool) -> bool:
    """Return whether stored bytes already are normalised."""
    if dtype.itemsize > 1:
        return big_endian == _NATIVE_IS_BIG
    if not (dtype.bits or dtype is DataType.BOOL) or not array.size:
        return True
    return bool(array.view("u1").max() < 1 << (dtype.bits or 1))


def normalise(array: NDArray[Any], dtype: DataType, *, big_endian: bool) -> None:
    """Normalise stored bytes in an owned array, in place."""
    import numpy as np

    if big_endian != _NATIVE_IS_BIG and dtype.itemsize > 1:
        array.reshape(-1).view(f"u{_number_size(dtype)}").byteswap(inplace=True)
    elif dtype is DataType.BOOL:
        raw = array.view(np.uint8)
        if array.size:
            np.not_equal(raw, 0, out=array)
    elif dtype.bits:
        raw = array.view(np.uint8)
        raw &= (1 << dtype.bits) - 1


def _number_size(dtype: DataType) -> int:
    """Return the bytes of each number in an element: a complex one has two."""
    return dtype.itemsize // (2 if dtype in (DataType.COMPLEX64, DataType.COMPLEX128) else 1)


def portable_bytes(data: memoryview, dtype: DataType, *, big_endian: bool) -> memoryview:
    """Return stored numbers as portable bytes."""
    if big_endian and dtype.itemsize > 1:
        import numpy as np

        size = _number_size(dtype)
        return np.frombuffer(data, f">u{size}").astype(f"<u{size}").view("u1").data
    table = _NORMALISED_BYTE.get(dtype)
    return data if table is None else memoryview(bytes(data).translate(table))
