"""A graph in the language of Graphviz, with a box for the nodes of each name scope.

https://graphviz.org/doc/info/lang.html

To a depth of 2, ``a/b/c`` and ``a/b/d`` are in the box ``a/b``. To a depth of 0 even ``conv``,
``conv_1`` and ``conv_2`` are one: TensorFlow numbers repeated names like this.

Names occur only in labels, where they have no meaning to Graphviz: within quotes, with quotes,
backslashes and ampersands escaped, and with character references for all but ASCII.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.graph.functions import Function
from tfckpt_reader.text import count_of, printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.graph import Graph

MOST_BOXES = 60
"""Limit for a readable picture."""
_DEEPEST = 32
_NUMBER = re.compile(r"_[0-9]+\Z")
_STYLES = {
    "scope": "shape=box, style=rounded",
    "node": "shape=ellipse",
    "argument": "shape=box",
    "missing": "shape=ellipse, style=dashed, color=red",
}
"""Kind of a box -> its style."""
_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\", "&": "&amp;"})


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


def to_dot(graph: Graph, *, depth: int | None = None, outputs: Iterable[str] = ()) -> str:
    """Return a graph as the text of a Graphviz file, a box per name scope.

    A box shows its number of nodes, an edge its number of inputs, if more than one. Control inputs
    are dashed; names in inputs absent from the graph are dashed and red.

    Args:
        graph: A graph, or a function of it.
        depth: Components of names to keep; 1 keeps ``a`` of ``a/b/c``. 0 keeps as much as 1, but
            joins ``conv``, ``conv_1`` and ``conv_2``. Default: the greatest depth with at most 60
            boxes, if one exists.
        outputs: Tensors or operations: only the nodes they depend on are drawn. Default: all.

    Raises:
        ValueError: `depth` is negative.
        TensorNotFoundError: the graph lacks one of `outputs`.
        CheckpointError: a node is damaged.
    """
    return drawn(collapsed(graph, depth, outputs))


def collapsed(graph: Graph, depth: int | None = None, outputs: Iterable[str] = ()) -> Picture:
    """Join the nodes of each name scope; arguments and errors are those of `to_dot`."""
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


def drawn(picture: Picture) -> str:
    """Return a picture as the text of a Graphviz file."""
    title = f"{count_of(picture.nodes, 'node')}, name scopes to depth {picture.depth}"
    boxes = [
        f'  n{number} [label="{_label(box)}", {_STYLES[box.kind]}];'
        for number, box in enumerate(picture.boxes)
    ]
    first = ["digraph {", f'  label="{title}";', '  node [fontname="sans-serif"];']
    return "\n".join([*first, *boxes, *map(_edge, picture.edges), "}", ""])


def _edge(edge: Edge) -> str:
    label = [f'label="{edge.inputs:,}"'] if edge.inputs > 1 else []
    style = ["style=dashed"] if edge.is_control else []
    attributes = f" [{', '.join([*label, *style])}]" if label or style else ""
    return f"  n{edge.source} -> n{edge.target}{attributes};"


def _label(box: Box) -> str:
    """Return the two lines in a box: its name and its contents."""
    noun = box.op or ("" if box.kind == "scope" else box.kind)
    inside = noun if box.members == 1 else f"{box.members:,} x {noun}"
    if not noun:
        inside = count_of(box.members, "node")
    return rf"{_escaped(box.name)}\n{_escaped(inside)}"


def _escaped(text: str) -> str:
    shown = printable(shortened(text)).translate(_ESCAPES)
    return shown.encode("ascii", "xmlcharrefreplace").decode("ascii")
