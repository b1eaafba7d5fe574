"""What a graph's operations take from each other, as numbers.

Knows no file, and of operations their names, inputs and shapes.

Everything here goes once over nodes and edges, whatever cycles there are; inputs that name nothing
are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import UNSURE, known_shape, split_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.tensor.proto_fields import PartialShape

Edges = list[list[int]]


class Flow:
    """Operations by number, and along which edges values flow between them.

    Attributes:
        operations: A number is a place in this list.
        by_name: Name -> number; of several of a name the first.
        sources: For each the numbers of those whose tensors it takes, each once.
        users: The reverse.
    """

    def __init__(self, operations: tuple[Operation, ...], unsure: Collection[str] = UNSURE) -> None:
        self.operations = operations
        self._unsure = unsure
        self.by_name: dict[str, int] = {}
        for number, operation in enumerate(operations):
            self.by_name.setdefault(operation.name, number)
        self.sources: Edges = [list(self.named(each.inputs)) for each in operations]
        self.users = _reversed(self.sources)

    def shape(self, number: int) -> PartialShape:
        """Return the shape of its first output, but of a constant; None where it is not known."""
        return known_shape(self.operations[number], self._unsure)

    def named(self, names: Iterable[str]) -> dict[int, None]:
        """Return the numbers of what tensors come from, in order; of those that are there."""
        nodes = (split_name(name)[0] for name in names)
        return dict.fromkeys(self.by_name[node] for node in nodes if node in self.by_name)

    def cut(self, numbers: Collection[int]) -> None:
        """Take away all that goes into these."""
        self.sources = [[] if n in numbers else found for n, found in enumerate(self.sources)]
        self.users = _reversed(self.sources)

    def reach(self, start: Iterable[int], edges: Edges, through: Callable[[int], bool]) -> set[int]:
        """Return `start` and all that is reached from it.

        Args:
            start: Numbers, whatever `through` says of them.
            edges: `users` or `sources`.
            through: Whether one is part of the answer, and with it what is behind it.
        """
        found = set(start)
        waiting = list(found)
        while waiting:
            for other in edges[waiting.pop()]:
                if other not in found and through(other):
                    found.add(other)
                    waiting.append(other)
        return found

    def only_for(self, start: Iterable[int], joins: Callable[[int], bool]) -> set[int]:
        """Return `start` and what is there for nothing else: all its users are in the answer.

        Args:
            start: Numbers, whatever `joins` says of them.
            joins: Whether one whose users are all in the answer is in it, too.
        """
        found = set(start)
        waiting = list(found)
        taken: dict[int, int] = {}
        while waiting:
            for source in self.sources[waiting.pop()]:
                taken[source] = taken.get(source, 0) + 1
                last = taken[source] == len(self.users[source])
                if last and source not in found and joins(source):
                    found.add(source)
                    waiting.append(source)
        return found


def _reversed(edges: Edges) -> Edges:
    found: Edges = [[] for _ in edges]
    for number, others in enumerate(edges):
        for other in others:
            found[other].append(number)
    return found
