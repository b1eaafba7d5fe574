"""Who gives what to whom in a graph, and what is wrong with that.

Sees nodes and their inputs; which outputs a node has is told by others.

Nodes are known by their numbers here, and nothing recurses: a graph may have millions of nodes, be
as deep as it is long, and have cycles.
"""

from __future__ import annotations

from array import array
from collections import deque
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import count_of, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.graph.decode.node_store import StoredNodes

ARGUMENT = -1
"""The number of all arguments of a function, which are no nodes."""
_LOOP_BACK = {"NextIteration", "RefNextIteration"}
"""Ops that close the circle of a while loop: the only cycles that a graph may have."""


class Naming(NamedTuple):
    """How inputs name tensors."""

    origin: Callable[[str], str]
    """Gives the node, or the argument, that an input comes from."""
    tensor: Callable[[str], str]
    """Gives the one name that a tensor is known by, of several that an input may give it."""


class Links:
    """The inputs of all nodes.

    Args:
        nodes: The nodes.
        numbers: Name -> the number of the node that it means; ARGUMENT for an argument.
        naming: How inputs name tensors.
    """

    def __init__(self, nodes: StoredNodes, numbers: Mapping[str, int], naming: Naming) -> None:
        self._nodes = nodes
        self._numbers = numbers
        self._naming = naming

    @cached_property
    def users(self) -> dict[str, list[int]]:
        """Tensor -> numbers of the nodes that take it."""
        found: dict[str, list[int]] = {}
        for number, node in enumerate(self._nodes.heads()):
            texts = (name_text(raw) for raw in node.input if raw[:1] != b"^")
            for name in dict.fromkeys(map(self._naming.tensor, texts)):
                found.setdefault(name, []).append(number)
        return found

    def needed(self, outputs: Iterable[str], inputs: Iterable[str]) -> list[int]:
        """Return the nodes that `outputs` need when `inputs` are given, in order.

        Args:
            outputs: Names of tensors or nodes that are there.
            inputs: The same. They are taken where they are needed, but of a given tensor not what
                it needs, and of a given node not what it needs for any of its outputs.
        """
        origin, tensor = self._naming
        given = set(inputs)
        opened = {ARGUMENT, *(self._numbers[name] for name in given if name in self._numbers)}
        cut = {tensor(name) for name in given if name not in self._numbers}
        taken: set[int] = set()
        waiting = deque((name, self._numbers[origin(name)]) for name in outputs)
        while waiting:
            text, number = waiting.popleft()
            taken.add(number)
            if number not in opened and tensor(text) not in cut:
                opened.add(number)
                waiting.extend(self._sources(number))
        return sorted(taken - {ARGUMENT})

    def _sources(self, number: int) -> Iterator[tuple[str, int]]:
        """Yield the inputs of a node that name something, with the numbers of what they name."""
        for text in map(name_text, self._nodes.head(number).input):
            source = self._numbers.get(self._source(text))
            if source is not None:
                yield text, source

    def _source(self, text: str) -> str:
        """Return the name in an input, or in a control input."""
        return text[1:] if text.startswith("^") else self._naming.origin(text)

    def defects(self, wrong_output: Callable[[int, str, str], str]) -> Iterator[str]:
        """Yield what is wrong, a line each.

        Args:
            wrong_output: Takes the number and the op of a node, and an input that comes from it;
                says what is wrong with that, "" if nothing is.
        """
        ops = self._ops()
        sources, ends, forward = array("I"), array("Q", [0]), True
        for number, node in enumerate(self._nodes.heads()):
            for text in dict.fromkeys(map(name_text, node.input)):
                source = self._numbers.get(self._source(text))
                if source is None:
                    name = quoted(self._source(text))
                    yield f"node {quoted(node.name)} has an input that names nothing: {name}"
                elif source != ARGUMENT:
                    control = text.startswith("^")
                    wrong = "" if control else wrong_output(source, ops[source], text)
                    if wrong:
                        yield f"node {quoted(node.name)} has the input {quoted(text)}, {wrong}"
                    if ops[source] not in _LOOP_BACK:
                        forward = forward and source < number
                        sources.append(source)
            ends.append(len(sources))
        # Where all inputs come from nodes before, as in most files, there is no cycle.
        if not forward:
            yield from self._cycles([sources[begin:end] for begin, end in pairwise(ends)])

    def _ops(self) -> list[str]:
        """Return the op of each node; the same one is one object."""
        words: dict[bytes, str] = {}
        ops = []
        for node in self._nodes.heads():
            op = node.op
            ops.append(words.get(op) or words.setdefault(op, name_text(op)))
        return ops

    def _cycles(self, sources: list[array[int]]) -> Iterator[str]:
        found = on_cycles(sources)
        if found:
            name = quoted(self._nodes.head(found[0]).name)
            count = count_of(len(found), "node")
            yield f"a cycle that is no while loop goes through {count}, such as {name}"


def quoted(name: str | bytes) -> str:
    """Return a name for a line of text: it may be of any length, and be in many lines."""
    return repr(shortened(name_text(name) if isinstance(name, bytes) else name))


def on_cycles(sources: Sequence[Sequence[int]]) -> list[int]:
    """Return what lies on cycles, or between two of them, in ascending order.

    Args:
        sources: For each number, the numbers that it needs.
    """
    users = [array("I") for _ in sources]
    for number, needed in enumerate(sources):
        for source in needed:
            users[source].append(number)
    left = bytearray(b"\1" * len(sources))
    _take_ends(left, sources, users)
    _take_ends(left, users, sources)
    return [number for number, there in enumerate(left) if there]


def _take_ends(
    left: bytearray, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
) -> None:
    """Take away, again and again, what has nothing before it."""
    counts = [sum(map(left.__getitem__, numbers)) for numbers in before]
    waiting = [number for number, count in enumerate(counts) if left[number] and not count]
    while waiting:
        number = waiting.pop()
        left[number] = 0
        for follower in after[number]:
            counts[follower] -= 1
            if left[follower] and not counts[follower]:
                waiting.append(follower)
