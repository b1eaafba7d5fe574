"""Ranks of inputs that a graph leaves open, where the ops that use them allow one only.

Knows no file. TensorFlow ``core/framework/graph.proto`` (versions), ``core/ops/nn_ops.cc``.

Runtimes that compile a graph need to know ranks. TensorFlow 1 seldom asked for them: a rate or a
switch often has none. Up to graph version 21 a placeholder of unknown rank looks like a scalar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import split_name
from tfckpt_reader.graph.freeze.prune import origin
from tfckpt_reader.tensor.proto_fields import shape_or_none
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tfckpt_reader.graph.freeze.node import Node

_RANKS = {
    **dict.fromkeys([("MatMul", 0), ("MatMul", 1), ("SparseTensorDenseMatMul", 3)], 2),
    **{(op, 0): 4 for op in ("Conv2D", "DepthwiseConv2dNative", "MaxPool", "AvgPool", "LRN")},
    **{(op, 0): 4 for op in ("ResizeBilinear", "ResizeNearestNeighbor", "FusedBatchNorm")},
    **{(op, 0): 4 for op in ("FusedBatchNormV2", "FusedBatchNormV3")},
    ("Conv2DBackpropInput", 2): 4,
    ("Conv3D", 0): 5,
    ("MaxPool3D", 0): 5,
    ("Switch", 1): 0,
    ("If", 0): 0,
    ("StatelessIf", 0): 0,
}
"""Op and index of an input -> its rank."""
_SIZES: Mapping[tuple[str, int], tuple[int | None, ...]] = {
    ("SparseTensorDenseMatMul", 0): (None, 2),
    ("SparseTensorDenseMatMul", 2): (2,),
}
"""Op and index of an input -> its shape: a sparse matrix has two axes."""
_SIZED = frozenset(op for op, _ in _SIZES)
_ALIKE = frozenset(
    {
        "Identity",
        "StopGradient",
        "Cast",
        "LogicalNot",
        "Neg",
        "Log",
        "Exp",
        "Relu",
        "Sqrt",
        "Square",
    }
)
"""Ops whose result has the shape of their input."""
_BOTH = frozenset(
    {"Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Maximum", "Minimum", "Pow", "Less"}
    | {"LessEqual", "Greater", "GreaterEqual", "Equal", "LogicalAnd", "LogicalOr"}
)
"""Ops on the elements of two inputs; one of them may be a single value."""
_UNKNOWN = "Placeholder"
_BY_ELEMENT = _ALIKE | _BOTH | {_UNKNOWN}


def find_ranks(draft: Mapping[str, Node], unknown_rank_ops: Collection[str]) -> list[str]:
    """Give placeholders of unknown rank the rank that their users need; return what was done.

    A placeholder that others are divided by, or that is compared with random numbers, is a rate: a
    single value.

    Args:
        draft: The nodes, changed in place.
        unknown_rank_ops: Ops with an unknown rank if their shape has no dimensions.
    """
    open_ranks: list[Node] = []
    for node in draft.values():
        if node.op == _UNKNOWN:
            shape = shape_or_none(node.attr("shape"))
            is_open = shape is None or (shape == () and node.op in unknown_rank_ops)
            if is_open:
                open_ranks.append(node)
    if not open_ranks:
        return []
    users = _users(draft)
    ranks = {node.name: _needed_rank(node, users) for node in open_ranks}
    fed = _reached((n for n, node in draft.items() if node.op == _UNKNOWN), users)
    fed = _reached((n for n in fed if draft[n].op not in _BY_ELEMENT), users)
    drawn = _reached((n for n, node in draft.items() if node.op.startswith("Random")), users)
    changes = []
    for node in open_ranks:
        rank = ranks[node.name]
        if rank is None and _is_rate(node, users, fed, drawn):
            rank = 0
        node.change(shape=None if rank is None else (None,) * rank)
        if rank is not None:
            what = "a single value" if rank == 0 else f"of rank {rank}"
            changes.append(f"input {quoted(node.name)} of unknown shape is {what}, by its use")
    return changes


def find_sizes(draft: Mapping[str, Node]) -> list[str]:
    """Give placeholders the sizes that their users need; return what was done."""
    changes: list[str] = []
    for node in draft.values():
        for index, text in enumerate(node.data_inputs) if node.op in _SIZED else ():
            needed = _SIZES.get((node.op, index))
            source = draft.get(origin(text)) if needed else None
            if source is None or source.op != _UNKNOWN:
                continue
            shape = shape_or_none(source.attr("shape"))
            if shape != needed and (shape is None or set(shape) == {None}):
                source.change(shape=needed)
                changes.append(f"input {quoted(source.name)} is of shape {needed}, by its use")
    return changes


def _users(draft: Mapping[str, Node]) -> dict[str, list[tuple[Node, int]]]:
    """Return name of a node -> the nodes that use its first output, each with the input's index."""
    users: dict[str, list[tuple[Node, int]]] = {}
    for node in draft.values():
        for index, text in enumerate(node.data_inputs):
            source, output = split_name(text)
            if not output:
                users.setdefault(source, []).append((node, index))
    return users


def _like(node: Node, users: Mapping[str, list[tuple[Node, int]]]) -> list[tuple[Node, int]]:
    """Return the users of a value, and those of results that have its shape."""
    found: list[tuple[Node, int]] = []
    seen = {node.name}
    waiting = [node.name]
    while waiting:
        for user, index in users.get(waiting.pop(), ()):
            found.append((user, index))
            if user.op in _ALIKE and user.name not in seen:
                seen.add(user.name)
                waiting.append(user.name)
    return found


def _needed_rank(node: Node, users: Mapping[str, list[tuple[Node, int]]]) -> int | None:
    ranks = {_RANKS.get((user.op, index)) for user, index in _like(node, users)} - {None}
    return ranks.pop() if len(ranks) == 1 else None


def _is_rate(
    node: Node,
    users: Mapping[str, list[tuple[Node, int]]],
    fed: Collection[str],
    drawn: Collection[str],
) -> bool:
    """Return whether a value serves as a rate: others are divided by it, or random numbers meet it.

    Args:
        node: The placeholder.
        users: Name of a node -> its users.
        fed: Nodes that depend on placeholders by more than arithmetic on elements.
        drawn: Nodes that depend on random numbers.
    """
    is_rate = False
    waiting, seen = [node], {node.name}
    while waiting:
        for user, index in users.get(waiting.pop().name, ()):
            if user.op in _BOTH and len(user.data_inputs) == 2:
                other = origin(user.data_inputs[1 - index])
                if other not in seen and (other in fed or other in drawn):
                    divides = index == 1 and user.op in ("RealDiv", "Div")
                    is_rate = is_rate or divides or other in drawn
                    continue
            elif user.op not in _ALIKE:
                return False
            if user.name not in seen:
                seen.add(user.name)
                waiting.append(user)
    return is_rate


def _reached(names: Iterable[str], users: Mapping[str, list[tuple[Node, int]]]) -> set[str]:
    reached = set(names)
    waiting = list(reached)
    while waiting:
        for user, _ in users.get(waiting.pop(), ()):
            if user.name not in reached:
                reached.add(user.name)
                waiting.append(user.name)
    return reached
