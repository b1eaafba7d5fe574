"""What the loaders share; and what they say where a framework is absent."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.tensors import named, require_numbers


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_an_absent_framework_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    loader = importlib.import_module(f"tfckpt_reader.frameworks.{name}")
    with pytest.raises(tfckpt.UnsupportedError, match=f"pip install {name}") as caught:
        loader.load_checkpoint(FIXTURES / "saver_tf1" / "model.ckpt-1")
    assert "\n" not in str(caught.value)


def test_strings_and_variants_are_refused_by_name(tmp_path: Path) -> None:
    text = np.array([b"a"], object)
    w.write_bundle(tmp_path / "p", {"a": np.zeros(1, np.float32), "s": text, "t": text})
    with tfckpt.open(tmp_path / "p") as ckpt:
        with pytest.raises(tfckpt.UnsupportedError, match=r"2 tensors .* 's', 't'") as caught:
            require_numbers(ckpt.specs, ckpt.reader.path)
        assert "only=" in str(caught.value)


def test_the_object_graph_is_no_tensor() -> None:
    with tfckpt.open(FIXTURES / "tf2_checkpoint" / "ckpt-1") as ckpt:
        found = require_numbers(ckpt.specs, ckpt.reader.path)
        assert set(ckpt) - set(found) == {"_CHECKPOINTABLE_OBJECT_GRAPH"}


def test_many_names_stay_short() -> None:
    assert len(named(f"tensor {i}" for i in range(10_000))) < 400
