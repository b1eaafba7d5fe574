"""Training and dropout switched off, by what placeholders do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from freezing import BOOL, again, frozen, ops, truth, typed, x
from graphs import FLOAT, attr, dtype_attr, node, text


def number(name: str, value: float) -> bytes:
    content = text(4, np.float32(value).tobytes())
    return node(
        name, "Const", [], dtype_attr(FLOAT), attr("value", text(8, b"\x08\x01\x12\x00" + content))
    )


def rate(name: str) -> bytes:
    return node(name, "Placeholder", [], dtype_attr(FLOAT), attr("shape", text(7, b"")))


DRAWN = [node("random", "RandomUniform", ["shape"]), node("shape", "Shape", ["x"])]
OLD = [
    x(),
    rate("p"),
    *DRAWN,
    typed("sum", "Add", "p", "random"),
    typed("floor", "Floor", "sum"),
    typed("div", "RealDiv", "x", "p"),
    typed("y", "Mul", "div", "floor"),
]
"""Dropout of TensorFlow 1, by the share to keep."""
NEW = [
    x(),
    rate("p"),
    *DRAWN,
    typed("kept", "GreaterEqual", "random", "p"),
    typed("y", "Mul", "x", "kept"),
]
"""Dropout by the share to drop."""
TURNED = [
    x(),
    rate("p"),
    number("one", 1),
    *DRAWN,
    typed("rate", "Sub", "one", "p"),
    typed("low", "AddV2", "random", "one"),
    typed("kept", "GreaterEqual", "low", "rate"),
    typed("y", "Mul", "x", "kept"),
]


@pytest.mark.parametrize(("nodes", "value"), [(OLD, 1), (NEW, 0), (TURNED, 1)])
def test_dropout_is_off(nodes: list[bytes], value: int, tmp_path: Path) -> None:
    assert ops(frozen(tmp_path, nodes, "y"))["p"] == "Placeholder"
    graph = frozen(tmp_path, nodes, "y", inference=True)
    assert again(tmp_path, graph).operation("p").attrs["value"] == value
    assert f"input 'p' is always {float(value)}" in graph.changes
    graph = frozen(tmp_path, nodes, "y", inference=True, given={"p": 0.5})
    assert again(tmp_path, graph).operation("p").attrs["value"] == 0.5


def test_what_is_no_number_is_left_alone(tmp_path: Path) -> None:
    words = text(8, b"\x08\x07\x12\x00" + text(8, "one"))
    for value in (words, b"\x18\x01"):
        one = node("one", "Const", [], attr("value", value))
        nodes = [one if each == number("one", 1) else each for each in TURNED]
        assert ops(frozen(tmp_path, nodes, "y", inference=True))["p"] == "Placeholder"


def test_other_numbers_stay_inputs(tmp_path: Path) -> None:
    nodes = [x(), rate("keep_prob"), number("one", 1), typed("z", "Sub", "one", "keep_prob")]
    nodes += [typed("y", "Mul", "x", "z")]
    assert ops(frozen(tmp_path, nodes, "y", inference=True))["keep_prob"] == "Placeholder"
    both = [*OLD[:-1], *NEW[-2:-1], typed("y", "Mul", "floor", "kept")]
    assert ops(frozen(tmp_path, both, "y", inference=True))["p"] == "Placeholder"


TRAINING = [
    "training",
    "is_training",
    "net/Is_Training",
    "phase_train",
    "phase",
    "train",
    "train_mode",
]
TRAINING += ["train_mode", "keras_learning_phase", "batch_norm/istraining"]
OTHERS = ["flag", "use_trained", "constraint", "training/flag", "test"]
NAMES = [*((name, True) for name in TRAINING), *((name, False) for name in OTHERS)]


@pytest.mark.parametrize(("name", "trains"), NAMES)
def test_training_is_off(name: str, trains: bool, tmp_path: Path) -> None:
    nodes = [
        truth("yes", 1),
        node(name, "PlaceholderWithDefault", ["yes"], dtype_attr(BOOL)),
        x(),
        node("switch", "Switch", ["x", name], dtype_attr(FLOAT, "T")),
        typed("train", "Neg", "switch:1") if name != "train" else typed("fit", "Neg", "switch:1"),
        typed("predict", "Exp", "switch"),
        typed("y", "Merge", "fit" if name == "train" else "train", "predict"),
    ]
    graph = frozen(tmp_path, nodes, "y", inference=True)
    assert ("switch" not in graph.nodes) == trains
    assert (f"input {name!r} is always False" in graph.changes) == trains
