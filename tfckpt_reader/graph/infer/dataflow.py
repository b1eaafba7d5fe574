"""Dataflow between the operations of a graph, as numbers.

Knows no file, and only names, inputs and shapes of operations.

Each method visits nodes and edges once, whatever the cycles; inputs from absent nodes are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.connectivity import reversed_edges
from tfckpt_reader.graph.decode.operation import known_shape, split_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.tensor.proto_fields import PartialShape


class Flow:
    """Operations by number, and the edges along which values flow between them.

    Attributes:
        operations: All operations; an operation's number is its index here.
        by_name: Name -> number of the first operation with it.
        sources: For each operation the numbers of those with its input tensors, each once.
        users: The reverse.
    """

    def __init__(self, graph: Graph) -> None:
        self.operations = graph.operations
        self._unknown_rank_ops = graph.unknown_rank_ops
        self.by_name: dict[str, int] = {}
        for number, operation in enumerate(self.operations):
            self.by_name.setdefault(operation.name, number)
        self.sources = [list(self.named(each.inputs)) for each in self.operations]
        self.users = reversed_edges(self.sources)

    def shape(self, number: int) -> PartialShape:
        """Return the shape of its first output; None if unknown, and for a constant."""
        return known_shape(self.operations[number], self._unknown_rank_ops)

    def named(self, names: Iterable[str]) -> dict[int, None]:
        """Return the numbers of the operations of some tensors, in order, without absent ones."""
        nodes = (split_name(name)[0] for name in names)
        return dict.fromkeys(self.by_name[node] for node in nodes if node in self.by_name)

    def cut(self, numbers: Collection[int]) -> None:
        """Remove the inputs of some operations."""
        self.sources = [[] if n in numbers else before for n, before in enumerate(self.sources)]
        self.users = reversed_edges(self.sources)

    def reach(
        self, start: Iterable[int], edges: Sequence[Sequence[int]], through: Callable[[int], bool]
    ) -> set[int]:
        """Return `start` and everything reachable from it.

        Args:
            start: Numbers; `through` does not apply to them.
            edges: `users` or `sources`.
            through: Whether to include an operation, and to go on from it.
        """
        reached = set(start)
        waiting = list(reached)
        while waiting:
            for other in edges[waiting.pop()]:
                if other not in reached and through(other):
                    reached.add(other)
                    waiting.append(other)
        return reached

    def only_for(self, start: Iterable[int], joins: Callable[[int], bool]) -> set[int]:
        """Return `start` and everything used for nothing else: all its users are in the result.

        Args:
            start: Numbers; `joins` does not apply to them.
            joins: Whether to include an operation if all its users are in the result.
        """
        result = set(start)
        waiting = list(result)
        visits: dict[int, int] = {}
        while waiting:
            for source in self.sources[waiting.pop()]:
                visits[source] = visits.get(source, 0) + 1
                last = visits[source] == len(self.users[source])
                if last and source not in result and joins(source):
                    result.add(source)
                    waiting.append(source)
        return result
