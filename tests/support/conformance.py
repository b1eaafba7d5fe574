"""Checkpoints like those of TensorFlow's own tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from strategies import numbers

import tfckpt_reader as tfckpt

# Of TensorFlow's 14 dtypes, those that NumPy has.
REAL = ["float32", "float64", "int32", "uint8", "int16", "int8"]
REAL += ["complex64", "complex128", "int64", "bool"]
QUANTISED = {"qint32": 13, "quint8": 12, "qint8": 11}
FOURTEEN = [*REAL, *QUANTISED, "bfloat16"]
PLAIN = {"qint32": "int32", "quint8": "uint8", "qint8": "int8"}


def opened(folder: Path, tensors: Mapping[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_bundle(folder / "p", tensors, **options)
    return tfckpt.open(folder / "p")


def opened_v1(folder: Path, tensors: Mapping[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_v1(folder / "f", tensors, **options)
    return tfckpt.open(folder / "f")


FORMATS = pytest.mark.parametrize("open_new", [opened, opened_v1], ids=["V2", "V1"])


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return np.dtype(PLAIN.get(dtype, dtype))


def tensor(dtype: str, values: Any) -> Any:
    array = np.array(values).astype(numpy_dtype(dtype))
    return w.Typed(QUANTISED[dtype], array) if dtype in QUANTISED else array


def four(dtype: str, first: int = 0) -> dict[str, Any]:
    """As TensorFlow's test does: [2, 3] tensors of one number each, not added in key order."""
    return {
        f"foo_{i:03d}": tensor(dtype, np.full((2, 3), i % 2 if dtype == "bool" else i))
        for i in (first + 3, first, first + 2, first + 1)
    }


def assert_holds(ckpt: tfckpt.Checkpoint, tensors: Mapping[str, Any], dtype: str) -> None:
    """By key and by iteration, in key order, with dtype and shape."""
    wanted = {name: w.typed(tensors[name])[1] for name in sorted(tensors)}
    for name, array in wanted.items():
        assert name in ckpt
        assert_array_equal(ckpt[name], array, strict=True)
        assert ckpt.specs[name].shape == array.shape
        assert str(ckpt.specs[name].dtype) == dtype
    assert list(ckpt) == list(wanted)
    walked = iter(ckpt.items())
    for name, array in wanted.items():
        found, value = next(walked)
        assert found == name
        assert_array_equal(value, array, strict=True)
    assert next(walked, None) is None


def lists(ckpt_or_path: tfckpt.Checkpoint | Path) -> list[str]:
    """Open, and look at all headers, as TensorFlow does at once."""
    if isinstance(ckpt_or_path, tfckpt.Checkpoint):
        return list(ckpt_or_path)
    with tfckpt.open(ckpt_or_path) as ckpt:
        return list(ckpt)


def strings(*values: bytes) -> w.Strings:
    return w.Strings(values, (len(values),))


VERSIONS: list[tuple[dict[str, Any], type[Exception] | None, str]] = [
    ({"producer": 2, "min_consumer": 2}, tfckpt.UnsupportedError, "1.*2"),
    ({"producer": -1}, tfckpt.CorruptCheckpointError, "-1"),
    ({"producer": 2, "bad_consumers": [1]}, tfckpt.UnsupportedError, "1"),
    ({"producer": -1, "min_consumer": 2}, tfckpt.CorruptCheckpointError, "-1"),
    ({"producer": 2, "min_consumer": 9, "bad_consumers": [1]}, tfckpt.UnsupportedError, "9"),
    ({"producer": 2, "min_consumer": 1, "bad_consumers": [0, 2]}, None, ""),
    ({"producer": 0}, None, ""),
]
TWELVE: dict[str, tuple[str, tuple[int, ...]]] = {
    "tensor_bool": ("bool", (2,)),
    "tensor_int": ("int32", (10,)),
    "tensor_float": ("float32", (2, 4)),
    "tensor_double": ("float64", (2, 4)),
    "tensor_qint8": ("qint8", (3, 2)),
    "tensor_qint32": ("qint32", (2, 3)),
    "tensor_uint8": ("uint8", (11,)),
    "tensor_int8": ("int8", (7,)),
    "tensor_int16": ("int16", (7,)),
    "tensor_int64": ("int64", (9,)),
    "tensor_complex64": ("complex64", (2, 3)),
    "tensor_half": ("float16", (2, 4)),
}
MATRIX = numbers((4, 5), "float32")
WITH_HOLE = [[(0, 2), (0, -1)], [(2, 2), (0, 3)], [(3, 1), (3, 2)]]


def assert_set_with_hole(ckpt: tfckpt.Checkpoint, name: str, array: NDArray[Any]) -> None:
    """All but row 2, from column 3, can be had; what touches that hole cannot."""
    assert ckpt.specs[name].shape == (4, 5)
    for rows in (slice(0, 2), slice(1, 2), slice(3, 4)):
        assert_array_equal(ckpt.read(name, rows=rows), array[rows], strict=True)
    for rows in (slice(1, 3), slice(2, 3), slice(None)):
        with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
            ckpt.read(name, rows=rows)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
        ckpt[name]
