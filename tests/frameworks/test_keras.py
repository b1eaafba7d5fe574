"""Filling a model: all or nothing, in the types of its weights. The models here are stand-ins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.keras import load_weights
from tfckpt_reader.tensor.dtypes import DataType, to_numpy


class Variable:
    """A variable of Keras 3, as far as it is used."""

    def __init__(self, path: str, shape: tuple[int, ...], dtype: str = "float32") -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self.value: Any = None
        self.trainable = True

    def assign(self, value: Any) -> None:
        assert value.dtype == to_numpy(DataType[self.dtype.upper()])
        assert value.shape == self.shape
        assert value.flags.owndata
        assert value.flags.writeable
        self.value = value


def model_of(*rows: Any, **parts: Any) -> Any:
    return SimpleNamespace(weights=[Variable(*row) for row in rows], **parts)


def untouched(model: Any) -> bool:
    return all(variable.value is None for variable in model.weights)


KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
BIAS = np.ones(3, np.float32)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A checkpoint by names alone."""
    w.write_bundle(tmp_path / "p", {"net/a/kernel": KERNEL, "net/a/bias": BIAS})
    return tmp_path / "p"


def test_by_name(plain: Path) -> None:
    model = model_of(("net/a/bias", (3,)), ("net/a/kernel", (2, 3)))
    loaded = load_weights(model, plain)
    assert str(loaded) == "2 weights by name"
    assert [each.tensor for each in loaded.filled] == ["net/a/bias", "net/a/kernel"]
    np.testing.assert_array_equal(model.weights[0].value, BIAS)
    np.testing.assert_array_equal(model.weights[1].value, KERNEL)


def test_below_a_scope(plain: Path) -> None:
    model = model_of(("a/kernel", (2, 3)), ("a/bias", (3,)))
    assert str(load_weights(model, plain, root="net")) == "2 weights by name"
    assert str(load_weights(model, plain)) == "2 weights by shape"
    with pytest.raises(tfckpt.UnsupportedError, match="no tensors of numbers are at 'ne'"):
        load_weights(model, plain, root="ne")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (("net/a/kernel", (3, 2)), r"'net/a/kernel' \[3, 2\] of the model is .*\[2, 3\]"),
        (("net/b/kernel", (5,)), "no tensor is called 'net/b/kernel'"),
    ],
)
def test_what_does_not_fit_names_both_sides(plain: Path, row: Any, match: str) -> None:
    model = model_of(row, ("net/a/bias", (3,)))
    with pytest.raises(tfckpt.UnsupportedError, match=match) as caught:
        load_weights(model, plain)
    assert str(plain) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert untouched(model)


def test_not_strict(plain: Path) -> None:
    model = model_of(("net/a/bias", (3,)), ("head/kernel", (5,)))
    loaded = load_weights(model, plain, strict=False)
    assert loaded.unfilled == ("head/kernel",)
    assert loaded.unused == ("net/a/kernel",)
    assert str(loaded) == "1 weight by name; not filled: head/kernel; not used: net/a/kernel"
    assert model.weights[1].value is None
    with pytest.raises(tfckpt.UnsupportedError, match="do not match"):
        load_weights(model_of(("other", (1,))), plain, strict=False)


def test_a_weight_left_over_is_refused(plain: Path) -> None:
    model = model_of(("net/a/bias", (3,)))
    with pytest.raises(tfckpt.UnsupportedError, match=r"no place for 1 weight .*'net/a/kernel'"):
        load_weights(model, plain)
    assert untouched(model)


def test_damage_leaves_the_model_alone(plain: Path) -> None:
    shard = Path(f"{plain}.data-00000-of-00001")
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x17")
    model = model_of(("net/a/bias", (3,)), ("net/a/kernel", (2, 3)))
    with pytest.raises(tfckpt.ChecksumError):
        load_weights(model, plain)
    assert untouched(model)


@pytest.mark.parametrize("by", ["name", "object_path", "order", "shape"])
def test_one_way_only(plain: Path, by: str) -> None:
    model = model_of(("net/a/kernel", (2, 3)), ("net/a/bias", (3,)))
    if by in ("name", "shape"):
        assert str(load_weights(model, plain, by=by)) == f"2 weights by {by}"
        return
    with pytest.raises(tfckpt.UnsupportedError, match="the checkpoint stores no"):
        load_weights(model, plain, by=by)
    assert untouched(model)


def test_in_the_order_of_the_graph() -> None:
    """The graph beside a TensorFlow 1 checkpoint lists its variables; steps are no weights."""
    saved = FIXTURES / "saver_tf1" / "model.ckpt-1"
    with tfckpt.open(saved) as ckpt:
        names = [name for name in ckpt if name != "global_step"]
        model = model_of(*((f"{i}/{name}", ckpt.specs[name].shape) for i, name in enumerate(names)))
        loaded = load_weights(model, saved)
        assert [each.tensor for each in loaded.filled] == names
        assert {each.how for each in loaded.filled} == {"order"}
        for variable, name in zip(model.weights, names, strict=True):
            np.testing.assert_array_equal(variable.value, ckpt[name])


def test_of_one_name_and_several_tensors_none_is_taken(tmp_path: Path) -> None:
    model = model_of(("a", (3,)), ("a", (3,)))
    w.write_bundle(tmp_path / "p", {"a": BIAS})
    with pytest.raises(tfckpt.UnsupportedError, match="several weights of the model"):
        load_weights(model, tmp_path / "p", strict=False)


@pytest.mark.parametrize(
    ("stored", "dtype", "note"),
    [
        (np.array([1.5, np.nan, -0.0]), "float32", None),
        (np.array([1.5, np.inf, 2], np.float32), "float16", None),
        (np.array([1 / 3, 1, 2], np.float32), "float16", "rounded from float32 to float16"),
        (np.array([1, -5, 2**31 - 1]), "int32", None),
        (np.array([1, 0, 255]), "uint8", None),
        (np.array([1, 0, 3], np.int32), "float32", None),
        (np.array([1e30, 1, 2], np.float32), "float16", "cannot hold"),
        (np.array([2**31, 1, 2]), "int32", "cannot hold"),
        (np.array([2**24 + 1, 1, 2], np.int32), "float32", "cannot hold"),
        (np.array([0.5, 1, 2], np.float32), "int8", "cannot hold"),
        (np.array([2, 1, 0], np.int32), "bool", "cannot hold"),
    ],
)
def test_types(stored: Any, dtype: str, note: str | None, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a/kernel": stored, "a/bias": BIAS})
    model = model_of(("a/bias", (3,)), ("a/kernel", (3,), dtype))
    if note == "cannot hold":
        with pytest.raises(tfckpt.UnsupportedError, match=note):
            load_weights(model, tmp_path / "p")
        assert untouched(model)
        return
    loaded = load_weights(model, tmp_path / "p")
    assert loaded.notes == (() if note is None else (f"a/kernel: {note}",))
    np.testing.assert_array_equal(model.weights[1].value, stored.astype(dtype))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2"])
def test_small_floats(dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    w.write_bundle(tmp_path / "p", {"a": np.array([1 / 3, 2, 3], np.float32)})
    model = model_of(("a", (3,), dtype))
    assert load_weights(model, tmp_path / "p").notes == (f"a: rounded from float32 to {dtype}",)
    w.write_bundle(tmp_path / "q", {"a": w.Raw(14, (3,), bytes.fromhex("803f00c00000"))})
    model = model_of(("a", (3,)))
    assert load_weights(model, tmp_path / "q").notes == ()
    assert model.weights[0].value.tolist() == [1, -2, 0]


def test_what_is_no_model_of_keras_3(plain: Path) -> None:
    with pytest.raises(ValueError, match="no weights yet"):
        load_weights(model_of(), plain)
    with pytest.raises(ValueError, match="no model of Keras 3"):
        load_weights(SimpleNamespace(weights=[np.zeros(3)]), plain)
    with pytest.raises(ValueError, match="by is one of"):
        load_weights(model_of(("a", (1,))), plain, by="luck")


def test_a_damaged_object_graph_is_an_error(tmp_path: Path) -> None:
    graph = np.array(b"\x0a\xff\xff", object)
    w.write_bundle(tmp_path / "p", {"_CHECKPOINTABLE_OBJECT_GRAPH": graph, "a": BIAS})
    model = model_of(("a", (3,)))
    with pytest.raises(tfckpt.CorruptCheckpointError):
        load_weights(model, tmp_path / "p")
    assert untouched(model)
