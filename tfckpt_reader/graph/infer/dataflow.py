"""Dataflow between the operations of a graph, as numbers.

Knows no file, and only names, inputs and shapes of operations.

Each method visits nodes and edges once, whatever the cycles; inputs from absent nodes are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import known_shape, split_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.tensor.proto_fields import PartialShape


class Flow:
    """Operations by number, and the edges along which values flow between them.

    Attributes:
        graph: The graph.
        types: The op of each operation.
        names: The name of each operation.
        sources: For each operation the numbers of those with its input tensors, each once.
        users: The reverse.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types = graph.types
        self.names = graph.names
        self.sources = graph.sources
        self.users = self.sources.reversed()

    def operation(self, number: int) -> Operation:
        """Return an operation."""
        return self.graph.at(number)

    def shape(self, number: int) -> PartialShape:
        """Return the shape of its first output; None if unknown, and for a constant."""
        return known_shape(self.operation(number), self.graph.unknown_rank_ops)

    def of_types(self, types: Collection[str]) -> list[int]:
        """Return the numbers of the operations with an op in `types`."""
        return [number for number, op in enumerate(self.types) if op in types]

    def named(self, names: Iterable[str]) -> dict[int, None]:
        """Return the numbers of the operations of some tensors, in order, without absent ones."""
        numbers = (self.graph.number_of(split_name(name)[0]) for name in names)
        return dict.fromkeys(number for number in numbers if number is not None)

    def cut(self, numbers: Collection[int]) -> None:
        """Remove the inputs of some operations."""
        self.sources = self.sources.without(frozenset(numbers))
        self.users = self.sources.reversed()

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
