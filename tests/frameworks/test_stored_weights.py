"""The weights of a checkpoint, as a model knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from oracles import ORACLES
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.stored_weights import StoredWeights
from tfckpt_reader.objects.paths import VALUE

ALL = 20
"""Weights of the model of the fixtures."""


@pytest.mark.parametrize(
    "saved",
    ["keras3_trained/optimizer", "keras3_trained/whole", "saved_model_keras3",
     "keras2_trained/weights", "keras2_trained/variables"],
)  # fmt: skip
def test_the_weights_of_a_trained_model(saved: str) -> None:
    """Without slots of the optimizer, steps, random states, and second copies."""
    with tfckpt.open(FIXTURES / saved) as ckpt:
        stored = StoredWeights(ckpt, None)
        names = {tensor.name for tensor in stored.weights}
        assert len(stored.weights) == len(names) == ALL
        assert all(stored.tensors[each.key] is each for each in stored.weights)
        assert {name.rsplit("/", 1)[-1] for name in names} >= {"kernel", "moving_mean", "beta"}
        assert stored.left_over(stored.weights) == []
        assert stored.left_over(stored.weights[1:]) == stored.weights[:1]


@pytest.mark.parametrize("saved", ["saved_model_keras3", "keras2_trained/variables"])
def test_the_order_of_a_saved_model(saved: str) -> None:
    """Each object of its list of variables, in order, but for random states."""
    folder, _, prefix = saved.partition("/")
    graphs = {each["prefix"]: each["object_graph"] for each in ORACLES[folder]["checkpoints"]}
    graph = graphs[prefix or "variables/variables"]
    (listing,) = [
        node for parent, name, node in graph["children"] if (parent, name) == (0, "variables")
    ]
    items = [(int(name), node) for parent, name, node in graph["children"] if parent == listing]
    key_of = {node: key for node, _, _, key in graph["attributes"]}
    expected = [key_of[node] for _, node in sorted(items)]
    with tfckpt.open(FIXTURES / saved) as ckpt:
        order, *_ = StoredWeights(ckpt, None).orders  # Keras 2 has more, of each layer
    assert len(order) == ALL
    assert [each.key for each in order] == [
        key for key in expected if key in {e.key for e in order}
    ]


def test_the_order_of_an_optimizer() -> None:
    with tfckpt.open(FIXTURES / "keras3_trained" / "optimizer") as ckpt:
        stored = StoredWeights(ckpt, None)
    assert stored.orders == []
    (trained,) = stored.trained
    assert [each.key for each in trained] == [
        f"optimizer/_trainable_variables/{number}{VALUE}" for number in range(18)
    ]


def test_one_object_only() -> None:
    with tfckpt.open(FIXTURES / "keras3_trained" / "two") as ckpt:
        stored = StoredWeights(ckpt, "generator")
        assert len(stored.weights) == 4
        assert all(key.startswith("generator/") for key in stored.tensors)
        deeper = StoredWeights(ckpt, "generator/_functional")
        assert deeper.tensors == stored.tensors
        assert len(StoredWeights(ckpt, None).weights) == 8
        with pytest.raises(tfckpt.UnsupportedError, match=r"no tensors .* at 'generator/9'"):
            StoredWeights(ckpt, "generator/9")


def test_names_below_a_scope(tmp_path: Path) -> None:
    values = {"net/a/kernel": np.zeros(2, np.float32), "network/kernel": np.ones(2, np.float32)}
    w.write_bundle(tmp_path / "p", values)
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert [str(each) for each in StoredWeights(ckpt, "net").weights] == ["'a/kernel' [2]"]


def field(number: int, content: bytes) -> bytes:
    return w.varint(number << 3 | 2) + w.varint(len(content)) + content


def child(node: int, name: str) -> bytes:
    return field(1, (w.varint(8) + w.varint(node) if node else b"") + field(2, name.encode()))


def value(name: str, key: str) -> bytes:
    return field(2, field(1, b"VARIABLE_VALUE") + field(2, name.encode()) + field(3, key.encode()))


def test_a_list_with_odd_names_and_ids(tmp_path: Path) -> None:
    """Only plain indices of objects that are there count, in the order of the numbers."""
    odd = ["-1", "x", "9" * 5000, "\u0661", "", "1.0"]
    listing = [child(2, "10"), child(3, "2"), child(99, "3"), *(child(2, name) for name in odd)]
    nodes = [child(1, "variables") + child(0, "me") + child(98, "optimizer"), b"".join(listing),
             value("a/kernel", "a"), value("b/kernel", "b")]  # fmt: skip
    graph = b"".join(field(1, node) for node in nodes)
    kernels = {key: np.ones((2, 2), np.float32) for key in ("a", "b")}
    w.write_bundle(
        tmp_path / "p", {"_CHECKPOINTABLE_OBJECT_GRAPH": np.array(graph, object), **kernels}
    )
    with tfckpt.open(tmp_path / "p") as ckpt:
        (order,) = StoredWeights(ckpt, None).orders
    assert [each.key for each in order] == ["b", "a"]
