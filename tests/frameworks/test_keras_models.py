"""Trained models of TensorFlow's Keras, filled into fresh ones of Keras 3 on another backend."""

from __future__ import annotations

import importlib
from typing import Any

import keras_models
import numpy as np
import pytest
from oracles import ORACLES
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.keras import load_weights

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
]

SAVED = {
    "keras3_trained/optimizer": ("name", "object_path"),
    "keras3_trained/whole": ("name", "object_path"),
    "saved_model_keras3": ("name", "order"),
    "keras2_trained/weights": ("object_path", "object_path"),
    "keras2_trained/variables": ("object_path", "object_path"),
}
"""Checkpoint -> how a model is matched in a fresh session, and after others were built in it."""
TWO = FIXTURES / "keras3_trained" / "two"


@pytest.fixture(autouse=True)
def fresh(keras: Any) -> None:
    """Layers are numbered from the beginning."""
    keras.backend.clear_session()


def predictions(saved: str) -> Any:
    return np.array(ORACLES[saved.split("/", maxsplit=1)[0]]["predictions"], np.float32)


def values(model: Any) -> list[Any]:
    return [value_of(variable) for variable in model.weights]


def value_of(variable: Any) -> Any:
    keras = importlib.import_module("keras")
    return np.array(keras.ops.convert_to_numpy(variable))


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("others", [0, 1])
def test_predictions_are_those_of_tensorflow(keras: Any, saved: str, others: int) -> None:
    for _ in range(others):
        keras_models.build(keras)
    model = keras_models.build(keras)
    loaded = load_weights(model, FIXTURES / saved)
    found = model.predict(keras_models.inputs(), verbose=0)
    np.testing.assert_allclose(found, predictions(saved), rtol=0, atol=1e-5)
    assert {each.how for each in loaded.filled} == {SAVED[saved][others]}
    assert [each.variable for each in loaded.filled] == [each.path for each in model.weights]
    assert loaded.unfilled == loaded.unused == ()
    with tfckpt.open(FIXTURES / saved) as ckpt:
        for each, value in zip(loaded.filled, values(model), strict=True):
            assert value.tobytes() == ckpt[each.tensor].tobytes()


@pytest.mark.parametrize("compiled", [False, True])
def test_layers_in_a_list(keras: Any, compiled: bool) -> None:
    """Their names repeat, and they are no objects of the checkpoint: the optimizer lists them."""
    record = ORACLES["keras3_trained"]
    model = keras_models.listed(keras)
    if compiled:
        model.compile("adam", "mse")
    loaded = load_weights(model, FIXTURES / "keras3_trained" / "listed")
    found = model.predict(np.array(record["rows"], np.float32), verbose=0)
    np.testing.assert_allclose(found, record["of_rows"], rtol=0, atol=1e-5)
    assert [each.how for each in loaded.filled].count("order") >= 6
    before = values(model)
    model.layers[0].trainable = False  # the optimizer has listed them all
    with pytest.raises(tfckpt.UnsupportedError, match="do not match the checkpoint"):
        load_weights(model, FIXTURES / "keras3_trained" / "listed")
    assert all(np.array_equal(a, b) for a, b in zip(values(model), before, strict=True))


@pytest.mark.parametrize("saved", ["keras3_trained/optimizer", "saved_model_keras3"])
def test_a_compiled_model_and_its_random_state(keras: Any, saved: str) -> None:
    model = keras_models.build(keras)
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(keras_models.inputs(), keras_models.targets())
    others = [v for v in model.variables if not any(v is w for w in model.weights)]
    before = [value_of(variable) for variable in others]
    load_weights(model, FIXTURES / saved)
    assert others
    for variable, value in zip(others, before, strict=True):
        np.testing.assert_array_equal(value_of(variable), value)
    found = model.predict(keras_models.inputs(), verbose=0)
    np.testing.assert_allclose(found, predictions(saved), rtol=0, atol=1e-5)


@pytest.mark.parametrize("root", ["generator", "discriminator"])
def test_one_of_two_models(keras: Any, root: str) -> None:
    model, other = keras_models.pair(keras)
    for fresh in (model, other):
        loaded = load_weights(fresh, TWO, root=root)
        with tfckpt.open(TWO) as ckpt:
            for each, value in zip(loaded.filled, values(fresh), strict=True):
                assert each.tensor.startswith(f"{root}/")
                assert value.tobytes() == ckpt[each.tensor].tobytes()


@pytest.mark.parametrize("strict", [True, False])
def test_two_models_are_ambiguous(keras: Any, strict: bool) -> None:
    for model in keras_models.pair(keras):
        before = values(model)
        with pytest.raises(tfckpt.UnsupportedError, match=r"several saved objects fit.*root"):
            load_weights(model, TWO, strict)
        assert all(np.array_equal(a, b) for a, b in zip(values(model), before, strict=True))
    with pytest.raises(tfckpt.UnsupportedError, match="no tensors of numbers are at 'critic'"):
        load_weights(model, TWO, root="critic")


def test_exchanged_names_are_refused(keras: Any) -> None:
    """By their names the layers are one way round, by their places the other."""
    model = keras_models.square(keras, "second", "first")
    with pytest.raises(tfckpt.UnsupportedError, match=r"in several ways.*by='name' or by='obj"):
        load_weights(model, TWO, root="generator")
    load_weights(model, TWO, root="generator", by="name")
    by_name = values(model)
    load_weights(model, TWO, root="generator", by="object_path")
    for one, other in zip(by_name[:2], values(model)[2:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_model_is_refused_and_left_alone(keras: Any) -> None:
    model = keras_models.build(keras)
    longer = keras.Model(model.inputs, keras.layers.Dense(2, name="head")(model.outputs[0]))
    before = values(longer)
    for saved in SAVED:
        with pytest.raises(tfckpt.UnsupportedError, match="do not match the checkpoint"):
            load_weights(longer, FIXTURES / saved)
    assert all(np.array_equal(a, b) for a, b in zip(values(longer), before, strict=True))
    loaded = load_weights(longer, FIXTURES / "keras3_trained" / "optimizer", strict=False)
    assert loaded.unfilled == ("head/kernel", "head/bias")
    assert len(loaded.filled) == len(model.weights)
    found = model.predict(keras_models.inputs(), verbose=0)
    np.testing.assert_allclose(found, predictions("keras3_trained"), rtol=0, atol=1e-5)


def test_a_shorter_model_leaves_weights(keras: Any) -> None:
    model = keras_models.build(keras)
    shorter = keras.Model(model.inputs, model.layers[-2].output)
    saved = FIXTURES / "saved_model_keras3"
    with pytest.raises(tfckpt.UnsupportedError, match="no place for 2 weights"):
        load_weights(shorter, saved)
    loaded = load_weights(shorter, saved, strict=False)
    assert len(loaded.unused) == 2
    assert loaded.unfilled == ()
    assert "not used: " in str(loaded)


def test_shifted_numbers_give_nothing_by_name(keras: Any) -> None:
    """A fresh dense_1 must not get the weights of the trained dense_1, which is another layer."""
    keras.layers.Dense(1)
    keras_models.build(keras)
    model = keras_models.build(keras)
    longer = keras.Model(model.inputs, keras.layers.Dense(2, name="head")(model.outputs[0]))
    with pytest.raises(tfckpt.UnsupportedError, match="do not match"):
        load_weights(longer, FIXTURES / "saved_model_keras3", strict=False)


def test_half_precision_is_rounded_and_said(keras: Any) -> None:
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = keras_models.square(keras, "first", "second")
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = load_weights(model, TWO, root="generator")
    assert any("rounded from float32 to bfloat16" in note for note in loaded.notes)
    with tfckpt.open(TWO) as ckpt:
        for each, variable in zip(loaded.filled, model.weights, strict=True):
            value = value_of(keras.ops.cast(variable, "float32"))
            rounded = ckpt[each.tensor].astype(str(variable.dtype)).astype(np.float32)
            np.testing.assert_array_equal(value, rounded)


def test_what_is_no_built_model(keras: Any) -> None:
    unbuilt = keras.Sequential([keras.layers.Dense(2)])
    for model in (unbuilt, object()):
        with pytest.raises(ValueError, match="no weights yet"):
            load_weights(model, TWO)
    built, _ = keras_models.pair(keras)
    with pytest.raises(ValueError, match="by is one of"):
        load_weights(built, TWO, by="luck")
