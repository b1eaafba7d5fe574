"""Checkpoints as JAX arrays, bit for bit what TensorFlow reads; and 64-bit types."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from oracles import ORACLES, QUANTISED, value_bytes

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.jax import load_checkpoint

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("jax")]

EVERY = ORACLES["every_dtype"]["checkpoints"][0]["variables"]


@pytest.fixture
def wide(jax: Any) -> Iterator[None]:
    """64-bit types enabled."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.usefixtures("wide")
def test_every_dtype_keeps_its_bits(jax: Any, numbers: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_checkpoint(numbers)
    assert len(found) > 110
    for name, array in found.items():
        record = EVERY[name]
        assert isinstance(array, jax.Array)
        assert array.dtype.name == QUANTISED.get(record["dtype"], record["dtype"])
        assert list(array.shape) == record["shape"]
        content = value_bytes(np.asarray(array))
        assert hashlib.sha256(content).hexdigest() == record["sha256"]


def test_small_numbers_of_64_bits_are_kept_with_a_warning(jax: Any, tmp_path: Path) -> None:
    tensors = {
        "f": np.array([0.5, np.nan, np.inf, -0.0]),
        "i": np.array([2**31 - 1, -(2**31)]),
        "u": np.array([2**32 - 1], np.uint64),
        "w": np.zeros(2, np.float32),
    }
    w.write_bundle(tmp_path / "p", tensors)
    with pytest.warns(
        UserWarning, match=r"3 tensors .* 'f', 'i', 'u'\. .*jax_enable_x64"
    ) as caught:
        found = load_checkpoint(tmp_path / "p")
    assert caught[0].filename == __file__
    assert {name: str(array.dtype) for name, array in found.items()} == {
        "f": "float32", "i": "int32", "u": "uint32", "w": "float32"
    }  # fmt: skip
    for name, array in tensors.items():
        np.testing.assert_array_equal(np.asarray(found[name]).astype(array.dtype), array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([0, 2**31]),
        np.array([-(2**31) - 1]),
        np.array([2**32], np.uint64),
        np.array([0.1]),
        np.array([1e300]),
        np.array([1e-300]),
        np.array([0.1 + 1j]),
    ],
)
def test_values_that_would_change_are_refused(jax: Any, array: Any, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": array, "b": np.zeros(1, np.float32)})
    with pytest.raises(tfckpt.UnsupportedError, match=r"'a' \w+ to \w+\. .*jax_enable_x64"):
        load_checkpoint(tmp_path / "p")


def test_an_array_is_no_view_of_the_file(jax: Any, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.ones(64, np.float32)})
    (array,) = load_checkpoint(tmp_path / "p", device=jax.devices()[0]).values()
    with (tmp_path / "p.data-00000-of-00001").open("r+b") as shard:
        shard.write(bytes(256))
    assert float(array.sum()) == 64


def test_damage_is_an_error(jax: Any, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.arange(4)})
    shard = tmp_path / "p.data-00000-of-00001"
    shard.write_bytes(b"\1" + shard.read_bytes()[1:])
    with pytest.raises(tfckpt.ChecksumError):
        load_checkpoint(tmp_path / "p")
