"""A V1 file of any rows: the values an own decoder of TensorProto gives, or our error.

A tensor whose row and header were left alone has its right value, whatever is done to others.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import numpy as np
import writers as w
from numpy.typing import NDArray

import tfckpt_reader
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.tensor.tensor_proto import decode_tensor_proto

_FOLDER = functools.lru_cache(harness.Folder)
_FIELD = {1: 5, 2: 6, 3: 7, 4: 7, 5: 7, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 17: 7, 18: 12, 19: 13}
_FIELD |= {11: 7, 12: 7, 13: 7, 22: 16, 23: 17}
_NUMPY = {11: "i1", 12: "u1", 13: "i4", **{n: name for name, n in w.DTYPES.items()}}
GOOD: dict[str, Any] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": w.Sliced(np.arange(20).reshape(4, 5), [[(0, 2), (0, -1)], [(2, 2), (0, 5)]]),
    "c": w.Strings([b"", b"xy", b"\xff\0"], (3,)),
    "d": np.array([True, False, True]),
    "e": np.array(-7, np.int8),
    "f": np.zeros((0, 3), np.float64),
    "g": np.array([1 + 2j, -3], np.complex64),
}


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    kind = choices.below(3)
    if kind == 0:
        _row(choices)
    elif kind == 1:
        _labelled(choices)
    else:
        _file(choices)


def _open(contents: bytes) -> tfckpt_reader.Checkpoint:
    _FOLDER().fill({"v1": contents})
    return tfckpt_reader.open(Path(_FOLDER().path) / "v1")


def _row(choices: harness.Choices) -> None:
    """One tensor, its TensorProto made of any fields."""
    dtype = choices.pick(list(_FIELD))
    count = choices.below(9)
    proto = _proto(choices, _FIELD[dtype])
    row = w.v1_data(b"x", [(0, -1)], proto)
    rows = [(b"", w.v1_meta([w.v1_tensor(b"x", (count,), dtype, [[(0, -1)]])], None))]
    rows.append((w.slice_key(b"x", [(0, -1)]), row))
    expected, plain = _decoded(proto, dtype)
    with _open(w.table(rows)) as ckpt:
        assert list(ckpt) == ["x"]
        try:
            array = ckpt["x"]
        except CheckpointError:
            assert expected is None or len(expected) != count or not plain
            return
        assert array.shape == (count,)
        if count:
            assert expected is not None
            _assert_same(array, expected)
        low = choices.below(count + 1)
        _assert_same(ckpt.read("x", rows=slice(low, low + 2)), list(array[low : low + 2]))


def _labelled(choices: harness.Choices) -> None:
    """A TensorProto with its own dtype and shape, as in variants: the last value repeats."""
    dtype = choices.pick(list(_FIELD))
    shape = tuple(choices.below(5) for _ in range(choices.below(4)))
    if choices.below(8) == 7:
        shape = (*shape, harness.signed(choices.number(), 64))
    values = _proto(choices, _FIELD[dtype])
    proto = w.int_field(1, dtype) + w.bytes_field(2, w.shape_proto(shape)) + values
    if choices.below(4) == 3:
        proto = harness.edited(proto + w.bytes_field(4, choices.some(40)), choices)
        plain = False
    else:
        plain = all(number > 4 for number, _, _ in harness.wire_fields(values) or [])
    expected, sound = _decoded(proto, dtype)
    try:
        array = decode_tensor_proto(memoryview(proto))
    except CheckpointError:
        # A repetition of 1 << 28 bytes or less is expanded.
        size = prod(shape)
        fits = expected is not None and len(expected) <= size < 1 << 24
        fits = fits and max(shape, default=0) < 1 << 40  # NumPy limits empty arrays too
        assert not plain or not sound or not fits or min(shape, default=0) < 0
        return
    if not plain:
        return
    assert array.shape == shape
    if array.size > 1 << 12:
        array = array.reshape(-1)[:: array.size - 1]  # one value stands for all but the first few
        expected = None if not expected else [expected[0], expected[-1]]
    if array.size and expected is not None:
        filled = expected + [expected[-1] if expected else b"" if dtype == w.STRING else 0] * (
            array.size - len(expected)
        )
        _assert_same(array.reshape(-1), filled)


def _assert_same(array: NDArray[Any], values: list[Any]) -> None:
    if array.dtype == object:
        assert array.tolist() == values
        return
    # One by one: on the way of a Python float a NaN would lose its payload.
    wanted = b"".join(np.asarray(value, array.dtype).tobytes() for value in values)
    assert array.tobytes() == wanted


def _proto(choices: harness.Choices, field: int) -> bytes:
    """Occurrences of a typed field, packed or not, most of them of its wire type."""
    fixed = {5: 5, 9: 5, 6: 1, 12: 1}.get(field)
    parts = []
    for _ in range(choices.below(7)):
        number = field if choices.below(8) else 5 + choices.below(15)
        kind = choices.below(4)
        if field == 8:
            parts.append(w.bytes_field(number, choices.some(9)))
        elif fixed is not None:
            width = {5: 4, 1: 8}[fixed]
            if kind < 2:
                parts.append(
                    w.varint(number << 3 | fixed) + choices.take(width).ljust(width, b"\0")
                )
            else:
                size = width * choices.below(5) + (choices.below(3) if kind == 3 else 0)
                parts.append(w.bytes_field(number, choices.take(size).ljust(size, b"\0")))
        elif kind == 0:
            parts.append(w.int_field(number, choices.number()))
        else:
            numbers = b"".join(w.varint(choices.number()) for _ in range(choices.below(5)))
            parts.append(w.bytes_field(number, numbers + (choices.some(3) if kind == 3 else b"")))
    proto = b"".join(parts)
    return harness.edited(proto, choices) if choices.below(8) == 7 else proto


def _decoded(  # noqa: C901, PLR0911, PLR0912, PLR0915
    proto: bytes, dtype: int
) -> tuple[list[Any] | None, bool]:
    """The values, None for no message; and whether every occurrence has a right wire type."""
    fields = harness.wire_fields(proto)
    if fields is None:
        return None, False
    values: list[Any] = []
    floats = b""
    plain = True
    for number, wire, found in fields:
        if number != _FIELD[dtype]:
            continue
        if dtype == w.STRING:
            values += [found] if wire == 2 else []
            plain = plain and wire == 2
        elif number in (5, 6, 9, 12):
            single, width = (5, 4) if number in (5, 9) else (1, 8)
            if wire not in (single, 2):
                plain = False
            elif len(found) % width:
                return None, False
            else:
                floats += found
        elif wire == 0:
            values.append(found)
        elif wire == 2:
            while found:
                value, end = harness.varint_at(found, 0)
                if value < 0:
                    return None, False
                values.append(value)
                found = found[end:]  # noqa: PLW2901 - what is left of it
        else:
            plain = False
    if dtype in (1, 2, 8, 18):
        target = np.dtype(_NUMPY[dtype])
        if len(floats) % target.itemsize:
            return None, False
        return list(np.frombuffer(floats, target)), plain
    if dtype == w.STRING:
        return values, plain
    return _as_numbers(values, dtype), plain


def _as_numbers(values: list[int], dtype: int) -> list[Any]:
    """The low bits of 64-bit numbers, as a dtype."""
    target = np.dtype(_NUMPY[dtype])
    if dtype == 10:
        return [bool(value) for value in values]
    bits = 8 * target.itemsize
    if dtype == 19:
        low = np.array([value & 0xFFFF for value in values], np.uint16)
        return list(low.view(np.float16))
    if target.kind == "i":
        return [harness.signed(value, bits) for value in values]
    return [value & (1 << bits) - 1 for value in values]


def _file(choices: harness.Choices) -> None:  # noqa: C901, PLR0915
    """A good file, some of its rows changed."""
    options: dict[str, Any] = {
        "packed": choices.flag(),
        "compress": choices.flag(),
        "block_size": choices.pick((1, 100, 1 << 18)),
    }
    touched: set[str] = set()

    def edit(rows: w.Rows) -> w.Rows:
        for _ in range(choices.below(3)):
            at = choices.below(len(rows))
            key, value = rows[at]
            kind = choices.below(8)
            touched.update(GOOD if not key else [name for name in GOOD if name.encode() in key])
            if kind == 7:
                del rows[at]
            elif kind == 6:
                rows[at] = (key, rows[choices.below(len(rows))][1])
            else:
                rows[at] = (key, harness.edited(value, choices))
        return rows

    contents = w.v1_table(GOOD, edit_rows=edit, **options)
    try:
        ckpt = _open(contents)
        names = list(ckpt)
    except CheckpointError:
        assert touched
        return
    for name in sorted(GOOD.keys() - touched):
        right = GOOD[name]
        array = w.typed(right.whole if isinstance(right, w.Sliced) else right)[1]
        for got in (ckpt[name], ckpt.read(name)):
            assert got.shape == array.shape
            assert got.tolist() == array.tolist()
    for name in names:
        try:
            array = ckpt[name]
            assert ckpt.read(name).tobytes() == array.tobytes() or array.dtype == object
            if array.ndim:
                rows = ckpt.read(name, rows=slice(1, 3))
                assert rows.tolist() == array[1:3].tolist() or array.dtype.kind in "fc"
        except CheckpointError:
            assert name in touched or name not in GOOD


def seeds() -> Iterator[bytes]:
    for at, dtype in enumerate(_FIELD):
        kinds = bytes([1, 3, 0, 4, 1, 1, 1, 0, 7, 9, 9, 9, 9, 9, 9, 9])
        yield bytes([0, at, 3, 3]) + kinds * 3 + bytes([dtype])
        yield bytes([1, at, 2, 2, 2, 0, 2]) + kinds * 2
    yield bytes([1, 2, 3, 1, 2, 3, 7, 0, 0, 1, 1, 2, 0, 5, 3])
    yield bytes([2, 1, 0, 2, 0])
    yield bytes([2, 0, 1, 1, 2, 3, 1, 20, 1, 2, 3, 7])
    yield bytes([2, 0, 0, 1, 2, 0, 0, 4, 1, 0, 3])
    yield bytes([2, 1, 1, 0, 2, 5, 6, 2, 4, 7])


if __name__ == "__main__":
    harness.main("v1")
