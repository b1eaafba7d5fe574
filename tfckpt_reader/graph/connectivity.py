"""Connections between nodes: users of tensors, dependencies, and defects such as cycles.

Sees nodes and their inputs; the caller knows the outputs of a node.

Nodes are numbers here, and nothing recurses: a graph may have millions of nodes, be as deep as it
is long, and have cycles.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from tfckpt_reader.graph.decode.node_store import StoredNodes

ARGUMENT = -1
"""The number of every argument of a function: an argument is no node."""
_LOOP_BACK = {"NextIteration", "RefNextIteration"}
"""Ops that close a while loop, the only legal cycle of a graph."""


class Edges(Sequence["array[int]"]):
    """For each number, the numbers that it has edges to; in two arrays, as there may be millions.

    Args:
        ends: For each number, the end of its edges in `others`; begins with 0.
        others: The ends of all edges.
    """

    __slots__ = ("_ends", "_others")

    def __init__(self, ends: array[int], others: array[int]) -> None:
        self._ends = ends
        self._others = others

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: Any) -> Any:
        return self._others[self._ends[number] : self._ends[number + 1]]

    def __iter__(self) -> Iterator[array[int]]:
        others = self._others
        return (others[begin:end] for begin, end in pairwise(self._ends))

    def without(self, numbers: Collection[int]) -> Edges:
        """Return the edges but those of some numbers."""
        if not numbers:
            return self
        ends, others = array("I", [0]), array("I")
        for number, each in enumerate(self):
            if number not in numbers:
                others += each
            ends.append(len(others))
        return Edges(ends, others)

    def reversed(self) -> Edges:
        """Return, for each number, those with an edge to it, in ascending order."""
        counts = array("I", bytes(4 * len(self)))
        for other in self._others:
            counts[other] += 1
        ends = array("I", accumulate(counts, initial=0))
        free, back = ends[:-1], array("I", bytes(4 * len(self._others)))
        for number, each in enumerate(self):
            for other in each:
                back[free[other]] = number
                free[other] += 1
        return Edges(ends, back)


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

    @property
    def edges(self) -> tuple[Edges, Edges]:
        """The nodes of the inputs and of the control inputs of each, in order, each once."""
        return self._edges[:2]

    @cached_property
    def _edges(self) -> tuple[Edges, Edges, array[int]]:
        """The edges, and the nodes with an input that is no node's name alone."""
        ends = array("I", [0]), array("I", [0])
        others = array("I"), array("I")
        unusual = array("I")
        for number, node in enumerate(self._nodes.headers()):
            found: tuple[dict[int, None], dict[int, None]] = ({}, {})
            is_unusual = False
            for text in map(name_text, node.input):
                source = self._numbers.get(self._source(text))
                is_control = text[:1] == "^"
                is_unusual |= source is None or (":" in text and not is_control)
                if source is not None and source != ARGUMENT:
                    found[is_control][source] = None
            for kind in (0, 1):
                others[kind].extend(found[kind])
                ends[kind].append(len(others[kind]))
            if is_unusual:
                unusual.append(number)
        return Edges(ends[0], others[0]), Edges(ends[1], others[1]), unusual

    def needed(self, outputs: Iterable[str], inputs: Iterable[str]) -> list[int]:
        """Return the nodes that `outputs` depend on if `inputs` are given, in order.

        Args:
            outputs: Names of existing tensors or nodes.
            inputs: The same. Each is in the result where it is needed. The inputs of a given node
                are not followed for any of its outputs, those of a given tensor not for itself.
        """
        given = set(inputs)
        cut = {self._canonical(name) for name in given if name not in self._numbers}
        partly = {self._numbers[self._origin(name)] for name in cut}
        needed, followed = bytearray(len(self._nodes)), bytearray(len(self._nodes))
        for number in map(self._numbers.get, given & self._numbers.keys()):
            if number is not None and number != ARGUMENT:
                followed[number] = 1
        waiting: list[int] = []
        for name in outputs:
            number = self._numbers[self._origin(name)]
            if number != ARGUMENT:
                needed[number] = 1
                waiting += [] if self._canonical(name) in cut else [number]
        data, control = self.edges
        while waiting:
            number = waiting.pop()
            if followed[number]:
                continue
            followed[number] = 1
            for source in chain(data[number], control[number]):
                needed[source] = 1
                if not followed[source] and not (
                    source in partly and self._uses_only(number, source, cut)
                ):
                    waiting.append(source)
        return [number for number, is_needed in enumerate(needed) if is_needed]

    def _uses_only(self, number: int, source: int, tensors: set[str]) -> bool:
        """Return whether a node uses no tensor of another but some of these."""
        texts = map(name_text, self._nodes.header(number).input)
        own = (text for text in texts if self._numbers.get(self._source(text)) == source)
        return all(text[:1] != "^" and self._canonical(text) in tensors for text in own)

    def _source(self, text: str) -> str:
        """Return the name of the source of an input or a control input."""
        if text[:1] == "^":
            return text[1:]
        return self._origin(text) if ":" in text else text

    def defects(
        self,
        ops: Sequence[str],
        has_output: Callable[[str], bool],
        wrong_output: Callable[[int, str, str], str],
    ) -> Iterator[str]:
        """Yield the defects, a line each.

        Args:
            ops: The op of each node.
            has_output: Returns whether all nodes of an op have a first output.
            wrong_output: Takes the number and the op of a node, and an input from it; returns the
                defect of that input, or "".
        """
        suspicious = self._suspicious(ops, has_output)
        for number, node in enumerate(self._nodes.headers() if suspicious else ()):
            if number not in suspicious:
                continue
            for text in dict.fromkeys(map(name_text, node.input)):
                source = self._numbers.get(self._source(text))
                if source is None:
                    name, origin = quoted(name_text(node.name)), quoted(self._source(text))
                    yield f"node {name} has an input that names nothing: {origin}"
                elif source != ARGUMENT and text[:1] != "^":
                    wrong = wrong_output(source, ops[source], text)
                    if wrong:
                        name = quoted(name_text(node.name))
                        yield f"node {name} has the input {quoted(text)}, {wrong}"
        cycles = self._cycles(ops)
        if cycles:
            name = quoted(name_text(self._nodes.header(cycles[0]).name))
            count = count_of(len(cycles), "node")
            yield f"a cycle that is no while loop goes through {count}, such as {name}"

    def _suspicious(self, ops: Sequence[str], has_output: Callable[[str], bool]) -> set[int]:
        """Return the nodes with inputs other than first outputs that surely exist."""
        data, _, unusual = self._edges
        known = {op: has_output(op) for op in set(ops)}
        sure = bytearray(map(known.__getitem__, ops))
        unsure = (n for n, each in enumerate(data) if not all(map(sure.__getitem__, each)))
        return {*unusual, *unsure}

    def _cycles(self, ops: Sequence[str]) -> list[int]:
        """Return the nodes on cycles that are no while loops."""
        # As in most files, inputs from earlier nodes only cannot form a cycle.
        both = [enumerate(edges) for edges in self.edges]
        if not any(n >= number for number, each in chain(*both) for n in each):
            return []
        pairs = zip(*self.edges, strict=True)
        return on_cycles([[n for n in chain(*each) if ops[n] not in _LOOP_BACK] for each in pairs])


def on_cycles(sources: Sequence[Sequence[int]]) -> list[int]:
    """Return the numbers on cycles, or between two of them, in ascending order.

    Args:
        sources: For each number, the numbers it depends on.
    """
    ends = array("I", accumulate(map(len, sources), initial=0))
    users = Edges(ends, array("I", chain.from_iterable(sources))).reversed()
    remaining = bytearray(b"\1" * len(sources))
    _remove_ends(remaining, sources, users)
    _remove_ends(remaining, users, sources)
    return [number for number, remains in enumerate(remaining) if remains]


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
