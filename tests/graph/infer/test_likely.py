"""Guesses of outputs in graphs with their training: losses, targets, and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from graphs import dtype_attr, meta_bytes, node, read, shape_attr


def outputs(tmp_path: Path, nodes: Sequence[bytes]) -> list[str]:
    return [end.name for end in read(tmp_path, meta_bytes(nodes)).outputs]


def _layer(*more: bytes) -> list[bytes]:
    """Values of a layer, `y`, for rows `x`; and labels."""
    return [
        node("x", "Placeholder", [], dtype_attr(1), shape_attr(-1, 2)),
        node("labels", "Placeholder", [], dtype_attr(1), shape_attr(-1)),
        node("c", "Const"),
        node("v", "VariableV2"),
        node("y", "MatMul", ["x", "v"], shape_attr(-1, 3)),
        *more,
    ]


def test_a_loss_flattens_what_it_takes(tmp_path: Path) -> None:
    loss = "SparseSoftmaxCrossEntropyWithLogits"
    for call in (f"{loss}/{loss}", loss):
        nodes = _layer(
            node(f"{loss}/Reshape", "Reshape", ["y", "c"], shape_attr(-1, 3)),
            node(call, loss, [f"{loss}/Reshape", "labels"], shape_attr(-1)),
            node("loss", "Mean", [call, "c"], shape_attr()),
        )
        assert outputs(tmp_path, nodes) == ["y:0", "loss:0"]


def test_a_target_is_no_output(tmp_path: Path) -> None:
    """As in Q-learning: a reward and the best later value, and the value of an action."""
    nodes = _layer(
        node("x_", "Placeholder", [], dtype_attr(1), shape_attr(-1, 2)),
        node("a", "Placeholder", [], dtype_attr(3), shape_attr(-1)),
        node("later", "MatMul", ["x_", "v"], shape_attr(-1, 3)),
        node("best", "Max", ["later", "c"], shape_attr(-1)),
        node("sum", "AddV2", ["labels", "best"], shape_attr(-1)),
        node("target", "StopGradient", ["sum"], shape_attr(-1)),
        node("index", "Pack", ["c", "a"], shape_attr(-1, 2)),
        node("taken", "GatherNd", ["y", "index"], shape_attr(-1)),
        node("loss", "SquaredDifference", ["target", "taken"], shape_attr(-1)),
        node("mean", "Mean", ["loss", "c"], shape_attr()),
    )
    assert outputs(tmp_path, nodes) == ["y:0", "mean:0"]


@pytest.mark.parametrize("scope", ["gradients", "train/gradients_1"])
def test_what_is_differentiated_is_a_loss(scope: str, tmp_path: Path) -> None:
    nodes = _layer(
        node("square", "Square", ["y"], shape_attr(-1, 3)),
        node("loss", "Mean", ["square", "c"], shape_attr()),
    )
    assert outputs(tmp_path, nodes) == ["loss:0"]
    gradient = node(f"{scope}/loss_grad/Shape", "Shape", ["square"])
    assert outputs(tmp_path, [*nodes, gradient])[0] == "y:0"


def test_updates_of_averages_are_no_outputs(tmp_path: Path) -> None:
    nodes = _layer(
        node("ema/AssignMovingAvg/sub", "Sub", ["v", "y"]),
        node("ema/AssignMovingAvg/mul", "Mul", ["ema/AssignMovingAvg/sub", "c"]),
        node("out", "Softmax", ["y"], shape_attr(-1, 3)),
    )
    assert outputs(tmp_path, nodes) == ["out:0"]


def test_ends_with_names_of_their_own_come_first(tmp_path: Path) -> None:
    nodes = _layer(
        node("add_7", "AddV2", ["y", "c"], shape_attr(-1, 3)),
        node("truediv", "RealDiv", ["y", "c"], shape_attr(-1, 3)),
        node("probabilities", "Softmax", ["y"], shape_attr(-1, 3)),
        node("norms", "Square", ["v"], shape_attr(2, 3)),
    )
    found = read(tmp_path, meta_bytes(nodes)).outputs
    assert [e.name for e in found] == ["probabilities:0", "add_7:0", "truediv:0", "norms:0"]
    assert found[-1].reason == "computed from variables alone; nothing uses it further"


def test_results_of_a_loss_in_a_loop(tmp_path: Path) -> None:
    """As with conditional random fields: scores of the labels, and a loop over all that may be."""
    nodes = _layer(
        node("hot", "OneHot", ["labels", "c"], shape_attr(-1, 3)),
        node("own", "Mul", ["y", "hot"], shape_attr(-1, 3)),
        node("at", "GatherNd", ["v", "labels"], shape_attr(-1, 3)),
        node("sum", "AddV2", ["own", "at"], shape_attr(-1, 3)),
        node("turned", "Transpose", ["y", "c"], shape_attr(3, -1)),
        node("all", "MatrixBandPart", ["turned", "c"], shape_attr()),
        node("loss", "Sub", ["all", "sum"], shape_attr(-1, 3)),
        node("mean", "Mean", ["loss", "c"], shape_attr()),
        node("gradients/mean_grad/Shape", "Shape", ["loss"]),
    )
    assert outputs(tmp_path, nodes)[0] == "y:0"
