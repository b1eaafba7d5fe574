"""Random tensors of every type, shape and name, in pieces and over shards."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tf_oracle
import writers as w
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Extents = list[tuple[int, int]]
QUANTISED = tuple(tf_oracle.PLAIN)
SUB_BYTE = {29: 0x0F, 30: 0x0F, 31: 0x03, 32: 0x03, 33: 0x0F}
ALL = sorted({*w.DTYPES.values(), *QUANTISED})
V1 = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 19)
VARIABLES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 18, 19)


def examples(count: int) -> settings:
    """Run this many examples, the same ones each time; a failure prints how to repeat it."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def numpy_type(number: int) -> np.dtype[Any]:
    """The dtype of arrays of a TensorFlow dtype."""
    if number > 23 or number == 14:
        importlib.import_module("ml_dtypes")  # it teaches NumPy the names
    names = (name for name, other in w.DTYPES.items() if other == number)
    plain = next(names, "object" if number == 21 else "")  # a variant
    return np.dtype(tf_oracle.PLAIN.get(number) or plain)


# Upper halves of floats: zeros, infinities, quiet and signalling NaNs of every width.
HALVES = [0, 0x8000, 1, 0x3C00, 0x7C00, 0x7C01, 0x7E2A, 0xFE00, 0x7F80, 0x7FA1, 0xFFC0, 0x7FF0]
HALVES += [0xFFF4, 0x7FF8, 0xFFFF, 0x7FFF]
LENGTHS = (0, 0, 1, 2, 3, 7, 127, 128, 300, 16384)


def random_array(number: int, shape: Sequence[int], seed: int) -> w.Array:
    """Random bits, a third of the elements with an odd upper half."""
    rng = np.random.default_rng(seed)
    count = prod(shape)
    if number == w.STRING:
        array = np.empty(count, object)
        array[:] = [random_string(rng) for _ in range(count)]
        return array.reshape(shape)
    dtype = numpy_type(number)
    raw = rng.integers(0, 256, count * dtype.itemsize, dtype=np.uint8)
    if dtype.itemsize > 1 and count:
        top = raw.view("<u2").reshape(-1, max(1, dtype.itemsize // (4 if dtype.kind == "c" else 2)))
        odd = rng.random(len(top)) < 1 / 3
        top[odd, -1] = rng.choice(HALVES, odd.sum())
        top[odd & (rng.random(len(top)) < 1 / 2), :-1] = 0
    raw &= 1 if number == 10 else SUB_BYTE.get(number, 0xFF)
    return raw.view(dtype).reshape(shape)


def random_string(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.002:
        return rng.bytes(70_000)
    text = rng.bytes(
        int(rng.choice(LENGTHS, p=[0.15, 0.15, 0.2, 0.1, 0.1, 0.2, 0.03, 0.03, 0.03, 0.01]))
    )
    return text + bytes(int(rng.integers(0, 3))) if rng.random() < 0.3 else text


SHAPES = st.one_of(
    st.just(()),
    st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple),
    st.sampled_from([(0,), (1,), (9000,), (300, 3), (2, 0, 3), (1, 1, 1, 1, 1, 1), (64, 65)]),
)
LONG = "a/very/long/scope/that/many/names/share/" * 2
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.builds("{}{:03d}/{}".format, st.just(LONG), st.integers(0, 999), st.sampled_from("bk")),
    st.sampled_from(
        [
            "a",
            "a/",
            "/",
            "a:0",
            " ",
            "\0",
            "\0a\0\1",
            "a\0",
            "\xff",
            "имя/ß/名前",
            "a\nb",
            "..",
            "*?[x]",
        ]
    ),
    st.sampled_from(["x" * 300, "\U0010ffff", "%s", "a/.ATTRIBUTES/VARIABLE_VALUE", "\x7f", "\\"]),
)
BYTE_NAMES = st.binary(min_size=1, max_size=6).map(lambda b: b.decode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class Item:
    """A tensor and the pieces to save it in; none to save it whole."""

    dtype: int
    array: w.Array
    pieces: tuple[Extents, ...] = ()

    def __repr__(self) -> str:
        return f"Item({self.dtype}, {list(self.array.shape)}, {self.pieces})"

    @property
    def sliced(self) -> bool:
        """Whether TensorFlow stores pieces: one of the full shape is stored as the tensor."""
        return len(self.pieces) > 1


@st.composite
def partitions(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Extents, ...]:
    """Cut a box by guillotine; whole axes are said to be whole, or given numbers."""
    boxes: list[Extents] = [[(0, size) for size in shape]]
    for _ in range(draw(st.integers(0, 5))):
        box = boxes.pop(draw(st.integers(0, len(boxes) - 1)))
        long = [axis for axis, (_, size) in enumerate(box) if size > 1]
        halves = [box]
        if long:
            axis = draw(st.sampled_from(long))
            start, size = box[axis]
            cut = draw(st.integers(1, size - 1))
            ends = (start, cut), (start + cut, size - cut)
            halves = [[*box[:axis], end, *box[axis + 1 :]] for end in ends]
        boxes += halves
    return tuple(
        [
            (0, -1) if extent == (0, size) and (not size or draw(st.booleans())) else extent
            for extent, size in zip(box, shape, strict=True)
        ]
        for box in draw(st.permutations(boxes))
    )


@st.composite
def items(draw: st.DrawFn, dtypes: Sequence[int], *, sliced: bool = True) -> Item:
    number, shape = draw(st.sampled_from(dtypes)), draw(SHAPES)
    array = random_array(number, shape, draw(st.integers(0, (1 << 32) - 1)))
    cut = sliced and shape and draw(st.booleans())
    return Item(number, array, draw(partitions(shape)) if cut else ())


@dataclass(frozen=True)
class Plan:
    """A checkpoint to write: its tensors, over how many files, and rows to read of each."""

    tensors: dict[str, Item]
    shards: int
    rows: slice

    def parts(self) -> list[list[tuple[bytes, str, w.Typed]]]:
        """Rows of a save op, key, slice and value, dealt to as many files as there shall be."""
        rows = [row for name, item in self.tensors.items() for row in save_rows(name, item)]
        return [rows[i :: self.shards] for i in range(min(self.shards, len(rows)))]


BOUNDS = st.one_of(st.none(), st.integers(-7, 7))


def plans(
    dtypes: Sequence[int], names: st.SearchStrategy[str] = NAMES, *, sliced: bool = True
) -> st.SearchStrategy[Plan]:
    tensors = st.dictionaries(names, items(dtypes, sliced=sliced), min_size=1, max_size=6)
    return st.builds(Plan, tensors, st.integers(1, 3), st.builds(slice, BOUNDS, BOUNDS))


def spec_of(shape: Sequence[int], piece: Extents) -> str:
    """A slice as the save ops take it: sizes, then start and length per axis."""
    axes = ("-" if extent == (0, -1) else "{},{}".format(*extent) for extent in piece)
    return " ".join([*map(str, shape), ":".join(axes)])


def save_rows(name: str, item: Item) -> list[tuple[bytes, str, w.Typed]]:
    key = name.encode("utf-8", "surrogateescape")
    if not item.pieces:
        return [(key, "", w.Typed(item.dtype, item.array))]
    return [
        (key, spec_of(item.array.shape, p), w.Typed(item.dtype, w.cut(item.array, p)))
        for p in item.pieces
    ]


def key_of(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
