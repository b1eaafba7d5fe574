"""Bytes in memory as a source, and strategies of hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
import writers as w
from hypothesis import strategies as st
from numpy.typing import NDArray

from tfckpt_reader.errors import TruncatedError
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.spec import TensorSlice, Unplaced


class Memory:
    """Bytes as a ByteSource; remembers which ranges were asked for."""

    map: memoryview | None = None
    window = CHUNK

    def __init__(self, data: bytes, name: str = "memory") -> None:
        self.data, self.name, self.size = data, name, len(data)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> memoryview:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise TruncatedError("past the end", file=self.name, offset=offset)
        self.reads.append((offset, size))
        return memoryview(self.data)[offset : offset + size]

    def readinto(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = self.read(offset, len(buffer))


def table_of(rows: w.Rows, **layout: Any) -> Table:
    """A table of rows, as the package reads it; even of none."""
    return Table(Memory(w.table(rows, **layout)))


def piece(extents: w.Extents, shape: tuple[int, ...]) -> TensorSlice:
    """A slice as the package describes it, within a tensor of `shape`."""
    placed = [
        (0, size) if length < 0 else (start, length)
        for (start, length), size in zip(extents, shape, strict=True)
    ]
    starts, lengths = zip(*placed, strict=True) if placed else ((), ())
    return TensorSlice(tuple(extents), starts, Unplaced("t", DataType.FLOAT32, lengths))


# Few different bytes, so that keys share prefixes; those at the ends, so that order matters.
_LETTERS = b"\x00\x01abcde\xfd\xfe\xff"
KEYS = st.lists(st.sampled_from(_LETTERS), max_size=6).map(bytes)
VALUES = st.one_of(st.binary(max_size=20), st.integers(0, 400).map(bytes))
ROWS = st.dictionaries(KEYS, VALUES, max_size=60).map(lambda rows: sorted(rows.items()))
NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.binary(min_size=1, max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def tilings(draw: st.DrawFn, shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """Extents of pieces that cover a shape without axes of size 0, cut at random, in any order."""
    boxes = [[(0, size) for size in shape]]
    for _ in range(draw(st.integers(0, 6)) if shape else 0):
        box = boxes.pop(draw(st.integers(0, len(boxes) - 1)))
        axis = draw(st.integers(0, len(shape) - 1))
        start, length = box[axis]
        first = draw(st.integers(0, length))
        for begin, size in ((start, first), (start + first, length - first)):
            if size:
                boxes.append([*box[:axis], (begin, size), *box[axis + 1 :]])
    whole = draw(st.booleans())  # write a whole axis as such, or by its numbers
    return draw(
        st.permutations(
            [
                [(0, -1) if whole and pair == (0, n) else pair for pair, n in zip(box, shape)]  # noqa: B905
                for box in boxes
            ]
        )
    )


def numbers(shape: tuple[int, ...], dtype: str = "int32") -> NDArray[Any]:
    """An array whose elements all differ."""
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
