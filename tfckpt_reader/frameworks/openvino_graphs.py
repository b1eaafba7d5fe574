"""Frozen graphs as OpenVINO takes them: numbers from the start, and random ones drawn its way.

Knows no OpenVINO. It has no strings to compute with, and of random numbers only uniform ones.
"""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.decode.operation import split_name
from tfckpt_reader.graph.freeze.library import CALLERS
from tfckpt_reader.graph.freeze.node import Node, become_scalar
from tfckpt_reader.graph.freeze.op_outputs import dtype_of
from tfckpt_reader.graph.freeze.prune import origin, prune, unique
from tfckpt_reader.graph.infer.op_roles import PLACEHOLDERS
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from tfckpt_reader.graph.freeze.frozen import FrozenGraph

_NORMAL = frozenset({"RandomStandardNormal", "StatelessRandomNormal", "StatelessRandomNormalV2"})
_SIZE = frozenset({"LookupTableSize", "LookupTableSizeV2"})
_UNIFORM = frozenset({"StatelessRandomUniform", "StatelessRandomUniformV2"})


def behind_strings(frozen: FrozenGraph, lacking: Collection[str] = ()) -> list[str]:
    """Return the tensors at which the numbers begin that a graph computes from strings.

    Args:
        frozen: The graph.
        lacking: Ops that the target lacks. The numbers begin behind them, where they work on what
            came from strings and before it meets weights.

    Returns:
        Names of tensors; [] without strings, and if an output would have to begin there itself.
    """
    nodes = frozen.nodes
    readers = {node.name for node in nodes.values() if _takes(node, DataType.STRING, nodes)}
    readers = _reach(readers, nodes, lambda node: _takes(node, DataType.VARIANT, nodes))
    if lacking and readers:
        met = _reach([weight.name for weight in frozen.weights], nodes)
        inside = {node.op for node in nodes.values()}.issuperset(lacking)
        readers |= {
            name
            for name in _reach(readers, nodes) - met
            if nodes[name].op in lacking or (not inside and nodes[name].op in CALLERS)
        }
    before = prune(dict(nodes), [f"{name}:0" for name in readers])
    ends = {origin(end.name) for end in frozen.outputs}
    if not ends.isdisjoint(before):
        return []
    cuts = {
        text: None
        for node in nodes.values()
        if node.name not in before and node.name not in frozen.initializers
        for text in node.data_inputs
        if origin(text) in before and nodes[origin(text)].op not in {"Const", *PLACEHOLDERS}
    }
    return list(cuts)


def _takes(node: Node, dtype: DataType, nodes: Mapping[str, Node]) -> bool:
    """Return whether a node takes values of a dtype that are no constant."""
    sources = ((nodes[origin(text)], split_name(text)[1] or 0) for text in node.data_inputs)
    return any(each.op != "Const" and _is_of(each, index, dtype) for each, index in sources)


def _is_of(node: Node, index: int, dtype: DataType) -> bool:
    try:
        return dtype_of(node, index, {}) is dtype
    except UnsupportedError:
        return False


def _reach(
    names: Iterable[str], nodes: Mapping[str, Node], through: Callable[[Node], bool] = bool
) -> set[str]:
    """Return some nodes, and those that depend on them through some."""
    users: dict[str, list[Node]] = {}
    for node in nodes.values():
        for text in node.data_inputs:
            users.setdefault(origin(text), []).append(node)
    reached = set(names)
    waiting = list(reached)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user.name not in reached and through(user):
                reached.add(user.name)
                waiting.append(user.name)
    return reached


def with_known_sizes(frozen: FrozenGraph) -> FrozenGraph:
    """Return a graph with the sizes of its lookup tables as constants."""
    nodes = dict(frozen.nodes)
    keys = {
        origin(table): nodes[origin(given[0])].attr("value")
        for table, *given in (nodes[name].data_inputs for name in frozen.initializers)
        if given
    }
    for node in frozen.nodes.values():
        known: Any = keys.get(origin(node.first_input)) if node.op in _SIZE else None
        if hasattr(known, "tolist"):
            size = len(set(known.reshape(-1).tolist()))
            nodes[node.name] = Node(node.name, node.op, [])
            become_scalar(nodes[node.name], DataType.INT64, size)
    kept = _pruned(frozen, nodes, frozen.initializers)
    used = [name for name in frozen.initializers if origin(nodes[name].first_input) in kept]
    kept = prune(nodes, [*kept, *used])
    return replace(frozen, nodes=kept, initializers=tuple(used))


def _pruned(
    frozen: FrozenGraph, nodes: dict[str, Node], without: Iterable[str] = ()
) -> dict[str, Node]:
    """Return the nodes that those need which nothing uses in a graph."""
    used = {origin(text) for node in frozen.nodes.values() for text in node.inputs}
    return prune(nodes, set(frozen.nodes).difference(used, without))


def with_uniform_draws(frozen: FrozenGraph) -> FrozenGraph:
    """Return a graph that draws normal numbers from uniform ones, by the method of Box and Muller.

    The numbers are others than TensorFlow draws, and of the same distribution.
    """
    drawn = [node for node in frozen.nodes.values() if node.op in _NORMAL | _UNIFORM]
    if not drawn:
        return frozen
    nodes = dict(frozen.nodes)
    for node in drawn:
        new = _Draw(node, nodes)
        nodes[node.name] = new.uniform(node.name) if node.op in _UNIFORM else new.normal()
    changes = f"{count_of(len(drawn), 'node')} draw random numbers as OpenVINO does"
    kept = _pruned(frozen, nodes)
    return replace(frozen, nodes=kept, changes=(*frozen.changes, changes))


class _Draw:
    """The nodes that stand for a node that draws."""

    def __init__(self, node: Node, nodes: dict[str, Node]) -> None:
        self._node = node
        self._nodes = nodes
        self._dtype = dtype_of(node, 0, {})

    def uniform(self, name: str) -> Node:
        """Return a node that draws from [0, 1)."""
        kind = self._node.attr("Tshape") or self._node.attr("T") or DataType.INT32
        node = Node(name, "RandomUniform", self._node.data_inputs[:1])
        node.change(T=kind, dtype=self._dtype, seed=0, seed2=0)
        return node

    def normal(self) -> Node:
        """Return a node with normal numbers: sqrt(-2 log(1 - u)) cos(2 pi v)."""
        u, v = (self._add(self.uniform(self._free(name))) for name in "uv")
        log = self._of("Log", self._of("Sub", self._number(1), u))
        radius = self._of("Sqrt", self._of("Mul", self._number(-2), log))
        angle = self._of("Cos", self._of("Mul", self._number(2 * pi), v))
        node = Node(self._node.name, "Mul", [radius, angle])
        node.change(T=self._dtype)
        return node

    def _free(self, name: str) -> str:
        return unique(f"{self._node.name}/{name}", self._nodes)

    def _add(self, node: Node) -> str:
        self._nodes[node.name] = node
        return node.name

    def _number(self, value: float) -> str:
        node = Node(self._free("number"), "Const", [])
        become_scalar(node, self._dtype, value)
        return self._add(node)

    def _of(self, op: str, *inputs: str) -> str:
        node = Node(self._free(op), op, list(inputs))
        node.change(T=self._dtype)
        return self._add(node)
