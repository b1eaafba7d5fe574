"""A graph: operations by name, tensors, who uses them, and what is wrong with it.

Rank 8: knows no file. FORMAT 5.5; TensorFlow ``core/framework/graph.proto``, ``function.proto``.

Nothing here recurses: a graph may be as deep as it is long, and may have cycles.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    TensorNotFoundError,
    UnsupportedError,
    located,
    nearest,
)
from tfckpt_reader.graph.cycles import on_cycles
from tfckpt_reader.graph.nodes import (
    OpDefinition,
    Operation,
    Outputs,
    outputs_of,
    require_node,
    split_name,
    stored_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.dtypes import DataType
    from tfckpt_reader.graph.attributes import PartialShape

MOST_NODES = 1 << 22
"""Nodes that are taken for a graph's."""
_MOST_PROBLEMS = 1000
_LOOP_BACK = {"NextIteration", "RefNextIteration"}
"""Ops that close the circle of a while loop: the only cycles that a graph may have."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output of an operation, or an argument of a function."""

    name: str
    operation: Operation | None
    """None for an argument."""
    index: int | None
    """Which output of the operation, or which argument; None where the file does not say it."""
    dtype: DataType | None
    """None where the file does not say it."""
    shape: PartialShape
    """Sizes, None for an unknown one; None where the file does not say even the rank."""


class Graph:
    """Operations, in the order of the file, built when first asked for.

    Args:
        nodes: The bytes of each node.
        definitions: Gives name of an op -> its definition.
        file: What errors call the file.
    """

    _in_function = False

    def __init__(
        self,
        nodes: Sequence[bytes],
        definitions: Callable[[], Mapping[str, OpDefinition]],
        file: str,
    ) -> None:
        self._nodes = nodes
        self._definitions = definitions
        self._file = file

    def keep_nodes(self, part: bytes) -> None:
        """Forget the nodes whose bytes have not got `part` in them; to be called first of all."""
        self._nodes = [data for data in self._nodes if part in data]

    def __len__(self) -> int:
        return len(self._nodes)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """All operations.

        Raises:
            CorruptCheckpointError: a node is no node; says which.
            UnsupportedError: there are more than four million: two bytes can claim to be a node.
        """
        if len(self._nodes) > MOST_NODES:
            raise UnsupportedError(
                "the graph has more nodes than are listed here",
                file=self._file,
                expected=f"at most {MOST_NODES:,}",
                got=f"{len(self._nodes):,}",
            )
        with located(self._file):
            return tuple(
                require_node(data, number, in_function=self._in_function, file=self._file)
                for number, data in enumerate(self._nodes)
            )

    @cached_property
    def _by_name(self) -> dict[str, Operation]:
        found: dict[str, Operation] = {}
        for operation in self.operations:
            found.setdefault(operation.name, operation)
        return found

    def operation(self, name: str) -> Operation:
        """Return the operation of that name; of several the first.

        Raises:
            TensorNotFoundError: there is none; names the nearest.
        """
        found = self._by_name.get(name)
        if found is None:
            raise self._not_found("operation", name)
        return found

    @cached_property
    def op_counts(self) -> dict[str, int]:
        """Name of an op -> how many operations are of it, by name."""
        counts = Counter(operation.type for operation in self.operations)
        return dict(sorted(counts.items()))

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by its name, ``node:index``; ``node`` alone is its first output.

        Raises:
            TensorNotFoundError: no operation is so named, or it has fewer outputs.
            CheckpointError: what says its dtype or shape cannot be decoded.
        """
        node, index = split_name(name)
        operation = self._by_name.get(node)
        if operation is None:
            raise self._not_found("operation", node)
        return self._tensor(operation, index or 0, f"{node}:{index or 0}")

    def outputs_of(self, operation: Operation) -> list[Outputs] | None:
        """Return what comes out of an operation; None where its op's definition is not there."""
        definition = self._definitions().get(operation.type)
        if definition is None:
            return None
        with located(self._file):
            return outputs_of(operation, definition)

    def output_count(self, operation: Operation) -> int | None:
        """Return how many tensors come out of an operation; None where that is not known."""
        outputs = self.outputs_of(operation)
        if outputs is None:
            return None
        counts = [output.number for output in outputs]
        return None if None in counts else sum(count or 0 for count in counts)

    def _tensor(self, operation: Operation, index: int, name: str) -> Tensor:
        outputs = self.outputs_of(operation)
        dtype = None
        if outputs is not None:
            count = self.output_count(operation)
            if count is not None and index >= count:
                raise TensorNotFoundError(
                    f"operation {operation.name!r} has no output {index}",
                    file=self._file,
                    expected=f"an output below {count}",
                )
            dtype = _dtype_at(outputs, index)
        with located(self._file):
            _, shape = stored_shape(operation, index)
        return Tensor(name, operation, index, dtype, shape)

    def _origin(self, text: str) -> str:
        """Return the operation that an input comes from."""
        return split_name(text)[0]

    @cached_property
    def _users(self) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            for name in dict.fromkeys(operation.inputs):
                found.setdefault(name, []).append(operation)
        return found

    def consumers(self, name: str) -> tuple[Operation, ...]:
        """Return the operations that take a tensor as an input, in the order of the file."""
        if not self._in_function and split_name(name)[1] is None:
            name = f"{name}:0"
        return tuple(self._users.get(name, ()))

    def subgraph(self, outputs: Iterable[str], inputs: Iterable[str] = ()) -> tuple[Operation, ...]:
        """Return the operations that `outputs` need, in the order of the file.

        Args:
            outputs: Names of tensors or operations.
            inputs: Tensors or operations that are given: nothing behind them is taken. They are
                part of the answer where they are needed.

        Raises:
            TensorNotFoundError: one of the names is not there.
        """
        wanted = [self.operation(self._origin(name)).name for name in outputs]
        ends = {self.operation(self._origin(name)).name for name in inputs}
        seen = set(wanted)
        waiting = deque(wanted)
        while waiting:
            name = waiting.popleft()
            operation = self._by_name.get(name)
            if operation is None or name in ends:
                continue
            for source in self._sources(operation):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return tuple(op for op in self._by_name.values() if op.name in seen)

    def _sources(self, operation: Operation) -> Iterator[str]:
        """Yield the names of the operations that one needs, control inputs too."""
        yield from map(self._origin, operation.inputs)
        yield from operation.control_inputs

    def _is_known(self, name: str) -> bool:
        """Tell whether an input may come from there."""
        return name in self._by_name

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the graph, a line each; at most 1,000 of them."""
        found: list[str] = []
        for problem in self._defects():
            if len(found) == _MOST_PROBLEMS:
                found.append("there are more problems than are listed here")
                break
            found.append(problem)
        return tuple(found)

    def _defects(self) -> Iterator[str]:
        names = Counter(operation.name for operation in self.operations)
        for name, count in names.items():
            if count > 1:
                yield f"node {name!r} is there {count} times; the first counts"
        for operation in self.operations:
            for source in dict.fromkeys(self._sources(operation)):
                if not self._is_known(source):
                    yield f"node {operation.name!r} has an input that names nothing: {source!r}"
        yield from self._wrong_outputs()
        circle = on_cycles(
            (op.name, () if op.type in _LOOP_BACK else tuple(self._sources(op)))
            for op in self.operations
        )
        if circle:
            yield f"{len(circle)} nodes lie on a cycle that is no while loop, such as {circle[0]!r}"

    def _wrong_outputs(self) -> Iterator[str]:
        """Yield the inputs that ask for an output which a node has not got."""
        counts: dict[str, int | None] = {}
        for name, users in self._users.items():
            node, index = split_name(name)
            operation = self._by_name.get(node)
            if operation is None or self._in_function:
                continue
            if node not in counts:
                try:
                    counts[node] = self.output_count(operation)
                except CheckpointError as error:
                    counts[node] = None
                    yield str(error)
            count = counts[node]
            if count is not None and (index or 0) >= count:
                yield (
                    f"node {users[0].name!r} has the input {name!r}, "
                    f"but node {node!r} has {count} outputs"
                )

    def _not_found(self, what: str, name: str) -> TensorNotFoundError:
        alike = nearest(name, list(self._by_name))
        advice = f"Nearest: {', '.join(alike)}" if alike else None
        return TensorNotFoundError(f"there is no {what} {name!r}", file=self._file, advice=advice)


def _dtype_at(outputs: list[Outputs], index: int) -> DataType | None:
    """Return the dtype of an output, counted through all; None where it is not known."""
    for output in outputs:
        if output.number is None:
            return None
        if index < output.number:
            return output.dtypes[index if len(output.dtypes) > 1 else 0]
        index -= output.number
    return None
