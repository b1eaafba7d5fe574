"""Name scopes: join the nodes of each scope, so that a picture has few boxes, not many nodes.

Draws nothing.

To a depth of 2, ``a/b/c`` and ``a/b/d`` are in the box ``a/b``. To a depth of 0 even ``conv``,
``conv_1`` and ``conv_2`` are one: TensorFlow numbers repeated names like this.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.graph.functions import Function

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.graph import Graph

MOST_BOXES = 60
"""Limit for a readable picture."""
_DEEPEST = 32
_NUMBER = re.compile(r"_[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Box:
    """The nodes of a name scope, or inputs of them from outside the graph."""

    name: str
    """Name of the scope or of its only node; "first ... last" for several names."""
    kind: str
    """"scope"; "node" (a single one); "argument" (of the function); "missing" (absent from the
    graph)."""
    members: int
    """Number of nodes, arguments or missing names in it."""
    op: str | None
    """The op of all its nodes; None for different ops."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The inputs of the nodes in one box from those in another."""

    source: int
    """Number of a box."""
    target: int
    is_control: bool
    inputs: int
    """Number of inputs of all nodes together."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and edges, in the order of the file."""

    depth: int
    """Number of components kept of each name."""
    deepest: int
    """Number of components of the deepest name."""
    nodes: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def collapsed(graph: Graph, depth: int | None = None, outputs: Iterable[str] = ()) -> Picture:
    """Join the nodes of each name scope.

    Args:
        graph: A graph, or a function.
        depth: Components of names to keep. Default: the greatest depth with at most 60 boxes.
        outputs: Tensors or operations: only the nodes they depend on. Default: all.

    Raises:
        ValueError: `depth` is negative.
        TensorNotFoundError: the graph lacks one of `outputs`.
        CheckpointError: a node is damaged.
    """
    if depth is not None and depth < 0:
        raise ValueError(f"a depth is 0 or more, not {depth}")
    wanted = list(outputs)
    operations: dict[str, Operation] = {}
    for operation in graph.subgraph(wanted) if wanted else graph.operations:
        operations.setdefault(operation.name, operation)
    deepest = max((name.count("/") + 1 for name in operations), default=0)
    level = _readable(operations, deepest) if depth is None else min(depth, deepest)
    members: dict[str, list[Operation]] = {}
    for name, operation in operations.items():
        members.setdefault(_scope(name, level), []).append(operation)
    boxes = [_box(scope, inside, level) for scope, inside in members.items()]
    edges = _edges(graph, list(members.values()), boxes)
    return Picture(level, deepest, len(operations), tuple(boxes), edges)


def _scope(name: str, depth: int) -> str:
    if not depth:
        return _NUMBER.sub("", name.partition("/")[0])
    return "/".join(name.split("/", depth)[:depth])


def _readable(names: Iterable[str], deepest: int) -> int:
    """Return the greatest depth with few enough boxes; 0 without one."""
    for depth in range(1, min(deepest, _DEEPEST) + 1):
        scopes: set[str] = set()
        for name in names:
            scopes.add(_scope(name, depth))
            if len(scopes) > MOST_BOXES:
                return depth - 1
    return min(deepest, _DEEPEST)


def _box(scope: str, inside: Sequence[Operation], depth: int) -> Box:
    ops = {operation.type for operation in inside}
    if len(inside) == 1:
        return Box(inside[0].name, "node", 1, inside[0].type)
    if not depth:
        scope = _span(list(dict.fromkeys(op.name.partition("/")[0] for op in inside)))
    return Box(scope, "scope", len(inside), ops.pop() if len(ops) == 1 else None)


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"


def _edges(
    graph: Graph, members: Sequence[Sequence[Operation]], boxes: list[Box]
) -> tuple[Edge, ...]:
    """Return the edges; append a box to `boxes` for inputs from outside the graph."""
    numbers = {operation.name: box for box, inside in enumerate(members) for operation in inside}
    inputs: list[tuple[str, int, bool]] = []
    for box, inside in enumerate(members):
        for operation in inside:
            inputs += [(graph.origin(text), box, False) for text in operation.inputs]
            inputs += [(name, box, True) for name in operation.control_inputs]
    outside: dict[str, int] = {}
    for source, box, _ in inputs:
        if source not in numbers:
            outside.setdefault(source, box)
    for outer, names in _outside(graph, outside, MOST_BOXES - len(boxes)):
        numbers.update(dict.fromkeys(names, len(boxes)))
        boxes.append(outer)
    counts = Counter((numbers[source], box, is_control) for source, box, is_control in inputs)
    return tuple(
        Edge(source, target, is_control, number)
        for (source, target, is_control), number in counts.items()
        if source != target
    )


def _outside(graph: Graph, users: Mapping[str, int], room: int) -> Iterator[tuple[Box, list[str]]]:
    """Yield boxes for names without a node: one per name, or for many names one per user.

    Args:
        graph: The graph.
        users: Name -> the first box with it as an input.
        room: Limit on names with a box each.
    """
    arguments: Mapping[str, object] = graph.arguments if isinstance(graph, Function) else {}
    groups: dict[tuple[str, str | int], list[str]] = {}
    for name, user in users.items():
        kind = "argument" if name in arguments else "missing"
        groups.setdefault((kind, name if len(users) <= room else user), []).append(name)
    for (kind, _), names in groups.items():
        yield Box(_span(names), kind, len(names), None), names
