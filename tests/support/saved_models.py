"""SavedModels of TensorFlow 2 to freeze: each is made into a folder, with inputs for a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]


def _random(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def control(tf: Any, folder: Path) -> dict[str, tuple[int, ...]]:
    """Nested functions, a branch and a loop, with variables of one name captured in each."""

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.w = tf.Variable(_random(1, 4, 4), name="w")
            self.table = tf.Variable(_random(2, 9, 4), name="w")
            self.steps = tf.Variable(3)

        @tf.function  # type: ignore[untyped-decorator]
        def inner(self, x: Any) -> Any:
            return tf.nn.tanh(x @ self.w)

        @tf.function  # type: ignore[untyped-decorator]
        def call(self, x: Any, ids: Any) -> Any:
            h = self.inner(self.inner(x)) + tf.gather(self.table, ids)
            h = tf.cond(
                tf.reduce_sum(h) > 0, lambda: h @ self.w, lambda: h - tf.gather(self.table, ids)
            )
            step = lambda i, h: (i + 1, self.inner(tf.tanh(h @ self.w)) + h)  # noqa: E731
            _, h = tf.while_loop(lambda i, _: i < self.steps, step, [tf.constant(0), h])
            tf.debugging.assert_all_finite(h, "bad")
            return {"rows": h, "sums": tf.reduce_sum(h, 1)}

    model = Model()
    x, ids = tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.int32)
    signature = model.call.get_concrete_function(x=x, ids=ids)
    tf.saved_model.save(model, str(folder), signatures=signature)
    return {"x": (4,), "ids": ()}


def functional(tf: Any, folder: Path) -> dict[str, tuple[int, ...]]:
    """A Keras model of two outputs: convolution, batch norm, dropout."""
    layers = tf.keras.layers
    x = tf.keras.Input((8, 8, 3), name="image")
    h = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(x)))
    h = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(h))
    model = tf.keras.Model(x, [layers.Dense(2)(h), layers.Dense(3, activation="softmax")(h)])
    tf.saved_model.save(model, str(folder))
    return {"inputs": (8, 8, 3)}


def recurrent(tf: Any, folder: Path) -> dict[str, tuple[int, ...]]:
    """A Keras model with loops: an LSTM and a GRU behind an embedding."""
    layers = tf.keras.layers
    ids = tf.keras.Input((6,), dtype="int32", name="ids")
    h = layers.Bidirectional(layers.GRU(5, return_sequences=True))(layers.Embedding(9, 4)(ids))
    tf.saved_model.save(tf.keras.Model(ids, layers.Dense(2)(layers.LSTM(3)(h))), str(folder))
    return {"inputs": (6,)}


def subclassed(tf: Any, folder: Path) -> dict[str, tuple[int, ...]]:
    """A subclassed Keras model."""

    class Model(tf.keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.one = tf.keras.layers.Dense(5, activation="relu")
            self.two = tf.keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.two(self.one(x)) * tf.nn.sigmoid(self.two(self.one(x)))

    model = Model()
    model(np.zeros((1, 4), np.float32))
    spec = tf.TensorSpec([None, 4], tf.float32, name="x")
    function = tf.function(lambda x: {"out": model(x)}, input_signature=[spec])
    tf.saved_model.save(model, str(folder), signatures=function)
    return {"x": (4,)}


MODELS = [control, functional, recurrent, subclassed]


def inputs(shapes: dict[str, tuple[int, ...]], batch: int) -> Arrays:
    """Random inputs for a batch; those of ids are small integers."""
    rng = np.random.default_rng(batch)
    return {
        name: rng.integers(0, 9, (batch, *shape)).astype(np.int32)
        if shape in ((), (6,))
        else rng.normal(size=(batch, *shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
