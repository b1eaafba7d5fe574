"""Variables as TensorFlow lists them, each with the key of its value.

Reads no value itself. FORMAT 5.3, 5.4; TensorFlow ``core/framework/variable.proto``.

The lists come from the collections, or from the object graph of a TensorFlow 2 SavedModel. The
slices of a partitioned variable are one variable here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.decode.collections import VariableDefinition
from tfckpt_reader.graph.decode.operation import declared_shape, split_name
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import PartialShape
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.objects.saved_objects import SavedVariable

Read: TypeAlias = "Callable[[str], NDArray[Any]]"
"""Returns the value of a key."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a model."""

    name: str
    """As TensorFlow prints it: ``scope/w:0``; the full name of a partitioned one."""
    dtype: DataType | None
    """None if unknown."""
    shape: PartialShape
    """Sizes, None for an unknown one; None for an unknown rank."""
    initializer: str
    """The operation that sets the initial value, or ""."""
    device: str
    checkpoint_key: str | None
    """Key of its value in the checkpoint; None if the graph does not save it."""
    pieces: tuple[str, ...] = ()
    """Names of the slices of a partitioned variable."""
    _read: Read | None = field(default=None, repr=False, compare=False)

    def value(self) -> NDArray[Any]:
        """Return its value, as ``ckpt[variable.checkpoint_key]`` does.

        Raises:
            ValueError: the graph was not opened through a checkpoint.
            TensorNotFoundError: the graph does not save it, or this checkpoint lacks it.
            CheckpointError: the value cannot be read.
        """
        name = quoted(self.name)
        if self._read is None:
            raise ValueError(
                f"the value of {name} is in a checkpoint: use tfckpt_reader.open(…).meta_graph"
            )
        if self.checkpoint_key is None:
            raise TensorNotFoundError(f"the graph does not save the variable {name}")
        return self._read(self.checkpoint_key)


def from_definitions(
    graph: Graph, values: Iterable[Any], keys: Mapping[str, str] | None, read: Read | None
) -> tuple[Variable, ...]:
    """Return the variables of a collection.

    Args:
        graph: The graph with their operations.
        values: The values of the collection: definitions, in very old files only names.
        keys: Name of an operation -> key; None for a graph that saves nothing: the key of a
            variable is its own name then, TensorFlow's default.
        read: Returns the value of a key.
    """
    groups: dict[str, list[VariableDefinition]] = {}
    for each in values:
        definition = each
        if isinstance(each, str):
            definition = VariableDefinition(
                each, "", "", "", is_resource=False, trainable=False, slice=None
            )
        if isinstance(definition, VariableDefinition):
            info = definition.slice
            name = definition.variable_name if info is None else info.full_name
            groups.setdefault(name, []).append(definition)
    return tuple(_join(graph, name, group, keys, read) for name, group in groups.items())


def _join(
    graph: Graph,
    name: str,
    group: list[VariableDefinition],
    keys: Mapping[str, str] | None,
    read: Read | None,
) -> Variable:
    """Return one variable, of its only definition or of those of its slices."""
    first = group[0]
    node = split_name(first.variable_name)[0]
    info = first.slice
    operation = graph.find(node)
    dtype: Any = None
    shape: PartialShape = None
    if operation is not None:
        attrs = operation.attrs
        dtype, shape = attrs.get("dtype"), declared_shape(operation.type, attrs)
    default = node if info is None else info.full_name
    return Variable(
        name,
        dtype if isinstance(dtype, DataType) else None,
        shape if info is None else info.full_shape,
        first.initializer_name,
        "" if operation is None else operation.device,
        default if keys is None else keys.get(node),
        () if info is None else tuple(each.variable_name for each in group),
        read,
    )


def from_objects(saved: Iterable[SavedVariable], read: Read | None) -> tuple[Variable, ...]:
    """Return the variables of an object graph."""
    return tuple(
        Variable(each.name, each.dtype, each.shape, "", each.device, each.key, (), read)
        for each in saved
    )


def keys_of_collections(
    variables_of: Callable[[str], Iterable[Variable]],
) -> dict[str, frozenset[str]]:
    """Return the keys of the variables in each collection that tells their use."""
    return {
        name: frozenset(each.checkpoint_key for each in listed if each.checkpoint_key is not None)
        for name in ("trainable_variables", "global_step")
        if (listed := tuple(variables_of(name)))
    }
