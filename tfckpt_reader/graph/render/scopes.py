"""A graph with the nodes of each name scope put together: few boxes instead of many nodes.

Draws nothing.

To a depth of 2, ``a/b/c`` and ``a/b/d`` are in the box ``a/b``. To a depth of 0 even ``conv``,
``conv_1`` and ``conv_2`` are one: so TensorFlow numbers names that were taken.
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
"""As many as a picture can have and still be read."""
_DEEPEST = 32
_NUMBER = re.compile(r"_[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Box:
    """The nodes of a name scope, or what they take as inputs and is no node."""

    name: str
    """Of the scope, or of the only one in it; "first ... last" where it is no scope's."""
    kind: str
    """"scope"; "node" (the only one in it); "argument" (of the function); "missing" (the graph has
    not got it)."""
    members: int
    """How many nodes, arguments or missing names are in it."""
    op: str | None
    """The op of all nodes in it; None where they have different ones."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What nodes in one box take from those in another."""

    source: int
    """Which box."""
    target: int
    is_control: bool
    inputs: int
    """How many inputs, of all nodes together."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and edges, in the order of the file."""

    depth: int
    """How many parts of names were kept."""
    deepest: int
    """How many the longest name has."""
    nodes: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def collapsed(graph: Graph, depth: int | None = None, outputs: Iterable[str] = ()) -> Picture:
    """Put the nodes of each name scope together.

    Args:
        graph: A graph, or a function.
        depth: How many parts of names to keep. Default: as many as make no more than 60 boxes.
        outputs: Tensors or operations: only what they need. Default: everything.

    Raises:
        ValueError: `depth` is negative.
        TensorNotFoundError: one of `outputs` is not there.
        CheckpointError: a node cannot be decoded.
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
    """Return the greatest depth that makes few enough boxes; 0 if none does."""
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
    """Return the edges; what is taken and is no node gets a box, behind the others."""
    places = {operation.name: place for place, inside in enumerate(members) for operation in inside}
    taken: list[tuple[str, int, bool]] = []
    for place, inside in enumerate(members):
        for operation in inside:
            taken += [(graph.origin(text), place, False) for text in operation.inputs]
            taken += [(name, place, True) for name in operation.control_inputs]
    outside: dict[str, int] = {}
    for source, place, _ in taken:
        if source not in places:
            outside.setdefault(source, place)
    for box, names in _outside(graph, outside, MOST_BOXES - len(boxes)):
        places.update(dict.fromkeys(names, len(boxes)))
        boxes.append(box)
    counts = Counter((places[source], place, is_control) for source, place, is_control in taken)
    return tuple(
        Edge(source, target, is_control, number)
        for (source, target, is_control), number in counts.items()
        if source != target
    )


def _outside(graph: Graph, takers: Mapping[str, int], room: int) -> Iterator[tuple[Box, list[str]]]:
    """Yield boxes for what is no node: one for each, or if they are too many, for each taker.

    Args:
        graph: Where they are taken.
        takers: Name -> the first box that takes it.
        room: How many may have a box of their own.
    """
    arguments: Mapping[str, object] = graph.arguments if isinstance(graph, Function) else {}
    groups: dict[tuple[str, str | int], list[str]] = {}
    for name, taker in takers.items():
        kind = "argument" if name in arguments else "missing"
        groups.setdefault((kind, name if len(takers) <= room else taker), []).append(name)
    for (kind, _), names in groups.items():
        yield Box(_span(names), kind, len(names), None), names
