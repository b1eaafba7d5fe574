"""Tensors to convert, and the formats to convert them to."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import strategies as st
from numpy.typing import NDArray

FLOATS = np.array([1.5, -2.0, 3.0, 4.0], np.float32)
MIB = 1 << 20


def left(folder: Path) -> list[str]:
    """What lies in a folder that is not part of the checkpoint `p`."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("p."))


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
plain = st.sampled_from(["f4", "f8", "i1", "i8", "u2", "?", "c8", "f2"])
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@st.composite
def some_tensors(draw: st.DrawFn) -> dict[str, Any]:
    """Any names, shapes and types; strings of any bytes; some tensors in two pieces."""
    found: dict[str, Any] = {}
    for name in draw(st.lists(names, max_size=6, unique=True)):
        shape = draw(shapes)
        count = math.prod(shape)
        if draw(st.integers(0, 3)) == 0:
            elements = draw(st.lists(st.binary(max_size=5), min_size=count, max_size=count))
            found[name] = w.Strings(elements, shape)
            continue
        dtype = np.dtype(draw(plain))
        data = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
        raw = np.frombuffer(data, "u1")
        array: NDArray[Any] = (raw & 1 if dtype.kind == "b" else raw).view(dtype).reshape(shape)
        split = bool(shape) and shape[0] > 1 and count and draw(st.booleans())
        rest = [(0, -1)] * (len(shape) - 1)
        pieces = [[(0, 1), *rest], [(1, shape[0] - 1), *rest]] if split else []
        found[name] = w.Sliced(array, pieces) if split else array
    return found


TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "npz": ("out.npz", {}),
    "deflated": ("out.npz", {"compress": True}),
    "safetensors": ("out.safetensors", {}),
    "npy": ("out/", {}),
}
every = pytest.mark.parametrize("kind", TARGETS)
