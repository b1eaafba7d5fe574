"""Arrays to stored bytes: the way back of ``dense``, ``strings`` and ``variant``.

Knows no file and no key. FORMAT 3.4 to 3.6; TensorFlow
``core/util/tensor_bundle/tensor_bundle.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.tensor.dense import portable_bytes
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.strings import encode_strings
from tfckpt_reader.tensor.tensor_proto import Variant
from tfckpt_reader.tensor.variant import encode_variants
from tfckpt_reader.tensor.variant_proto import encode_variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

CHUNK = 1 << 20
"""Bytes of numbers encoded at a time."""
_QUANTISED = {str(dtype): dtype for dtype in DataType if str(dtype).startswith("q")}
"""Field of TensorFlow's NumPy types for quantised numbers -> type."""
BY_NUMPY_NAME = {
    dtype.numpy_name: dtype
    for dtype in DataType
    if dtype.itemsize and dtype not in _QUANTISED.values()
}
"""NumPy's name of a type -> TensorFlow's."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tensor as it is stored."""

    dtype: DataType
    shape: tuple[int, ...]
    nbytes: int
    crc: int | None
    """Crc of strings and variants, which is not that of their bytes; None for numbers."""
    chunks: Callable[[], Iterator[bytes | memoryview]]
    """Yields its bytes in order, at most `CHUNK` of numbers at a time."""


def encode(
    array: NDArray[Any], dtype: DataType | None = None, *, big_endian: bool = False
) -> Encoded:
    """Return the stored form of an array of any layout and byte order.

    Args:
        array: The array. Elements of object arrays are bytes, str (stored as UTF-8) or Variants.
        dtype: Its type, if NumPy's does not tell: of quantised numbers.
        big_endian: The byte order of the bundle.

    Raises:
        UnsupportedError: no TensorFlow type holds its elements.
    """
    array, dtype = _plain(array, dtype)
    if dtype is DataType.STRING:
        values = [_string(value) for value in array.flat]
        head, crc = encode_strings(values, big_endian=big_endian)
        nbytes = len(head) + sum(map(len, values))
        return Encoded(dtype, array.shape, nbytes, crc, partial(_joined, [head, *values]))
    if dtype is DataType.VARIANT:
        if big_endian:
            raise UnsupportedError("variants cannot be stored in a big-endian checkpoint")
        data, crc = encode_variants(encode_variant(each, _type_of) for each in array.flat)
        return Encoded(dtype, array.shape, len(data), crc, partial(_joined, [data]))
    numbers = partial(_numbers, array, dtype, big_endian=big_endian)
    return Encoded(dtype, array.shape, array.size * dtype.itemsize, None, numbers)


@cache
def data_type_of(numpy_type: Any) -> DataType | None:
    """Return the TensorFlow type of numbers or strings of a NumPy type; None if there is none."""
    names = numpy_type.names
    if names is not None and len(names) == 1:  # TensorFlow's own: [("qint8", "i1")]
        return _QUANTISED.get(names[0])
    if numpy_type.kind in "SU":
        return DataType.STRING
    return BY_NUMPY_NAME.get(numpy_type.name)


def _type_of(array: NDArray[Any]) -> DataType:
    """Return the type of an array.

    Raises:
        UnsupportedError: there is none.
    """
    if array.dtype.kind == "O":
        is_variant = isinstance(next(iter(array.flat), None), Variant)
        return DataType.VARIANT if is_variant else DataType.STRING
    found = data_type_of(array.dtype)
    if found is None:
        raise UnsupportedError(f"TensorFlow has no type for NumPy's {array.dtype}")
    return found


def _plain(array: NDArray[Any], dtype: DataType | None) -> tuple[NDArray[Any], DataType]:
    """Return an array without fields, and its type."""
    dtype = _type_of(array) if dtype is None else dtype
    return array[array.dtype.names[0]] if array.dtype.names else array, dtype


def _string(value: object) -> bytes:
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    kind = type(value).__name__
    raise UnsupportedError(f"an object array may hold bytes, str or Variants, not {kind}")


def _joined(values: list[bytes]) -> Iterator[bytes]:
    """Yield strings, short ones joined."""
    pending, size = [], 0
    for value in values:
        pending.append(value)
        size += len(value)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join(pending)


def _numbers(array: NDArray[Any], dtype: DataType, *, big_endian: bool) -> Iterator[memoryview]:
    for run in _runs(array, dtype) if array.size else ():
        yield portable_bytes(run, dtype, big_endian=big_endian)


def _runs(array: NDArray[Any], dtype: DataType) -> Iterator[memoryview]:
    """Yield the elements in C order, little-endian: a view where they lie so, else copies."""
    import numpy as np

    if dtype.needs_ml_dtypes:  # NumPy's own loops do not know the type
        bits = np.dtype(f"u{dtype.itemsize}")
        array = array.view(bits if array.dtype.isnative else bits.newbyteorder())
    wanted = array.dtype.newbyteorder("<")
    if array.flags.c_contiguous and array.dtype == wanted:
        data = array.reshape(-1).view("u1").data
        step = CHUNK - CHUNK % array.itemsize
        yield from (data[begin : begin + step] for begin in range(0, len(data), step))
        return
    walk: Any = np.nditer(
        array,
        ["external_loop", "buffered"],
        op_dtypes=[wanted],
        order="C",
        buffersize=CHUNK // array.itemsize,
    )
    for run in walk:
        yield run.astype(wanted).view("u1").data  # a copy: the walk fills its buffer again
