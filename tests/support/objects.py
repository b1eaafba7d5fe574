"""Object graphs of checkpoints, and checkpoints with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import writers as w
from defects import bundle
from graphs import text

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def thing(
    children: Mapping[str, int] | None = None,
    values: Iterable[tuple[str, str, str]] = (),
    slots: Iterable[tuple[int, str, int]] = (),
    more: bytes = b"",
) -> bytes:
    """An object: name -> number of a child; values as name, full name, key; slots."""
    fields = [text(1, w.int_field(1, n) + text(2, name)) for name, n in (children or {}).items()]
    fields += [text(2, text(1, name) + text(2, full) + text(3, key)) for name, full, key in values]
    fields += [
        text(3, w.int_field(1, of) + text(2, name) + w.int_field(3, n)) for of, name, n in slots
    ]
    return b"".join(fields) + more


def variable(full_name: str, path: str) -> bytes:
    return thing(values=[("VARIABLE_VALUE", full_name, path + VALUE)])


def graph(*things: bytes) -> bytes:
    return b"".join(text(1, each) for each in things)


def save(folder: Path, objects: bytes, tensors: Mapping[str, Any]) -> Path:
    """A checkpoint with an object graph; a key of a path is completed."""
    rows = {name if "/.ATTRIBUTES/" in name else name + VALUE: a for name, a in tensors.items()}
    return bundle(folder, {KEY: w.Strings([objects], ()), **rows})


def keras_3(folder: Path) -> Path:
    """A model with one layer, as Keras 3 and an optimizer save it: weights under the optimizer."""
    ones = np.ones((3, 2), np.float32)
    objects = graph(
        thing({"model": 1, "optimizer": 2}),
        thing({"_layers": 3}),
        thing({"_trainable_variables": 4, "_variables": 5, "_iterations": 6, "_learning_rate": 7}),
        thing({"0": 8}),
        thing({"0": 9, "1": 10}),
        thing({"0": 6, "1": 7, "2": 11, "3": 12}),
        variable("adam/iteration", "optimizer/_iterations"),
        variable("adam/learning_rate", "optimizer/_learning_rate"),
        thing({"_kernel": 9, "moving_mean": 13}),
        variable("s/d/kernel", "optimizer/_trainable_variables/0"),
        variable("s/d/bias", "optimizer/_trainable_variables/1"),
        variable("adam/s_d_kernel_momentum", "optimizer/_variables/2"),
        variable("adam/s_d_kernel_average", "optimizer/_variables/3"),
        variable("s/d/moving_mean", "model/_layers/0/moving_mean"),
    )
    tensors = {
        "optimizer/_iterations": np.array(7, np.int64),
        "optimizer/_learning_rate": np.array(0.1, np.float32),
        "optimizer/_trainable_variables/0": ones,
        "optimizer/_trainable_variables/1": np.zeros(2, np.float32),
        "optimizer/_variables/2": ones * 2,
        "optimizer/_variables/3": ones * 3,
        "model/_layers/0/moving_mean": ones[0] * 4,
    }
    return save(folder, objects, tensors)
