"""Variables as TensorFlow would list them, each with the key of its value.

Reads no value itself. FORMAT 5.3, 5.4; TensorFlow ``core/framework/variable.proto``.

Which list a variable is on is told by the collections, or by the object graph of a SavedModel of
TensorFlow 2. The pieces of a partitioned variable are one variable here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.decode.operation import declared_shape, split_name
from tfckpt_reader.graph.decode.tf1_values import VariableDefinition
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import PartialShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.objects.object_graph import SavedVariable

Read: TypeAlias = "Callable[[str], NDArray[Any]]"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a model."""

    name: str
    """As TensorFlow prints it: ``scope/w:0``, of a partitioned one its full name."""
    dtype: DataType | None
    """None where the graph does not say it."""
    shape: PartialShape
    """Sizes, None for an unknown one; None where not even the rank is known."""
    initializer: str
    """The operation that sets its first value; "" where there is none."""
    device: str
    checkpoint_key: str | None
    """Name of its value in the checkpoint; None where the graph saves it nowhere."""
    pieces: tuple[str, ...] = ()
    """Names of the pieces of a partitioned variable."""
    _read: Read | None = field(default=None, repr=False, compare=False)

    def value(self) -> NDArray[Any]:
        """Return its value, as ``ckpt[variable.checkpoint_key]`` does.

        Raises:
            ValueError: the graph was not opened through a checkpoint.
            TensorNotFoundError: it is not saved, or not in this checkpoint.
            CheckpointError: its value cannot be read.
        """
        if self._read is None:
            raise ValueError(
                f"the value of {self.name} is in a checkpoint: use tfckpt_reader.open(…).meta_graph"
            )
        if self.checkpoint_key is None:
            raise TensorNotFoundError(f"the graph does not save the variable {self.name!r}")
        return self._read(self.checkpoint_key)


class KeyDifference(NamedTuple):
    """Where what a graph saves and what a checkpoint holds differ."""

    missing: tuple[str, ...]
    """Keys that the graph expects and the checkpoint has not got."""
    unexpected: tuple[str, ...]
    """Keys of the checkpoint that the graph says nothing of."""


def from_definitions(
    graph: Graph, definitions: Iterable[Any], keys: Mapping[str, str] | None, read: Read | None
) -> tuple[Variable, ...]:
    """Return the variables of a collection.

    Args:
        graph: Where their operations are.
        definitions: What the collection holds; in very old files only names.
        keys: Name of an operation -> key; None where the graph saves nothing at all, so that
            only the default is left: the variable's own name.
        read: Reads the value of a key.
    """
    groups: dict[str, list[VariableDefinition]] = {}
    for each in definitions:
        definition = _named(each) if isinstance(each, str) else each
        if isinstance(definition, VariableDefinition):
            piece = definition.slice
            name = piece.full_name if piece is not None else definition.variable_name
            groups.setdefault(name, []).append(definition)
    return tuple(_join(graph, name, group, keys, read) for name, group in groups.items())


def _named(name: str) -> VariableDefinition:
    return VariableDefinition(name, "", "", "", is_resource=False, trainable=False, slice=None)


def _join(
    graph: Graph,
    name: str,
    group: list[VariableDefinition],
    keys: Mapping[str, str] | None,
    read: Read | None,
) -> Variable:
    first = group[0]
    node = split_name(first.variable_name)[0]
    piece = first.slice
    operation = graph.find(node)
    dtype, shape = _declared(operation)
    default = piece.full_name if piece is not None else node
    return Variable(
        name,
        dtype,
        piece.full_shape if piece is not None else shape,
        first.initializer_name,
        operation.device if operation is not None else "",
        default if keys is None else keys.get(node),
        tuple(each.variable_name for each in group) if piece is not None else (),
        read,
    )


def _declared(operation: Operation | None) -> tuple[DataType | None, PartialShape]:
    """Return the dtype and the shape that the operation of a variable has as attributes."""
    if operation is None:
        return None, None
    attrs = operation.attrs
    dtype = attrs.get("dtype")
    known = dtype if isinstance(dtype, DataType) else None
    return known, declared_shape(operation.type, attrs)


def from_objects(saved: Iterable[SavedVariable], read: Read | None) -> tuple[Variable, ...]:
    """Return the variables of an object graph."""
    return tuple(
        Variable(each.name, each.dtype, each.shape, "", each.device, each.key, (), read)
        for each in saved
    )
