"""Ops on resource variables, and the op on its value that each becomes.

Knows no graph. TensorFlow ``core/ops/resource_variable_ops.cc``, ``array_ops.cc``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from tfckpt_reader.graph.freeze.node import Node, constant, kept
from tfckpt_reader.graph.freeze.prune import unique
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    Draft: TypeAlias = "dict[str, Node]"

PASS_ON = frozenset({"Identity", "Switch", "Merge", "Enter", "Exit", "NextIteration"})
"""Ops that pass a variable on; its dtype is in their attribute ``T``."""


def passed(node: Node) -> list[str]:
    """Return the attributes to keep of a node that passes a variable on."""
    return [name for name in node.attributes() if name not in ("T", "_output_shapes")]


def _value(node: Node, dtype: DataType, _draft: Draft, _suffix: str) -> None:
    node.become("Identity", node.data_inputs, T=dtype, **kept(node, "_output_shapes"))


def _gather(node: Node, dtype: DataType, draft: Draft, suffix: str) -> None:
    batch = node.needed("batch_dims", int) if "batch_dims" in node.attributes() else 0
    axis = constant(unique(f"{node.name}/axis", draft), DataType.INT32, batch)
    draft[axis.name] = axis
    others = kept(node, "Tindices", "batch_dims", "_output_shapes")
    inputs = [*node.data_inputs, f"{axis.name}{suffix}"]
    node.become("GatherV2", inputs, Tparams=dtype, Taxis=DataType.INT32, **others)


def _gather_nd(node: Node, dtype: DataType, _draft: Draft, _suffix: str) -> None:
    node.become("GatherNd", node.data_inputs, Tparams=dtype, **kept(node, "Tindices"))


def _shape(node: Node, dtype: DataType, _draft: Draft, _suffix: str) -> None:
    node.become("Shape", node.data_inputs, T=dtype, **kept(node, "out_type"))


READERS: dict[str, Callable[[Node, DataType, Draft, str], None]] = {
    "ReadVariableOp": _value,
    "ResourceGather": _gather,
    "ResourceGatherNd": _gather_nd,
    "VariableShape": _shape,
}
"""Op that takes a variable first -> its change to one that takes the value.

The change takes the node, the dtype of the value, the nodes around, and the ending of the name of a
new node's output: "" in a graph, ``:output:0`` in a function.
"""
