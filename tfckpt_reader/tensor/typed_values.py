"""The values in a TensorProto's typed field: packed or not, decoded or only counted.

Knows no message. FORMAT 4.3; TensorFlow ``core/framework/tensor.proto``.

Each kind of number has a field of its own, and so have strings. The values are decoded in place:
protobuf would make an object per element.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.encoding.wire_format import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, fields
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.tensor.dtypes import DataType, to_numpy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

_FLOAT, _DOUBLE, _INT, _STRING, _SCOMPLEX, _INT64, _BOOL, _DCOMPLEX, _HALF = range(5, 14)
_UINT32, _UINT64, _FLOAT8 = 16, 17, 18

_OWN_FIELD = {
    DataType.FLOAT32: _FLOAT,
    DataType.FLOAT64: _DOUBLE,
    DataType.STRING: _STRING,
    DataType.COMPLEX64: _SCOMPLEX,
    DataType.COMPLEX128: _DCOMPLEX,
    DataType.INT64: _INT64,
    DataType.BOOL: _BOOL,
    DataType.FLOAT16: _HALF,
    DataType.BFLOAT16: _HALF,
    DataType.UINT32: _UINT32,
    DataType.UINT64: _UINT64,
    DataType.FLOAT8_E5M2: _FLOAT8,
    DataType.FLOAT8_E4M3FN: _FLOAT8,
    DataType.FLOAT8_E4M3FNUZ: _FLOAT8,
    DataType.FLOAT8_E4M3B11FNUZ: _FLOAT8,
    DataType.FLOAT8_E5M2FNUZ: _FLOAT8,
    DataType.FLOAT4_E2M1FN: _FLOAT8,
}
FIELD: dict[DataType, int] = {
    dtype: _OWN_FIELD.get(dtype, _INT)
    for dtype in DataType
    if dtype.itemsize or dtype in _OWN_FIELD
}
"""The typed field for the values of each dtype: for most integers the one for int32."""
_FIXED = {_FLOAT: "<f4", _SCOMPLEX: "<f4", _DOUBLE: "<f8", _DCOMPLEX: "<f8"}
FLOAT_FIELDS = frozenset(_FIXED)
"""Fields whose values lie in them as numbers of a fixed size, complex ones as pairs."""
_WINDOW = 1 << 20
"""Bytes of varints decoded at once."""
_NOT_THE_LAST = bytes(range(0x80, 0x100))
"""The possible bytes of a varint before its last one."""
_TOO_LONG = re.compile(rb"[\x80-\xff]{10}")
Part: TypeAlias = "tuple[int, int | memoryview]"
"""Wire type and value of one occurrence of a field."""


def decode_strings(data: memoryview) -> list[bytes]:
    """Return the strings stored in a TensorProto, flat and without NumPy.

    Raises:
        CorruptCheckpointError: the message is damaged.
    """
    parts = [(kind, value) for field, kind, value in fields(data) if field == _STRING]
    return [bytes(delimited(part)) for part in parts]


def count_values(parts: Iterable[Part], dtype: DataType) -> int:
    """Return the number of values from `decode_values`, or raise its errors; without NumPy."""
    field = _field(dtype)
    if field == _STRING:
        return sum(1 for _ in map(delimited, parts))
    if field == _FLOAT8:
        return sum(len(delimited(part)) for part in parts)
    if field in _FIXED:
        return len(_fixed_bytes(parts, _FIXED[field], dtype)) // dtype.itemsize
    return sum(1 if part[0] == VARINT else _count_varints(delimited(part)) for part in parts)


def _field(dtype: DataType) -> int:
    field = FIELD.get(dtype)
    if field is None:
        raise UnsupportedError(f"{dtype} values in a TensorProto are not read")
    return field


def decode_values(parts: Iterable[Part], dtype: DataType) -> NDArray[Any]:
    """Return the values stored in the typed field of `dtype`, flat.

    Args:
        parts: (wire type, value) of each occurrence of that field, in order.
        dtype: Element type of the values.
    """
    import numpy as np

    field = _field(dtype)
    if field == _STRING:
        elements = [bytes(delimited(part)) for part in parts]
        return np.fromiter(elements, np.object_, len(elements))
    if field == _FLOAT8:
        return np.frombuffer(b"".join(delimited(part) for part in parts), to_numpy(dtype))
    if field in _FIXED:
        return _fixed(parts, _FIXED[field], dtype)
    chunks = [_narrowed(values, dtype) for values in _varint_arrays(parts)]
    if not chunks:
        return np.empty(0, to_numpy(dtype))
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def delimited(part: Part, other: int = LENGTH_DELIMITED) -> memoryview:
    """Return the bytes of a value with a length, or of wire type `other`."""
    kind, value = part
    if kind not in (LENGTH_DELIMITED, other) or isinstance(value, int):
        raise CorruptCheckpointError(
            "value has the wrong wire type", structure="TensorProto", got=kind
        )
    return value


def _fixed(parts: Iterable[Part], stored: str, dtype: DataType) -> NDArray[Any]:
    """Return packed or single floats; complex numbers are pairs of them."""
    import numpy as np

    data = _fixed_bytes(parts, stored, dtype)
    if not len(data):
        return np.empty(0, to_numpy(dtype))
    return np.frombuffer(data, stored).astype(stored[1:], copy=False).view(to_numpy(dtype))


def _fixed_bytes(parts: Iterable[Part], stored: str, dtype: DataType) -> bytearray | memoryview:
    single = FIXED32 if stored == "<f4" else FIXED64
    data: bytearray | memoryview = memoryview(b"")
    is_even = True
    for part in parts:
        value = delimited(part, single)
        is_even = is_even and len(value) % int(stored[2]) == 0  # no float across two occurrences
        if not data:
            data = value
            continue
        data = data if isinstance(data, bytearray) else bytearray(data)
        data += value
    if not is_even or len(data) % dtype.itemsize:
        raise CorruptCheckpointError(
            "packed values do not come out even",
            structure="TensorProto",
            expected=f"a multiple of {dtype.itemsize} bytes",
            got=len(data),
        )
    return data


def _count_varints(data: memoryview) -> int:
    if len(data) and data[-1] >= 0x80:
        raise CorruptCheckpointError("packed varint does not end", structure="TensorProto")
    if _TOO_LONG.search(data):
        raise CorruptCheckpointError("packed varint is too long", structure="TensorProto")
    windows = (bytes(data[begin : begin + _WINDOW]) for begin in range(0, len(data), _WINDOW))
    return sum(len(window.translate(None, delete=_NOT_THE_LAST)) for window in windows)


def _varint_arrays(parts: Iterable[Part]) -> Iterator[NDArray[np.uint64]]:
    """Yield the integers of packed and of single occurrences, in order, in bounded arrays."""
    import numpy as np

    singles: list[int] = []
    for part in parts:
        kind, value = part
        if kind == VARINT and isinstance(value, int):
            singles.append(value)
            continue
        if singles:
            yield np.array(singles, np.uint64)
            singles = []
        yield from _packed_varints(delimited(part))
    if singles:
        yield np.array(singles, np.uint64)


def _packed_varints(data: memoryview) -> Iterator[NDArray[np.uint64]]:
    """Yield the varints of a packed field, decoded column by column: all first bytes, and so on."""
    import numpy as np

    raw = np.frombuffer(data, np.uint8)
    begin = 0
    while begin < len(raw):
        window = raw[begin : begin + _WINDOW]
        ends = np.flatnonzero(window < 0x80)
        if not len(ends):
            raise CorruptCheckpointError("packed varint does not end", structure="TensorProto")
        starts = np.concatenate(([0], ends[:-1] + 1))
        sizes = ends - starts + 1
        longest = int(sizes.max())
        if longest > 10:
            raise CorruptCheckpointError("packed varint is too long", structure="TensorProto")
        values = np.zeros(len(ends), np.uint64)
        for column in range(longest):
            longer = sizes > column
            groups = (window[starts[longer] + column] & 0x7F).astype(np.uint64)
            values[longer] |= groups << np.uint64(7 * column)
        yield values
        begin += int(ends[-1]) + 1


def _narrowed(values: NDArray[np.uint64], dtype: DataType) -> NDArray[Any]:
    """Return 64-bit two's complement numbers as `dtype`, from their low bits."""
    import numpy as np

    target = to_numpy(dtype)
    if dtype is DataType.BOOL:
        return values.astype(np.bool_)
    if dtype.bits:
        return (values.astype(np.uint8) & np.uint8((1 << dtype.bits) - 1)).view(target)
    low: NDArray[Any] = values.astype(f"u{dtype.itemsize}")
    return low.view(target)
