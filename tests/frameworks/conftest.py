"""The frameworks, each skipped by name where it is not installed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture
def jax() -> Any:
    return pytest.importorskip("jax")


@pytest.fixture
def keras() -> Any:
    """Keras with the backend of KERAS_BACKEND; by default the first that is installed."""
    backends = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
    backend = os.environ.setdefault("KERAS_BACKEND", (*backends, "none")[0])
    pytest.importorskip(backend)
    return pytest.importorskip("keras")


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """The tensors of every_dtype that are numbers."""
    with tfckpt.open(FIXTURES / "every_dtype" / "model.ckpt") as ckpt:
        specs = {name: spec for name, spec in ckpt.specs.items() if spec.dtype.itemsize}
        raw = {
            name: w.Raw(int(spec.dtype), spec.shape, b"".join(map(bytes, ckpt.reader.chunks(spec))))
            for name, spec in specs.items()
        }
    w.write_bundle(tmp_path / "p", raw)
    return tmp_path / "p"
