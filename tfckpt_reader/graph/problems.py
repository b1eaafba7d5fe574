"""What is wrong with a graph: listed, never raised.

Rank 8: knows no file. TensorFlow would refuse to import most of these graphs.

The search looks at every node and every constant, decodes no more than it must, and ends at a
number of problems: a graph that is nothing but defects has been understood by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, shortened
from tfckpt_reader.graph.attributes import Attrs, Place
from tfckpt_reader.graph.graph import Function, Graph
from tfckpt_reader.graph.names import output_number, producer_of
from tfckpt_reader.graph.saves import called_by
from tfckpt_reader.tensor_proto import SMALL_REPEAT, decode_tensor_proto

if TYPE_CHECKING:
    from tfckpt_reader.graph.meta_graph import MetaGraph

_MOST = 1000
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class GraphProblem:
    """One thing that is wrong."""

    where: str
    """``node 'x'``, ``function 'f': node 'x'``, ``collection 'variables'``, …"""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


def find_problems(meta: MetaGraph) -> Iterator[GraphProblem]:
    """Yield what is wrong with a MetaGraphDef, at most so many."""
    found = _all_problems(meta)
    yield from islice(found, _MOST)
    if next(found, None) is not None:
        yield GraphProblem("", f"there are more than {_MOST:,} problems; the search ends here")


def _all_problems(meta: MetaGraph) -> Iterator[GraphProblem]:
    yield from _guarded(lambda: _graph_problems(meta.graph, ""))
    yield from _guarded(lambda: _function_problems(meta))
    for ask in (
        lambda: meta.collections,
        lambda: meta.global_variables,
        lambda: meta.signatures,
        lambda: meta.assets,
        lambda: meta.object_graph,
    ):
        try:
            ask()
        except CheckpointError as error:
            yield _of(error)
    yield from _guarded(lambda: _object_problems(meta))


def _guarded(problems: Callable[[], Iterator[GraphProblem]]) -> Iterator[GraphProblem]:
    try:
        yield from problems()
    except CheckpointError as error:
        yield _of(error)


def _of(error: CheckpointError) -> GraphProblem:
    where, error.structure, error.file = error.structure or "", None, None
    return GraphProblem(where, str(error))


def _graph_problems(graph: Graph, where: str) -> Iterator[GraphProblem]:
    names = graph.operations.names
    for name, count in Counter(names).items():
        if count > 1:
            yield GraphProblem(f"{where}node {name!r}", f"there are {count} of this name")
    yield from _input_problems(graph, where)
    yield from _attribute_problems(graph, where)
    yield from _cycles(graph, where)


def _input_problems(graph: Graph, where: str) -> Iterator[GraphProblem]:
    """Yield inputs that name nothing, or an output that is not there."""
    counts = _OutputCounts(graph)
    arguments = graph.arguments if isinstance(graph, Function) else ()
    known = {argument.name for argument in arguments}
    names = graph.operations.names
    for name, (tensors, controls) in zip(names, graph.operations.inputs(), strict=True):
        for tensor in tensors:
            what = None if tensor in known else counts.problem(tensor)
            if what is not None:
                yield GraphProblem(f"{where}node {name!r}", f"input {shortened(tensor)!r} {what}")
        for control in controls:
            if control not in known and graph.operations.position(control) is None:
                yield GraphProblem(
                    f"{where}node {name!r}",
                    f"control input {shortened(control)!r} names no operation",
                )


class _OutputCounts:
    """How many outputs each operation has, found once for all that ask."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._counts: dict[str, dict[str, int] | None] = {}

    def problem(self, tensor: str) -> str | None:
        """Return what is wrong with the name of an input; None if none can be told."""
        producer = producer_of(tensor)
        if self._graph.operations.position(producer) is None:
            return "names no operation"
        counts = self._of(producer)
        if counts is None:
            return None
        output, _, index = tensor.partition(":")[2].rpartition(":")
        number = output_number(index)
        if number is None:
            return "is no name of a tensor"
        if output and output not in counts:
            return f"names an output that a {self._type(producer)} does not have"
        count = counts[output] if output else sum(counts.values())
        return (
            None if number < count else f"is past the outputs of a {self._type(producer)}, {count}"
        )

    def _type(self, name: str) -> str:
        position = self._graph.operations.position(name)
        return "node" if position is None else self._graph.operations.types[position]

    def _of(self, name: str) -> dict[str, int] | None:
        if name not in self._counts:
            try:
                groups = self._graph.output_groups(self._graph.operation(name))
            except CheckpointError:
                groups = None  # said where that operation is looked at
            found = None if groups is None else {group.name: group.count for group in groups}
            self._counts[name] = found
        return self._counts[name]


def _attribute_problems(graph: Graph, where: str) -> Iterator[GraphProblem]:
    """Yield attributes that cannot be decoded, and what the op's definition refuses."""
    for operation in graph.operations:
        place = f"{where}node {operation.name!r}"
        if not operation.name or not operation.type:
            yield GraphProblem(place, "has no name" if operation.type else "has no op")
        try:
            for name in operation.attrs:
                _require_sound(operation.attrs, name)
            graph.output_groups(operation)
        except CorruptCheckpointError as error:
            error.structure = None
            yield GraphProblem(place, str(_without_file(error)))
        except CheckpointError:
            pass  # sound, but more than is read here


def _without_file(error: CheckpointError) -> CheckpointError:
    error.file = None
    return error


def _require_sound(attrs: Attrs, name: str) -> None:
    """Decode an attribute, a tensor without spreading out its repeated values."""
    tensor = attrs.tensor_proto(name)
    if not tensor:
        _ = attrs[name]
        return
    try:
        decode_tensor_proto(memoryview(tensor), most=SMALL_REPEAT)
    except CheckpointError as error:
        raise Place(None, f"attribute {name!r}").located(error) from error


def _cycles(graph: Graph, where: str) -> Iterator[GraphProblem]:
    """Yield the operations that wait for each other; the way back of a loop is none."""
    types = graph.operations.types
    sources = [
        [
            source
            for source in found
            if not (types[here].endswith("Merge") and types[source].endswith("NextIteration"))
        ]
        for here, found in enumerate(graph.sources)
    ]
    left = _trimmed(sources)
    if left:
        names = [graph.operations.names[here] for here in left[:_MOST_NAMED]]
        more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
        yield GraphProblem(
            f"{where}node {names[0]!r}",
            f"operations wait for each other: {', '.join(map(repr, names))}{more}",
        )


def _trimmed(sources: Mapping[int, list[int]] | list[list[int]]) -> list[int]:
    """Return the nodes on cycles, and those between cycles."""
    edges = dict(sources) if isinstance(sources, Mapping) else dict(enumerate(sources))
    for _ in range(2):  # from the one end, then from the other
        targets: dict[int, list[int]] = {here: [] for here in edges}
        waiting_for = dict.fromkeys(edges, 0)
        for here, found in edges.items():
            for source in found:
                if source in edges:
                    targets[source].append(here)
                    waiting_for[here] += 1
        free = [here for here, count in waiting_for.items() if not count]
        for here in free:  # grows while it is walked
            for target in targets[here]:
                waiting_for[target] -= 1
                if not waiting_for[target]:
                    free.append(target)
        gone = set(free)
        edges = {here: targets[here] for here in edges if here not in gone}
    return sorted(edges)


def _function_problems(meta: MetaGraph) -> Iterator[GraphProblem]:
    library = meta.functions
    for name, count in Counter(library.stored_names).items():
        if count > 1:
            yield GraphProblem(f"function {name!r}", f"there are {count} of this name")
    numbers = {name: number for number, name in enumerate(library)}
    calls: dict[int, list[int]] = {}
    for name, function in library.items():
        yield from _guarded(partial(_graph_problems, function, f"function {name!r}: "))
        yield from _return_problems(function, name)
        try:
            called = {other for operation in function.operations for other in called_by(operation)}
        except CheckpointError:
            called = set()  # said above
        calls[numbers[name]] = [numbers[other] for other in called if other in numbers]
    names = list(library)
    for number in _trimmed(calls):
        yield GraphProblem(f"function {names[number]!r}", "calls itself, or one that calls it")


def _return_problems(function: Function, name: str) -> Iterator[GraphProblem]:
    known = {argument.name for argument in function.arguments}
    for result, tensor in function.returns.items():
        if tensor not in known and function.operations.position(producer_of(tensor)) is None:
            yield GraphProblem(
                f"function {name!r}",
                f"result {result!r} is {shortened(tensor)!r}, which is nothing",
            )


def _object_problems(meta: MetaGraph) -> Iterator[GraphProblem]:
    objects = meta.object_graph
    for node, name, child in objects.lost_children if objects is not None else ():
        yield GraphProblem(
            f"object {node}", f"child {name!r} is object {child}, which is not there"
        )
