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
from tfckpt_reader.frameworks.tensors import chosen, named
from tfckpt_reader.objects.paths import VALUE


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_an_absent_framework_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    loader = importlib.import_module(f"tfckpt_reader.frameworks.{name}")
    with pytest.raises(tfckpt.UnsupportedError, match=f"pip install {name}") as caught:
        loader.load_checkpoint(FIXTURES / "saver_tf1" / "model.ckpt-1")
    assert "\n" not in str(caught.value)


def test_strings_and_variants_are_refused_by_name(tmp_path: Path) -> None:
    text = np.array([b"a"], object)
    w.write_bundle(tmp_path / "p", {"kernel": np.zeros(2, np.float32), "s": text, "t": text})
    with tfckpt.open(tmp_path / "p") as ckpt:
        with pytest.raises(
            tfckpt.UnsupportedError, match=r"2 tensors .* 's', 't'.*only="
        ) as caught:
            chosen(ckpt, "key", ())
        assert "\n" not in str(caught.value)
        with pytest.warns(UserWarning, match="2 tensors of unknown role left out: s, t"):
            assert list(chosen(ckpt, "key", "weights")) == ["kernel"]


def test_the_object_graph_is_no_tensor() -> None:
    with tfckpt.open(FIXTURES / "tf2_checkpoint" / "ckpt-1") as ckpt:
        found = chosen(ckpt, "key", ())
        assert set(ckpt) - set(found) == {"_CHECKPOINTABLE_OBJECT_GRAPH"}


def test_weights_under_the_names_of_keras() -> None:
    """Under the optimizer's path they are in the file; statistics are among them."""
    with tfckpt.open(FIXTURES / "keras3_trained" / "optimizer") as ckpt:
        found = chosen(ckpt, "full_name", "weights")
        by_key = chosen(ckpt, "key", "weights")
    assert len(found) == len(by_key) == 20
    assert found["conv2d/kernel"].name == "optimizer/_trainable_variables/0" + VALUE
    assert "batch_normalization/moving_mean" in found
    assert "text/lstm/lstm_cell/recurrent_kernel" in found


def test_what_is_of_unknown_role_is_not_left_out_silently(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"kernel": np.zeros(2, np.float32), "odd": np.array([1, 2])})
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert str(ckpt.roles["odd"].kind) == "other"
        with pytest.warns(UserWarning, match="1 tensor of unknown role left out: odd"):
            assert list(chosen(ckpt, "key", "weights")) == ["kernel"]


def test_nothing_left_is_said(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"global_step": np.array(1)})
    with tfckpt.open(tmp_path / "p") as ckpt:
        with pytest.raises(tfckpt.UnsupportedError, match="of 1 tensor none is left"):
            chosen(ckpt, "key", "weights")
        with pytest.raises(ValueError, match="roles are"):
            chosen(ckpt, "key", "biases")
        with pytest.raises(ValueError, match="names are one of"):
            chosen(ckpt, "path", ())


def test_many_names_stay_short() -> None:
    assert len(named(f"tensor {i}" for i in range(10_000))) < 400
