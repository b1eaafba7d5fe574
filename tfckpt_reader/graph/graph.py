"""A graph: operations by name, tensors, who uses them, and what is wrong with it.

Knows no file. FORMAT 5.5; TensorFlow ``core/framework/graph.proto``, ``function.proto``.

Nothing is decoded before it is asked for: a graph may have millions of nodes, of which one is
looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError, dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, TensorNotFoundError, enough_memory, located
from tfckpt_reader.graph.connectivity import ARGUMENT, Links, Naming, quoted
from tfckpt_reader.graph.decode.op_defs import OpDefinition, Outputs, dtype_at, outputs_of
from tfckpt_reader.graph.decode.operation import (
    UNSURE,
    Operation,
    decode_operation,
    output_shapes,
    split_name,
    stored_shape,
    tensor_name,
)
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import shape_or_none
from tfckpt_reader.text import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from tfckpt_reader.graph.decode.node_store import StoredNodes
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.proto_fields import PartialShape

_MOST_PROBLEMS = 1000


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
        nodes: The nodes as they are stored.
        definitions: Gives name of an op -> its definition.
    """

    _frozen = False
    _naming = Naming(lambda text: split_name(text)[0], tensor_name)

    def __init__(
        self, nodes: StoredNodes, definitions: Callable[[], Mapping[str, OpDefinition]]
    ) -> None:
        self._nodes = nodes
        self._definitions = definitions
        self._file = nodes.file
        self._unsure: Collection[str] = UNSURE
        self._built: dict[int, Operation] = {}
        self._words: dict[bytes, str] = {}
        # An op may have thousands of outputs: what is known of all is not decoded again for each.
        self._last_outputs: tuple[Operation, list[Outputs]] | None = None
        self._last_shapes: tuple[Operation, list[Any]] | None = None
        self._known_sizes: dict[int, list[int | None] | None] = {}

    def __setattr__(self, name: str, value: object) -> None:
        if self._frozen and not name.startswith("_"):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super().__setattr__(name, value)

    @property
    def messages(self) -> StoredNodes:
        """The bytes of each node, by number, as the file stores them."""
        return self._nodes

    def origin(self, text: str) -> str:
        """Return the operation, or the argument, that an input comes from."""
        return self._naming.origin(text)

    @property
    def unsure(self) -> Collection[str]:
        """Ops of whose tensors no dimensions may mean that not even the rank is known."""
        return self._unsure

    def keep_nodes(self, part: bytes) -> None:
        """Forget the nodes whose bytes have not got `part` in them; to be called first of all."""
        self._nodes = self._nodes.containing(part)

    def __len__(self) -> int:
        return len(self._nodes)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """All operations.

        Raises:
            CorruptCheckpointError: a node is no node; says which.
            UnsupportedError: they are more than this machine can hold.
        """
        with enough_memory(self._file):
            numbered = enumerate(self._nodes.heads())
            return tuple([self._built.get(n) or self._build(n, node) for n, node in numbered])

    def _build(self, number: int, node: Any) -> Operation:
        return decode_operation(node, self._nodes, number, self._words, self._naming.tensor)

    def _at(self, number: int) -> Operation:
        """Return operation `number`, always the same object; no other is built for that."""
        if "operations" in self.__dict__:
            return self.operations[number]
        if number not in self._built:
            self._built[number] = self._build(number, self._nodes.head(number))
        return self._built[number]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Name -> number of the operation, of several the first; ARGUMENT for an argument."""
        found: dict[str, int] = {}
        with enough_memory(self._file):
            for number, node in enumerate(self._nodes.heads()):
                found.setdefault(name_text(node.name), number)
        return found

    def operation(self, name: str) -> Operation:
        """Return the operation of that name; of several the first.

        Raises:
            TensorNotFoundError: there is none; names the nearest.
        """
        found = self.find(name)
        if found is None:
            raise self._not_found(name)
        return found

    def find(self, name: str) -> Operation | None:
        """Return the operation of that name, of several the first; None where there is none."""
        number = self._numbers.get(name, ARGUMENT)
        return None if number == ARGUMENT else self._at(number)

    def of_types(self, types: Iterable[str]) -> list[Operation]:
        """Return the operations whose op is one of `types`, in the order of the file."""
        wanted = {op.encode("utf-8", "surrogateescape") for op in types}
        found = [n for n, node in enumerate(self._nodes.heads()) if node.op in wanted]
        return [self._at(number) for number in found]

    @cached_property
    def op_counts(self) -> dict[str, int]:
        """Name of an op -> how many operations are of it, by name."""
        counts = Counter(node.op for node in self._nodes.heads())
        return dict(sorted((name_text(op), count) for op, count in counts.items()))

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by its name, ``node:index``; ``node`` alone is its first output.

        Raises:
            TensorNotFoundError: no operation is so named, or it has fewer outputs.
            CheckpointError: what says its dtype or shape cannot be decoded.
        """
        node, index = split_name(name)
        return self._tensor(self.operation(node), index or 0, f"{node}:{index or 0}")

    def outputs_of(self, operation: Operation) -> list[Outputs] | None:
        """Return what comes out of an operation; None where its op's definition is not there."""
        definition = self._definitions().get(operation.type)
        if definition is None:
            return None
        last = self._last_outputs
        if last is None or last[0] is not operation:
            with located(self._file), enough_memory(self._file):
                last = self._last_outputs = (operation, outputs_of(operation, definition))
        return last[1]

    def output_count(self, operation: Operation) -> int | None:
        """Return how many tensors come out of an operation; None where that is not known."""
        definition = self._definitions().get(operation.type)
        if definition is None or definition.output_count is not None:
            return None if definition is None else definition.output_count
        counts = [output.number for output in self.outputs_of(operation) or ()]
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
            dtype = dtype_at(outputs, index)
        return Tensor(name, operation, index, dtype, self._shape(operation, index))

    def _shape(self, operation: Operation, index: int) -> PartialShape:
        last = self._last_shapes
        with located(self._file):
            if last is None or last[0] is not operation:
                last = self._last_shapes = (operation, output_shapes(operation.attrs))
            if index < len(last[1]):
                return shape_or_none(last[1][index])
            return stored_shape(operation, index, self._unsure)

    @cached_property
    def _links(self) -> Links:
        return Links(self._nodes, self._numbers, self._naming)

    def consumers(self, name: str) -> tuple[Operation, ...]:
        """Return the operations that take a tensor as an input, in the order of the file."""
        with enough_memory(self._file):
            return tuple(map(self._at, self._links.users.get(self._naming.tensor(name), ())))

    def subgraph(self, outputs: Iterable[str], inputs: Iterable[str] = ()) -> tuple[Operation, ...]:
        """Return the operations that `outputs` need, in the order of the file.

        Args:
            outputs: Names of tensors or operations.
            inputs: Tensors or operations that are given: what is needed for nothing else is left
                out. They are part of the answer where they are needed themselves.

        Raises:
            TensorNotFoundError: one of the names is not there.
        """
        wanted, given = list(outputs), list(inputs)
        for name in (*wanted, *given):
            if self._naming.origin(name) not in self._numbers:
                raise self._not_found(self._naming.origin(name))
        with enough_memory(self._file):
            return tuple(map(self._at, self._links.needed(wanted, given)))

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the graph, a line each; at most 1,000 of them."""
        with enough_memory(self._file):
            found = list(islice(self._defects(), _MOST_PROBLEMS + 1))
        if len(found) > _MOST_PROBLEMS:
            found[-1] = "there are more problems than are listed here"
        return tuple(found)

    def _defects(self) -> Iterator[str]:
        if len(self._numbers) < len(self):
            for name, count in Counter(node.name for node in self._nodes.heads()).items():
                if count > 1:
                    yield f"node {quoted(name)} is there {count} times; the first counts"
        yield from self._links.defects(self._wrong_output)

    def _wrong_output(self, number: int, op: str, text: str) -> str:
        """Say what is wrong with an input that comes from node `number`; "" if nothing is."""
        definition = self._definitions().get(op)
        try:
            if definition is None or self._has_output(definition, number, text):
                return ""
        except CheckpointError as error:
            return f"but {error}"
        return f"but node {quoted(self._naming.origin(text))} has no such output"

    def _has_output(self, definition: OpDefinition, number: int, text: str) -> bool:
        """Tell whether node `number` has the output that an input names."""
        index, count = split_name(text)[1] or 0, definition.output_count
        sizes = [count] if count is not None else self._sizes(definition, number)
        return sizes is None or None in sizes or index < sum(size or 0 for size in sizes)

    def _sizes(self, definition: OpDefinition, number: int) -> list[int | None] | None:
        """Return how many tensors there are for each output that the op of a node defines."""
        if number not in self._known_sizes:
            # An error is told once; after it the sizes are not known.
            self._known_sizes[number] = None
            found = outputs_of(self._at(number), definition)
            self._known_sizes[number] = [output.number for output in found]
        return self._known_sizes[number]

    def _not_found(self, name: str) -> TensorNotFoundError:
        alike = nearest(name, list(self._numbers))
        advice = f"Nearest: {', '.join(alike)}" if alike else None
        problem = f"there is no operation {name!r}"
        return TensorNotFoundError(problem, file=self._file, advice=advice)
