"""Tensors to convert, and the formats to convert them to."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import bundle
from hypothesis import strategies as st
from numpy.typing import NDArray

import tfckpt_reader as tfckpt
from tfckpt_reader.export import Conversion
from tfckpt_reader.export import convert as write
from tfckpt_reader.storage.writing.unfinished import SUFFIX

FLOATS = np.array([1.5, -2.0, 3.0, 4.0], np.float32)
MIB = 1 << 20


def left(folder: Path) -> list[str]:
    """List the files of a folder that do not belong to the checkpoint `p`."""
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
    "h5": ("out.h5", {}),
    "deflated_h5": ("out.h5", {"compress": True}),
    "zarr": ("out.zarr", {}),
    "deflated_zarr": ("out.zarr", {"compress": True}),
}


def hdf5_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """All datasets of an HDF5 file, by their paths."""
    h5py = pytest.importorskip("h5py")
    found: dict[str, NDArray[Any]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            boxed = np.empty(1, item.dtype)
            if item.shape:
                found[name] = item[()]
            else:
                boxed[0] = item[()]  # a list of bytes is one element
                found[name] = boxed.reshape(())

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def zarr_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """All arrays of a Zarr folder, by their paths; strings as bytes."""
    zarr = pytest.importorskip("zarr")
    found: dict[str, NDArray[Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bytes, and of consolidated metadata
        for name, item in zarr.open_group(path, mode="r").members(max_depth=None):
            if not isinstance(item, zarr.Array):
                continue
            values = item[...]
            if np.asarray(values).dtype.kind not in "biufc":
                boxed = np.empty(int(item.size), object)
                for i, element in enumerate(values.flat if item.shape else [values]):
                    plain = element.item() if isinstance(element, np.ndarray) else element
                    boxed[i] = plain.encode() if isinstance(plain, str) else plain
                values = boxed.reshape(item.shape)
            found[name] = np.asarray(values)
    return found


Arrays = dict[str, NDArray[Any]]


def load(path: Path | str) -> Arrays:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def out_of(source: Path, **options: Any) -> tuple[Arrays, Conversion]:
    target = source.parent / "out.npz"
    done = write(source, target, force=True, **options)
    assert done.path == str(target)
    assert not [name for name in os.listdir(source.parent) if name.endswith(SUFFIX)]
    return load(target), done


def large(dtype: Any, count: int, shape: tuple[int, ...] = (-1,)) -> NDArray[Any]:
    """Bytes that never repeat with the period of a chunk, as numbers."""
    rng = np.random.default_rng(7)
    raw = rng.integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8)
    numbers: NDArray[Any] = raw.view(dtype)
    return numbers.reshape(shape)


LARGE: dict[str, NDArray[Any]] = {
    "int8": large(np.int8, MIB + 1),
    "float32": large("f4", 3 * MIB // 4 + 1),
    "float64": large("f8", 5 * 83 * 331, (5, 83, 331)),
    "complex128": large("c16", MIB // 16 + 3),
    "int16": large("i2", 3 * 7 * 40009, (3, 7, 40009)),
}


def assert_same_bytes(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


SOURCES: dict[str, Callable[[Path], Path]] = {
    "plain": lambda folder: bundle(folder, {"a": FLOATS, "t": LARGE["float32"], "z": FLOATS}),
    "big-endian": lambda folder: bundle(
        folder, {"a": FLOATS, "t": LARGE["float32"], "z": FLOATS}, big_endian=True
    ),
    "sliced": lambda folder: bundle(
        folder,
        {"a": FLOATS, "t": w.Sliced(LARGE["int8"], [[(0, MIB)], [(MIB, 1)]]), "z": FLOATS},
    ),
    "strings": lambda folder: bundle(
        folder, {"a": FLOATS, "t": w.Strings([b"x" * 40], (1,)), "z": FLOATS}
    ),
    "bool": lambda folder: bundle(
        folder, {"a": FLOATS, "t": np.ones(2 * MIB, np.bool_), "z": FLOATS}
    ),
}


RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, 3 * MIB + 7, np.uint8)  # takes as much room deflated
TENSORS = {"a": FLOATS, "t": NOISE, "z": FLOATS}


def convert(source: Path, kind: str, folder: Path | None = None, **more: Any) -> Conversion:
    name, options = TARGETS[kind]
    return tfckpt.convert(source, f"{folder or source.parent}/{name}", **options, **more)


LIBRARY = {".h5": hdf5_arrays, ".zarr": zarr_arrays}
"""Ending of a target -> function that reads it with the format's own library."""


def arrays(kind: str, folder: Path) -> dict[str, bytes]:
    """The bytes of each array, read by others."""
    target = folder / TARGETS[kind][0]
    if kind == "npy":
        listed = json.loads((target / "manifest.json").read_text())["arrays"]
        return {name: np.load(target / e["file"]).tobytes() for name, e in listed.items()}
    if kind == "safetensors":
        library = pytest.importorskip("safetensors.numpy")
        return {name: array.tobytes() for name, array in library.load_file(target).items()}
    if target.suffix in LIBRARY:
        return {name: array.tobytes() for name, array in LIBRARY[target.suffix](target).items()}
    with np.load(target) as found:
        return {name: found[name].tobytes() for name in found.files}


def contents(path: Path) -> dict[str, bytes]:
    """Every byte of a file or a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if not file.is_dir()}


_ARRAYS_OF = {".h5": hdf5_arrays, ".zarr": zarr_arrays}


def converted_to(
    suffix: str, folder: Path, tensors: dict[Any, Any], **options: Any
) -> dict[str, NDArray[Any]]:
    """Save tensors, convert them to a format, and return its arrays by name."""
    w.write_bundle(folder / "m", tensors)
    tfckpt.convert(folder / "m", folder / f"out{suffix}", force=True, **options)
    return _ARRAYS_OF[suffix](folder / f"out{suffix}")


def refusal_of(suffix: str, folder: Path, tensors: dict[Any, Any], **options: Any) -> str:
    """Return the error of a conversion, which must leave nothing."""
    with pytest.raises(tfckpt.UnsupportedError) as caught:
        converted_to(suffix, folder, tensors, **options)
    assert not (folder / f"out{suffix}").exists()
    return str(caught.value)
