"""The part to freeze: branches that are chosen, and sizes that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
import writers as w
from freezing import BOOL, frozen, inputs, ops, truth, typed, x
from graphs import FLOAT, INT, attr, dtype_attr, function, node, text

import tfckpt_reader as tfckpt


def branch(name: str, op: str) -> bytes:
    result = text(4, text(1, "out") + text(2, "r:y:0"))
    return function(name, text(3, typed("r", op, "a")), result, arguments="a")


def choice(name: str, condition: str, then: str, otherwise: str, *args: str) -> bytes:
    functions = {"then_branch": then, "else_branch": otherwise}
    attrs = [attr(key, text(10, text(1, value))) for key, value in functions.items()]
    types = attr("Tin", text(1, w.int_field(6, FLOAT) * len(args)))
    outputs = attr("Tout", text(1, w.int_field(6, FLOAT)))
    return node(name, "StatelessIf", [condition, *args], *attrs, types, outputs)


NODES = [
    truth("no", 0),
    node("training", "PlaceholderWithDefault", ["no"], dtype_attr(BOOL)),
    x(),
    choice("y", "training", "noisy", "clean", "x"),
]
LIBRARY = [branch("noisy", "Neg"), branch("clean", "Exp")]


def test_one_branch_takes_the_place_of_an_if(tmp_path: Path) -> None:
    assert ops(frozen(tmp_path, NODES, "y", library=LIBRARY))["y"] == "StatelessIf"
    for how, op in (({"fold_defaults": True}, "Exp"), ({"given": {"training": True}}, "Neg")):
        graph = frozen(tmp_path, NODES, "y", library=LIBRARY, **how)
        assert ops(graph) == {"x": "Placeholder", "y/r": op, "y": "Identity"}
        assert inputs(graph, "y/r") == ["x"]
        assert graph.library == b""
        message = "1 If with a constant condition replaced by nodes of one branch"
        assert message in graph.changes


def test_branches_inside_of_branches(tmp_path: Path) -> None:
    result = text(4, text(1, "out") + text(2, "r:output:0"))
    inner = choice("r", "t", "noisy", "clean", "a")
    outer = function("outer", text(3, truth("t", 1)), text(3, inner), result, arguments="a")
    nodes = [truth("yes", 1), x(), choice("y", "yes", "outer", "clean", "x")]
    graph = frozen(tmp_path, nodes, "y", library=[outer, *LIBRARY])
    assert sorted(ops(graph).values()) == ["Identity", "Neg", "Placeholder"]


def test_branches_without_an_end(tmp_path: Path) -> None:
    result = text(4, text(1, "out") + text(2, "r:output:0"))
    inner = choice("r", "t", "outer", "clean", "a")
    outer = function("outer", text(3, truth("t", 1)), text(3, inner), result, arguments="a")
    nodes = [truth("yes", 1), x(), choice("y", "yes", "outer", "clean", "x")]
    with pytest.raises(tfckpt.UnsupportedError, match="call one another without an end"):
        frozen(tmp_path, nodes, "y", library=[outer, *LIBRARY])


def test_a_sparse_matrix_has_two_axes(tmp_path: Path) -> None:
    open_shape = text(7, w.shape_proto([-1]))
    nodes = [
        node(
            "i", "Placeholder", [], dtype_attr(9), attr("shape", text(7, w.shape_proto([-1, -1])))
        ),
        node("v", "Placeholder", [], dtype_attr(FLOAT), attr("shape", open_shape)),
        node("s", "Placeholder", [], dtype_attr(9), attr("shape", open_shape)),
        x(),
        node("y", "SparseTensorDenseMatMul", ["i", "v", "s", "x"], dtype_attr(FLOAT, "T")),
        node("n", "Placeholder", [], dtype_attr(INT), attr("shape", open_shape)),
    ]
    graph = frozen(tmp_path, nodes, "y", "n")
    shapes = {end.name: end.shape for end in graph.inputs}
    assert shapes == {"i:0": (None, 2), "v:0": (None,), "s:0": (2,), "x:0": (3, 2), "n:0": (None,)}
