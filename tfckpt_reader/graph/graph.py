"""A graph: operations by name, tensors, consumers, subgraphs and problems.

Knows no file. FORMAT 5.5; TensorFlow ``core/framework/graph.proto``, ``function.proto``.

Everything is decoded on demand: a user may read one of millions of nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError, dataclass
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, TensorNotFoundError, enough_memory, located
from tfckpt_reader.graph.connectivity import ARGUMENT, Connectivity, Edges
from tfckpt_reader.graph.decode.op_defs import OpDefinition, Outputs, dtype_at, outputs_of
from tfckpt_reader.graph.decode.operation import (
    UNKNOWN_RANK_OPS,
    Operation,
    decode_operation,
    output_shapes,
    split_name,
    stored_shape,
    tensor_name,
)
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import shape_or_none
from tfckpt_reader.text import nearest, quoted

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
    """Index among the outputs or arguments; None if the file does not define it."""
    dtype: DataType | None
    """None if the file does not define it."""
    shape: PartialShape
    """Sizes, None for an unknown one; None for an unknown rank."""


class Graph:
    """Operations, in the order of the file, decoded on demand.

    Args:
        nodes: The stored nodes.
        definitions: Returns name of an op -> its definition.

    Attributes:
        file: Path of its file.
        messages: The stored bytes of each node, by number.
        unknown_rank_ops: Ops with an unknown rank if their shape has no dimensions.
    """

    _frozen = False
    _canonical = staticmethod(tensor_name)

    def __init__(
        self, nodes: StoredNodes, definitions: Callable[[], Mapping[str, OpDefinition]]
    ) -> None:
        self.messages = nodes
        self._definitions = definitions
        self.file = nodes.file
        self.unknown_rank_ops: Collection[str] = UNKNOWN_RANK_OPS
        self._built: dict[int, Operation] = {}
        self._word = cache(name_text)
        # An op may have thousands of outputs: attributes about all are decoded once, not for each.
        self._last_outputs: tuple[Operation, list[Outputs]] | None = None
        self._last_shapes: tuple[Operation, list[Any]] | None = None
        self._sound: set[tuple[str, str]] = set()
        """Ops, and outputs that all nodes of them have."""
        self._known_sizes: dict[int, list[int | None] | None] = {}

    def __setattr__(self, name: str, value: object) -> None:
        if self._frozen and not name.startswith("_"):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super().__setattr__(name, value)

    @staticmethod
    def origin(text: str) -> str:
        """Return the operation, or the argument, of a tensor."""
        return split_name(text)[0]

    def __len__(self) -> int:
        return len(self.messages)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """All operations.

        Raises:
            CorruptCheckpointError: a node is damaged; names it.
            UnsupportedError: they do not fit into memory.
        """
        with enough_memory(self.file):
            numbered = enumerate(self.messages.headers())
            return tuple([self._built.get(n) or self._build(n, node) for n, node in numbered])

    def _build(self, number: int, node: Any) -> Operation:
        return decode_operation(node, self.messages, number, self._word, self._canonical)

    def at(self, number: int) -> Operation:
        """Return an operation by its number, always the same object, without decoding any other."""
        if "operations" in self.__dict__:
            return self.operations[number]
        if number not in self._built:
            self._built[number] = self._build(number, self.messages.header(number))
        return self._built[number]

    @cached_property
    def names(self) -> list[str]:
        """The name of each operation."""
        with enough_memory(self.file):
            return [name_text(node.name) for node in self.messages.headers()]

    @cached_property
    def types(self) -> list[str]:
        """The op of each operation."""
        with enough_memory(self.file):
            return [self._word(node.op) for node in self.messages.headers()]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Name -> number of the first operation with it; ARGUMENT for an argument."""
        numbers: dict[str, int] = {}
        with enough_memory(self.file):
            for number, name in enumerate(self.names):
                numbers.setdefault(name, number)
        return numbers

    def number_of(self, name: str) -> int | None:
        """Return the number of the first operation with that name, or None."""
        number = self._numbers.get(name, ARGUMENT)
        return None if number == ARGUMENT else number

    def shared_name(self, text: str) -> str:
        """Return a text, as the object in `names` if it is the name of an operation."""
        number = self._numbers.get(text, ARGUMENT)
        return text if number == ARGUMENT else self.names[number]

    def operation(self, name: str) -> Operation:
        """Return the first operation with that name.

        Raises:
            TensorNotFoundError: none has it; suggests the nearest names.
        """
        operation = self.find(name)
        if operation is None:
            raise self._not_found(name)
        return operation

    def find(self, name: str) -> Operation | None:
        """Return the first operation with that name, or None."""
        number = self.number_of(name)
        return None if number is None else self.at(number)

    def of_types(self, types: Iterable[str]) -> list[Operation]:
        """Return the operations with an op in `types`, in the order of the file."""
        wanted = frozenset(types)
        return [self.at(number) for number, op in enumerate(self.types) if op in wanted]

    def passing(self, types: Iterable[str]) -> Iterator[Operation]:
        """Yield the operations of `of_types` without keeping any: there may be very many."""
        wanted = frozenset(types)
        return (
            self._build(number, node)
            for number, node in enumerate(self.messages.headers())
            if self._word(node.op) in wanted
        )

    @cached_property
    def op_counts(self) -> dict[str, int]:
        """Name of an op -> number of operations with it, by name."""
        return dict(sorted(Counter(self.types).items()))

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by its name, ``node:index``; ``node`` alone is its first output.

        Raises:
            TensorNotFoundError: no operation has that name, or it has fewer outputs.
            CheckpointError: an attribute with its dtype or shape is damaged.
        """
        node, index = split_name(name)
        return self._tensor(self.operation(node), index or 0, f"{node}:{index or 0}")

    def outputs_of(self, operation: Operation) -> list[Outputs] | None:
        """Return the outputs of an operation; None without a definition of its op."""
        definition = self._definitions().get(operation.type)
        if definition is None:
            return None
        last = self._last_outputs
        if last is None or last[0] is not operation:
            with located(self.file), enough_memory(self.file):
                last = self._last_outputs = (operation, outputs_of(operation, definition))
        return last[1]

    def output_count(self, operation: Operation) -> int | None:
        """Return the number of output tensors of an operation; None if unknown."""
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
                    f"operation {quoted(operation.name)} has no output {index}",
                    file=self.file,
                    expected=f"an output below {count}",
                )
            dtype = dtype_at(outputs, index)
        return Tensor(name, operation, index, dtype, self._shape(operation, index))

    def _shape(self, operation: Operation, index: int) -> PartialShape:
        last = self._last_shapes
        with located(self.file):
            if last is None or last[0] is not operation:
                last = self._last_shapes = (operation, output_shapes(operation.attrs))
            if index < len(last[1]):
                return shape_or_none(last[1][index])
            return stored_shape(operation, index, self.unknown_rank_ops)

    @cached_property
    def _connectivity(self) -> Connectivity:
        return Connectivity(self.messages, self._numbers, self.origin, self._canonical)

    @property
    def sources(self) -> Edges:
        """The numbers of the operations with the input tensors of each, in order, each once."""
        with enough_memory(self.file):
            return self._connectivity.edges[0]

    def consumers(self, name: str) -> tuple[Operation, ...]:
        """Return the operations with a tensor as an input, in the order of the file."""
        with enough_memory(self.file):
            users = self._connectivity.users.get(self._canonical(name), ())
            return tuple(map(self.at, users))

    def subgraph(self, outputs: Iterable[str], inputs: Iterable[str] = ()) -> tuple[Operation, ...]:
        """Return the operations that `outputs` depend on, in the order of the file.

        Args:
            outputs: Names of tensors or operations.
            inputs: Tensors or operations with given values: operations needed only for them are
                left out. They themselves are in the answer where they are needed.

        Raises:
            TensorNotFoundError: the graph lacks one of the names.
        """
        with enough_memory(self.file):
            return tuple(map(self.at, self.needed(outputs, inputs)))

    def needed(self, outputs: Iterable[str], inputs: Iterable[str] = ()) -> list[int]:
        """Return the numbers of the operations in a `subgraph`."""
        wanted, given = list(outputs), list(inputs)
        for name in map(self.origin, (*wanted, *given)):
            if name not in self._numbers:
                raise self._not_found(name)
        return self._connectivity.needed(wanted, given)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Defects of the graph, a line each; at most 1,000 of them."""
        with enough_memory(self.file):
            defects = list(islice(self._defects(), _MOST_PROBLEMS + 1))
        if len(defects) > _MOST_PROBLEMS:
            defects[-1] = "there are more problems than are listed here"
        return tuple(defects)

    def _defects(self) -> Iterator[str]:
        if len(self._numbers) < len(self):
            for name, count in Counter(self.names).items():
                if count > 1:
                    yield f"node {quoted(name)} is there {count} times; the first counts"
        yield from self._connectivity.defects(self.types, self._has_first, self._wrong_output)

    def _has_first(self, op: str) -> bool:
        """Return whether all operations with an op have an output, as far as the file says."""
        definition = self._definitions().get(op)
        return definition is None or bool(definition.output_count)

    def _wrong_output(self, number: int, op: str, text: str) -> str:
        """Return the defect of an input from node `number`, or ""."""
        definition = self._definitions().get(op)
        kind = op, text.partition(":")[2]
        if definition is None or kind in self._sound:
            return ""
        try:
            if self._has_output(definition, number, text):
                # With lists among its outputs, it depends on the node.
                self._sound.update([] if definition.output_count is None else [kind])
                return ""
        except CheckpointError as error:
            return f"but {error}"
        return f"but node {quoted(self.origin(text))} has no such output"

    def _has_output(self, definition: OpDefinition, number: int, text: str) -> bool:
        """Return whether node `number` has the output named by an input."""
        index, count = split_name(text)[1] or 0, definition.output_count
        sizes = [count] if count is not None else self._sizes(definition, number)
        return sizes is None or None in sizes or index < sum(size or 0 for size in sizes)

    def _sizes(self, definition: OpDefinition, number: int) -> list[int | None] | None:
        """Return the number of tensors for each output in the definition of a node's op."""
        if number not in self._known_sizes:
            # After an error, reported once, the sizes are unknown.
            self._known_sizes[number] = None
            outputs = outputs_of(self.at(number), definition)
            self._known_sizes[number] = [output.number for output in outputs]
        return self._known_sizes[number]

    def _not_found(self, name: str) -> TensorNotFoundError:
        alike = nearest(name, list(self._numbers))
        advice = f"Nearest: {', '.join(alike)}" if alike else None
        problem = f"there is no operation {quoted(name)}"
        return TensorNotFoundError(problem, file=self.file, advice=advice)
