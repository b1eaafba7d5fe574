"""Connections between nodes: users of tensors, dependencies, and defects such as cycles.

Sees nodes and their inputs; the caller knows the outputs of a node.

Nodes are numbers here, and nothing recurses: a graph may have millions of nodes, be as deep as it
is long, and have cycles.
"""

from __future__ import annotations

from array import array
from collections import deque
from functools import cache, cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.graph.decode.node_store import StoredNodes

ARGUMENT = -1
"""The number of every argument of a function: an argument is no node."""
_LOOP_BACK = {"NextIteration", "RefNextIteration"}
"""Ops that close a while loop, the only legal cycle of a graph."""


class Connectivity:
    """The inputs of all nodes.

    Args:
        nodes: The nodes.
        numbers: Name -> number of the node; ARGUMENT for an argument.
        origin: Returns the node, or the argument, of a tensor.
        canonical: Returns the canonical name of a tensor: inputs may use several.
    """

    def __init__(
        self,
        nodes: StoredNodes,
        numbers: Mapping[str, int],
        origin: Callable[[str], str],
        canonical: Callable[[str], str],
    ) -> None:
        self._nodes = nodes
        self._numbers = numbers
        self._origin = origin
        self._canonical = canonical

    @cached_property
    def users(self) -> dict[str, list[int]]:
        """Tensor -> numbers of the nodes with it as an input."""
        users: dict[str, list[int]] = {}
        for number, node in enumerate(self._nodes.headers()):
            texts = (name_text(raw) for raw in node.input if raw[:1] != b"^")
            for name in dict.fromkeys(map(self._canonical, texts)):
                users.setdefault(name, []).append(number)
        return users

    def needed(self, outputs: Iterable[str], inputs: Iterable[str]) -> list[int]:
        """Return the nodes that `outputs` depend on if `inputs` are given, in order.

        Args:
            outputs: Names of existing tensors or nodes.
            inputs: The same. Each is in the result where it is needed. The inputs of a given node
                are not followed for any of its outputs, those of a given tensor not for itself.
        """
        given = set(inputs)
        expanded = {ARGUMENT, *(self._numbers[name] for name in given if name in self._numbers)}
        cut = {self._canonical(name) for name in given if name not in self._numbers}
        needed: set[int] = set()
        waiting = deque((name, self._numbers[self._origin(name)]) for name in outputs)
        while waiting:
            name, number = waiting.popleft()
            needed.add(number)
            if number not in expanded and self._canonical(name) not in cut:
                expanded.add(number)
                for text in map(name_text, self._nodes.header(number).input):
                    source = self._numbers.get(self._source(text))
                    if source is not None:
                        waiting.append((text, source))
        return sorted(needed - {ARGUMENT})

    def _source(self, text: str) -> str:
        """Return the name of the source of an input or a control input."""
        return text[1:] if text.startswith("^") else self._origin(text)

    def defects(self, wrong_output: Callable[[int, str, str], str]) -> Iterator[str]:
        """Yield the defects, a line each.

        Args:
            wrong_output: Takes the number and the op of a node, and an input from it; returns the
                defect of that input, or "".
        """
        op_name = cache(name_text)
        ops = [op_name(node.op) for node in self._nodes.headers()]
        sources, ends, forward = array("I"), array("Q", [0]), True
        for number, node in enumerate(self._nodes.headers()):
            for text in dict.fromkeys(map(name_text, node.input)):
                source = self._numbers.get(self._source(text))
                if source is None:
                    name, origin = quoted(name_text(node.name)), quoted(self._source(text))
                    yield f"node {name} has an input that names nothing: {origin}"
                elif source != ARGUMENT:
                    wrong = "" if text.startswith("^") else wrong_output(source, ops[source], text)
                    if wrong:
                        name = quoted(name_text(node.name))
                        yield f"node {name} has the input {quoted(text)}, {wrong}"
                    if ops[source] not in _LOOP_BACK:
                        forward = forward and source < number
                        sources.append(source)
            ends.append(len(sources))
        # As in most files, inputs from earlier nodes only cannot form a cycle.
        cycles = [] if forward else on_cycles([sources[a:b] for a, b in pairwise(ends)])
        if cycles:
            name = quoted(name_text(self._nodes.header(cycles[0]).name))
            count = count_of(len(cycles), "node")
            yield f"a cycle that is no while loop goes through {count}, such as {name}"


def on_cycles(sources: Sequence[Sequence[int]]) -> list[int]:
    """Return the numbers on cycles, or between two of them, in ascending order.

    Args:
        sources: For each number, the numbers it depends on.
    """
    users = reversed_edges(sources)
    remaining = bytearray(b"\1" * len(sources))
    _remove_ends(remaining, sources, users)
    _remove_ends(remaining, users, sources)
    return [number for number, remains in enumerate(remaining) if remains]


def reversed_edges(edges: Sequence[Sequence[int]]) -> list[array[int]]:
    """Return, for each number, those with an edge to it."""
    back = [array("I") for _ in edges]
    for number, others in enumerate(edges):
        for other in others:
            back[other].append(number)
    return back


def _remove_ends(
    remaining: bytearray, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
) -> None:
    """Remove, repeatedly, each number with nothing before it."""
    counts = [sum(map(remaining.__getitem__, numbers)) for numbers in before]
    waiting = [n for n, count in enumerate(counts) if remaining[n] and not count]
    while waiting:
        number = waiting.pop()
        remaining[number] = 0
        for follower in after[number]:
            counts[follower] -= 1
            if remaining[follower] and not counts[follower]:
                waiting.append(follower)
