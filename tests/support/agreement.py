"""Assertions that TensorFlow and the package read just what was written."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tf_oracle
import writers as w
from random_tensors import SUB_BYTE, Item, Plan, numpy_type
from tf_oracle import value_of

import tfckpt_reader as tfckpt


def tensorflow() -> Any:
    return importlib.import_module("tensorflow")


def assert_canonical(array: w.Array, dtype: int) -> None:
    """Require the properties that every array has."""
    assert array.dtype == numpy_type(dtype)
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert array.flags.aligned
    mask = 1 if dtype == 10 else SUB_BYTE.get(dtype)
    if mask and array.size:
        assert array.view(np.uint8).max() <= mask


def assert_ours(path: str, expected: Mapping[str, Item], rows: slice) -> None:
    """The package reads just these tensors, by every way there is."""
    with tfckpt.open(path) as ckpt, tfckpt.open(path, mmap=False) as copied:
        for name, item in expected.items():  # looked up before any listing
            assert value_of(copied[name]) == value_of(item.array)
        assert list(ckpt) == sorted(expected, key=lambda n: n.encode("utf-8", "surrogateescape"))
        for name, item in expected.items():
            spec = ckpt.specs[name]
            assert (int(spec.dtype), spec.shape) == (item.dtype, item.array.shape)
            assert_array(ckpt[name], item, item.array, writeable=False)
            assert_array(ckpt[name], item, item.array, writeable=False)
            assert_array(ckpt.read(name), item, item.array, writeable=True)
            if spec.shape:
                some = ckpt.read(name, rows=rows)
                assert_array(some, item, item.array[rows], writeable=True)
                checked = ckpt.read(name, rows=rows, check=True)
                assert value_of(checked) == value_of(some)


def assert_array(array: w.Array, item: Item, expected: w.Array, *, writeable: bool) -> None:
    assert isinstance(array, np.ndarray)
    assert value_of(array) == value_of(expected)
    assert_canonical(array, item.dtype)
    assert array.flags.writeable is writeable


def assert_theirs(readers: tf_oracle.Readers, path: str, expected: Mapping[str, Item]) -> None:
    """TensorFlow reads them too, but for slices of some dtypes."""
    tf = tensorflow()
    listing = {
        name.encode("utf-8", "surrogateescape"): (item.dtype, item.array.shape)
        for name, item in expected.items()
    }
    try:
        assert readers.listing(path) == listing
    except UnicodeDecodeError:
        assert any("\udc80" <= c <= "\udcff" for name in expected for c in name)
    for name, item in expected.items():
        key = name.encode("utf-8", "surrogateescape")
        for read in (readers.get, readers.restore):
            arguments = (item.dtype,) if read == readers.restore else ()
            try:
                got = read(path, key, *arguments)
            except (tf.errors.OpError, ValueError, RuntimeError):
                assert refuses(path, item, read.__name__)
            else:
                assert got == value_of(item.array)


def refuses(path: str, item: Item, call: str) -> bool:
    """Return whether TensorFlow is known to refuse such a tensor."""
    if Path(path + ".index").exists():
        return item.sliced and item.dtype in {7, 15, 16, 17, 19, *range(22, 29), 31, 32, 33}
    return call == "get" and (item.sliced or item.dtype in {8, 11, 12, 13, 17, 18, 19})


def assert_both(readers: tf_oracle.Readers, path: Path | str, plan: Plan) -> None:
    assert_ours(str(path), plan.tensors, plan.rows)
    assert_theirs(readers, str(path), plan.tensors)
