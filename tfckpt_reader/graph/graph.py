"""A graph: its operations, the tensors between them, and what leads where.

Rank 7: knows no variable, no signature and no file. FORMAT 5.5.

A function of the library is a graph too, with arguments and results. Nothing here recurses, and
nothing trusts that a name means something: what names nothing is listed by `problems`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tfckpt_reader._protos import parse
from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import TensorNotFoundError, count_of
from tfckpt_reader.graph.attributes import NOWHERE, Attrs, Place, Shape, shape_of
from tfckpt_reader.graph.names import full_input, output_number, producer_of
from tfckpt_reader.graph.nodes import Operation, Operations
from tfckpt_reader.graph.op_defs import (
    Argument,
    OpDef,
    OutputGroup,
    output_groups,
    require_listable,
    well_known,
)

if TYPE_CHECKING:
    from typing_extensions import Self

_PLACEHOLDER_SCALARS = 22
"""Producer version from which a placeholder's shape ``[]`` means a scalar; before: unknown."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What comes out of an operation, or goes into a function."""

    name: str
    """``conv1/Conv2D:0``; in a function ``split:output:1`` or the name of an argument."""
    operation: Operation | None
    """Where it comes from; None for an argument of a function."""
    index: int
    """Which output of the operation, or which argument, it is."""
    dtype: DataType | None
    """None where nothing in the file tells."""
    shape: Shape
    """Sizes per axis, None for an unknown one; None where nothing in the file tells."""
    is_ref: bool = False
    """Whether it is the variable itself, not a copy of its value."""


class Graph:
    """A graph of operations. Made by `read_meta_graph`.

    Args:
        operations: Its operations.
        definition: Op type -> its definition as the file has it, or None.
        place: Where it stands.
        producer: Version of TensorFlow's that wrote it, as TensorFlow counts for graphs.
    """

    in_function = False

    def __init__(
        self,
        operations: Operations,
        definition: Callable[[str], OpDef | None] = well_known,
        place: Place = NOWHERE,
        producer: int = 0,
    ) -> None:
        self.operations = operations
        self._definition = definition
        self._place = place
        self._producer = producer

    def operation(self, name: str) -> Operation:
        """Return the operation of a name.

        Raises:
            TensorNotFoundError: there is none; names the nearest.
        """
        return self.operations.named(name)

    def tensor(self, name: str) -> Tensor:
        """Return what is known of a tensor such as ``x:0``; a plain ``x`` is its output 0.

        Raises:
            TensorNotFoundError: no operation has that name, or it has no such output.
            CorruptCheckpointError: what the file says of it cannot be right.
        """
        full = full_input(name)
        node, _, text = full.rpartition(":")
        index = output_number(text)
        if index is None:
            raise self._no_tensor(name, "a tensor is named like x:0")
        return self._output(self.operation(node), index, full)

    def outputs(self, operation: Operation | str) -> tuple[Tensor, ...] | None:
        """Return the outputs of an operation; None where nothing in the file tells how many."""
        if isinstance(operation, str):
            operation = self.operation(operation)
        groups = self.output_groups(operation)
        if groups is None:
            return None
        require_listable(count := sum(group.count for group in groups))
        return tuple([self._output(operation, i, f"{operation.name}:{i}") for i in range(count)])

    def output_groups(self, operation: Operation) -> list[OutputGroup] | None:
        """Return an operation's declared outputs; None where its op is defined nowhere."""
        definition = self._definition(operation.type)
        if definition is None:
            return None
        place = Place(self._place.file, f"node {operation.name!r}")
        return output_groups(definition, operation.attrs, place)

    def _output(self, operation: Operation, index: int, name: str) -> Tensor:
        groups = self.output_groups(operation)
        dtype, is_ref, left = None, False, index
        for group in groups or ():
            if left < group.count:
                dtype, is_ref = group.dtype(left), group.is_ref
                break
            left -= group.count
        else:
            if groups is not None:
                has = count_of(index - left, "output")
                raise self._no_tensor(name, f"operation {operation.name!r} has {has}")
        return Tensor(name, operation, index, dtype, self._shape(operation, index), is_ref)

    def _shape(self, operation: Operation, index: int) -> Shape:
        """Return the shape that the file stores for an output; nothing is inferred."""
        attrs = operation.attrs
        if "_output_shapes" in attrs:
            shapes = attrs["_output_shapes"]
            return shapes[index] if isinstance(shapes, tuple) and index < len(shapes) else None
        if index or operation.type not in _SHAPED:
            return None
        if operation.type == "Const":
            return constant_shape(attrs)
        shape = attrs.get("shape")
        if operation.type == "Placeholder" and self._producer < _PLACEHOLDER_SCALARS:
            shape = shape or None
        return shape if isinstance(shape, tuple) else None

    def _no_tensor(self, name: str, why: str) -> TensorNotFoundError:
        return TensorNotFoundError(f"there is no tensor {name!r}: {why}", file=self._place.file)

    def consumers(self, tensor: Tensor | str) -> tuple[Operation, ...]:
        """Return the operations that a tensor goes into, in the graph's order."""
        name = tensor.name if isinstance(tensor, Tensor) else tensor
        name = full_input(name, in_function=self.in_function)
        return tuple([self.operations[i] for i in self._consumers.get(name, ())])

    @cached_property
    def _consumers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for position, (tensors, _) in enumerate(self.operations.inputs()):
            for name in dict.fromkeys(tensors):
                found.setdefault(name, []).append(position)
        return found

    @cached_property
    def sources(self) -> list[list[int]]:
        """Per operation, the positions of those it takes something from, or waits for."""
        position = self.operations.position
        found = []
        for tensors, controls in self.operations.inputs():
            names = dict.fromkeys([*map(producer_of, tensors), *controls])
            found.append([p for name in names if (p := position(name)) is not None])
        return found

    def subgraph(self, outputs: str | Sequence[str], inputs: str | Sequence[str] = ()) -> Self:
        """Return the operations that the outputs need, down to the inputs, in the graph's order.

        Args:
            outputs: Names of operations or of tensors.
            inputs: The same; what only they need is left out, they themselves are not.

        Raises:
            TensorNotFoundError: one of them is not in the graph.
        """
        stops = set(self._positions(inputs))
        waiting = self._positions(outputs)
        needed = set(waiting)
        while waiting:
            here = waiting.pop()
            if here in stops:
                continue
            for source in self.sources[here]:
                if source not in needed:
                    needed.add(source)
                    waiting.append(source)
        raw = self.operations.raw
        chosen = [raw[position] for position in sorted(needed)]
        nodes = Operations(chosen, self._place, in_function=self.in_function)
        return self._like(nodes)

    def _positions(self, names: str | Sequence[str]) -> list[int]:
        listed = [names] if isinstance(names, str) else names
        found = []
        for name in listed:
            position = self.operations.position(producer_of(name))
            if position is None:
                self.operations.named(producer_of(name))  # raises
            else:
                found.append(position)
        return found

    def _like(self, operations: Operations) -> Self:
        other = copy(self)
        other.__dict__.pop("_consumers", None)
        other.__dict__.pop("sources", None)
        other.operations = operations
        return other

    def __len__(self) -> int:
        return len(self.operations)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {count_of(len(self), 'operation')}>"


_SHAPED = (
    "Placeholder",
    "Const",
    "Variable",
    "VariableV2",
    "PlaceholderV2",
    "PlaceholderWithDefault",
)


def constant_shape(attrs: Attrs) -> Shape:
    """Return the shape of a Const without decoding its values."""
    tensor = attrs.tensor_proto("value")
    if not tensor:
        return None
    return shape_of(parse("TensorHead", tensor).tensor_shape)


class Function(Graph):
    """A function of the library, as a graph with arguments and results.

    Attributes:
        name: What nodes call it by.
        arguments: What goes in.
        results: What comes out, as declared.
        returns: Result -> the tensor in the body that it is.
        attrs: The function's own attributes.
    """

    in_function = True
    name: str
    arguments: tuple[Argument, ...]
    results: tuple[Argument, ...]
    returns: Mapping[str, str]
    attrs: Attrs

    def tensor(self, name: str) -> Tensor:
        """Return what is known of a tensor of the body: ``node:output:k``, or an argument."""
        for position, argument in enumerate(self.arguments):
            if argument.name == name:
                return Tensor(name, None, position, argument.dtype, None, argument.is_ref)
        node, _, rest = name.partition(":")
        operation = self.operation(node)
        declared, _, text = rest.partition(":")
        index = output_number(text)
        if index is None:
            raise self._no_tensor(name, "a tensor of a function is named like node:output:0")
        groups = self.output_groups(operation)
        if groups is None:
            return Tensor(name, operation, index, None, None)
        before = 0
        for group in groups:
            if group.name == declared and index < group.count:
                return self._output(operation, before + index, name)
            before += group.count
        raise self._no_tensor(name, f"operation {node!r} has no such output")

    def _positions(self, names: str | Sequence[str]) -> list[int]:
        listed = [names] if isinstance(names, str) else names
        own = {argument.name for argument in self.arguments}
        return super()._positions([name for name in listed if name not in own])
