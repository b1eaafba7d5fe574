"""Saved objects beside live ones, however the graph is made."""

from __future__ import annotations

from typing import Any

import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks import object_walk
from tfckpt_reader.frameworks.object_walk import Walk, descendant, reachable
from tfckpt_reader.objects.object_graph import Child, Node


class Variable:
    assign = None


class Layer:
    """A live layer; its weights are its variables."""

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)

    @property
    def weights(self) -> list[Variable]:
        return [part for part in vars(self).values() if isinstance(part, Variable)]

    @property
    def input(self) -> object:
        raise RuntimeError("not called yet")


def graph(*children: dict[str, int]) -> Any:
    """Saved objects: for each, its children by name."""
    edges = [tuple(Child(target, name) for name, target in each.items()) for each in children]
    return [Node(each, (), (), None, None) for each in edges]


def bound(saved: Any, model: object, *weights: Variable, start: int = 0) -> dict[int, set[int]]:
    return Walk(saved, model, weights).bound(start)


A, B = Variable(), Variable()


@pytest.mark.parametrize(
    ("model", "saved"),
    [
        (Layer(kernel=A, bias=B), graph({"kernel": 1, "bias": 2}, {}, {})),
        (Layer(_kernel=A, bias=B), graph({"kernel": 1, "bias": 2}, {}, {})),
        (Layer(_kernel=A, bias=B), graph({"_kernel": 1, "bias": 2}, {}, {})),
        (Layer(kernel=A, bias=B), graph({"depthwise_kernel": 1, "bias": 2}, {}, {})),
        (Layer(parts=[A, B]), graph({"parts": 3}, {}, {}, {"0": 1, "1": 2})),
        (Layer(parts={"x": A, "y/z": B}), graph({"parts": 3}, {}, {}, {"x": 1, "y/z": 2})),
        (
            Layer(layers=[Layer(), Layer(kernel=A), Layer(bias=B)]),
            graph(
                {"layer_with_weights-0": 3, "layer_with_weights-1": 4, "layer-1": 4},
                {},
                {},
                {"kernel": 1},
                {"bias": 2},
            ),
        ),
    ],
)
def test_parts_by_their_names(model: Layer, saved: Any) -> None:
    assert bound(saved, model, A, B) == {0: {1}, 1: {2}}


@pytest.mark.parametrize(
    "name",
    ["weights", "variables", "_trainable_variables", "optimizer", "__class__", "input", "layer-0",
     "layer_with_weights-99999999999999999999", "kern\x00el", "", "parts"],
)  # fmt: skip
def test_names_that_lead_nowhere(name: str) -> None:
    assert bound(graph({name: 1}, {"0": 2}, {}), Layer(kernel=A, optimizer=A), A) == {}


@pytest.mark.parametrize("number", ["-1", "2", "1_0", "²", "1e3", "9" * 5000])
def test_numbers_that_are_no_index(number: str) -> None:
    assert bound(graph({"parts": 1}, {number: 2}, {}), Layer(parts=[A, B]), A, B) == {}


def test_cycles_shared_objects_and_ids_out_of_range() -> None:
    model = Layer(kernel=A)
    model.me = model  # type: ignore[attr-defined]
    saved = graph({"me": 0, "kernel": 1, "bias": 7, "parts": -1}, {"me": 0})
    assert bound(saved, model, A) == {0: {1}}
    assert reachable(saved, 0) == {0, 1}


def test_two_saved_objects_for_one_weight_are_both_told() -> None:
    model = Layer(one=Layer(kernel=A))
    vars(model)["other"] = vars(model)["one"]
    saved = graph({"one": 1, "other": 2}, {"kernel": 3}, {"kernel": 4}, {}, {})
    assert bound(saved, model, A) == {0: {3, 4}}


def test_a_long_chain_needs_no_recursion() -> None:
    model = Layer()
    model.me = model  # type: ignore[attr-defined]
    saved = graph(*({"me": number + 1} for number in range(20_000)), {})
    assert bound(saved, model, A) == {}


def test_too_many_ways_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every saved object leads to every other, and so does every live one."""
    monkeypatch.setattr(object_walk, "_MOST_STEPS", 500)
    names = [f"n{i}" for i in range(30)]
    live = [Layer() for _ in names]
    for each in live:
        vars(each).update(zip(names, live, strict=True))
    saved = graph(*(dict(zip(names, range(30), strict=True)) for _ in names))
    with pytest.raises(tfckpt.UnsupportedError, match="too many ways"):
        bound(saved, live[0], A)


def test_descendant() -> None:
    saved = graph({"a": 1}, {"b": 2, "c": 9}, {})
    assert descendant(saved, 0, ["a", "b"]) == 2
    assert descendant(saved, 0, ["a", "c"]) is None
    assert descendant(saved, 0, ["x", "b"]) is None
