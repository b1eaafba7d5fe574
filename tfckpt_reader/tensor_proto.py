"""TensorProto: a tensor written out as a protobuf message.

Rank 5: knows no file and no key. FORMAT 4.3 and 5.6; TensorFlow ``core/framework/tensor.proto``.
V1 rows, variants and the constants of graphs are made of it.

The values lie either in ``tensor_content`` (raw, little-endian) or in one of the typed fields,
packed or not. The messages are walked where they lie: protobuf would make an object per element.
"""

from __future__ import annotations

from itertools import chain, repeat
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type, dims
from tfckpt_reader.coding import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, fields
from tfckpt_reader.dtypes import DataType, to_numpy
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.tensor import dense, empty, shaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
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
"""The typed field that holds the values of each dtype: for most integers the one for int32."""
_FIXED = {_FLOAT: "<f4", _SCOMPLEX: "<f4", _DOUBLE: "<f8", _DCOMPLEX: "<f8"}
_WINDOW = 1 << 20
LARGEST_REPEAT = 1 << 28
"""Bytes that a few stored values may be repeated to: graphs store large constants so."""
SMALL_REPEAT = 1 << 20
"""Bytes up to which repeated values are expanded without further thought."""


def decode_tensor_proto(data: memoryview, *, most: int = LARGEST_REPEAT) -> NDArray[Any]:
    """Return a tensor that carries its own dtype and shape, as a read-only array.

    With fewer values than elements the last value repeats; with none, all are zero. A single
    value that stands for more than `SMALL_REPEAT` bytes comes as a broadcast view of itself.

    Raises:
        CorruptCheckpointError: it cannot be right.
        UnsupportedError: several values stand for more than `most` bytes.
    """
    number, content = 0, memoryview(b"")
    shape: tuple[int, ...] = ()
    parts: dict[int, list[tuple[int, int | memoryview]]] = {}
    for field, kind, value in fields(data):
        if field == _DTYPE and isinstance(value, int):
            number = value
        elif field == _SHAPE and not isinstance(value, int):
            shape = dims(parse("Shape", value))
        elif field == _CONTENT and not isinstance(value, int):
            content = value
        else:
            parts.setdefault(field, []).append((kind, value))
    dtype = data_type(number)
    if len(content) and dtype.itemsize:
        if len(content) != prod(shape) * dtype.itemsize:
            raise CorruptCheckpointError(
                "content does not fit the shape",
                structure="TensorProto",
                expected=f"{prod(shape) * dtype.itemsize} bytes",
                got=len(content),
            )
        return dense(content, dtype, shape)
    values = decode_values(parts.get(FIELD.get(dtype, 0), []), dtype)
    array = _repeated(values, dtype, shape, most)
    array.flags.writeable = False
    return array


def decode_strings(data: memoryview) -> list[bytes]:
    """Return the strings that a TensorProto stores, flat, as many as are stored; without NumPy.

    Raises:
        CorruptCheckpointError: it is no such message.
    """
    parts = [(kind, value) for field, kind, value in fields(data) if field == _STRING]
    return [bytes(_delimited(part)) for part in parts]


def _repeated(
    values: NDArray[Any], dtype: DataType, shape: tuple[int, ...], most: int
) -> NDArray[Any]:
    """Return the values in `shape`, the last one repeated as often as it takes."""
    import numpy as np

    count = prod(shape)
    if len(values) > count:
        raise CorruptCheckpointError(
            "more values than elements", structure="TensorProto", expected=count, got=len(values)
        )
    nbytes = (dtype.itemsize or 8) * count
    if len(values) <= 1 and nbytes > SMALL_REPEAT:
        empty((0,) * len(shape), dtype)  # says so if NumPy has no such rank
        try:
            return np.broadcast_to(values[:1].reshape(()) if len(values) else _zero(dtype), shape)
        except ValueError as error:  # NumPy counts bytes even where none are stored
            raise UnsupportedError(
                f"an array of {dtype} {list(shape)} is more than NumPy can hold",
                structure="TensorProto",
            ) from error
    if len(values) < count and nbytes > most:
        raise UnsupportedError(
            f"{len(values)} stored values stand for {count} elements, more than is expanded here",
            structure="TensorProto",
        )
    if dtype is DataType.STRING:
        # np.full and assignment would strip trailing NULs on the way.
        last = values[-1] if len(values) else b""
        rest = repeat(last, count - len(values))
        full = np.fromiter(chain(values.tolist(), rest), np.object_, count)
        return shaped(full, shape, dtype)
    full = np.zeros(count, dtype=values.dtype)
    full[: len(values)] = values
    if len(values):
        full[len(values) :] = values[-1]
    return shaped(full, shape, dtype)


def _zero(dtype: DataType) -> NDArray[Any]:
    import numpy as np

    return (
        np.fromiter([b""], np.object_, 1).reshape(())
        if dtype is DataType.STRING
        else np.zeros((), to_numpy(dtype))
    )


def decode_values(parts: Sequence[tuple[int, int | memoryview]], dtype: DataType) -> NDArray[Any]:
    """Return the values in the typed field of `dtype`, flat, as many as are stored.

    Args:
        parts: (wire type, value) of each occurrence of that field, in order.
        dtype: What the values are.
    """
    import numpy as np

    field = FIELD.get(dtype)
    if field is None:
        raise UnsupportedError(f"{dtype} values in a TensorProto are not read")
    if field == _STRING:
        elements = [bytes(_delimited(part)) for part in parts]
        return np.fromiter(elements, np.object_, len(elements))
    if field == _FLOAT8:
        return np.frombuffer(b"".join(_delimited(part) for part in parts), to_numpy(dtype))
    if field in _FIXED:
        return _fixed(parts, _FIXED[field], dtype)
    chunks = [_narrowed(values, dtype) for values in _varint_runs(parts)]
    if not chunks:
        return np.empty(0, to_numpy(dtype))
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _delimited(part: tuple[int, int | memoryview]) -> memoryview:
    kind, value = part
    if kind != LENGTH_DELIMITED or isinstance(value, int):
        raise CorruptCheckpointError(
            "value has the wrong wire type", structure="TensorProto", got=kind
        )
    return value


def _fixed(
    parts: Sequence[tuple[int, int | memoryview]], stored: str, dtype: DataType
) -> NDArray[Any]:
    """Return packed or single floats; complex numbers are pairs of them."""
    import numpy as np

    single = FIXED32 if stored == "<f4" else FIXED64
    kinds = (single, LENGTH_DELIMITED)
    views = [value for kind, value in parts if kind in kinds and not isinstance(value, int)]
    data = views[0] if len(views) == 1 else b"".join(views)
    split = any(len(view) % int(stored[2]) for view in views)  # a float across two occurrences
    if len(views) != len(parts) or split or len(data) % dtype.itemsize:
        raise CorruptCheckpointError(
            "packed values do not come out even",
            structure="TensorProto",
            expected=f"a multiple of {dtype.itemsize} bytes",
            got=len(data),
        )
    if not len(data):
        return np.empty(0, to_numpy(dtype))
    return np.frombuffer(data, stored).astype(stored[1:], copy=False).view(to_numpy(dtype))


def _varint_runs(parts: Sequence[tuple[int, int | memoryview]]) -> Iterator[NDArray[np.uint64]]:
    """Yield the integers of packed and of single occurrences, in order, in bounded runs."""
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
        yield from _packed_varints(_delimited(part))
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
            there = sizes > column
            groups = (window[starts[there] + column] & 0x7F).astype(np.uint64)
            values[there] |= groups << np.uint64(7 * column)
        yield values
        begin += int(ends[-1]) + 1


def _narrowed(values: NDArray[np.uint64], dtype: DataType) -> NDArray[Any]:
    """Return 64-bit two's complement numbers as `dtype`; its low bits are what counts."""
    import numpy as np

    target = to_numpy(dtype)
    if dtype is DataType.BOOL:
        return values.astype(np.bool_)
    if dtype.bits:
        return (values.astype(np.uint8) & np.uint8((1 << dtype.bits) - 1)).view(target)
    low: NDArray[Any] = values.astype(f"u{dtype.itemsize}")
    return low.view(target)
