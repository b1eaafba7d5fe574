"""Variables as TensorFlow lists them, each with the key of its value.

Reads no value itself. FORMAT 5.3, 5.4; TensorFlow ``core/framework/variable.proto``.

The lists come from the collections, or from the object graph of a TensorFlow 2 SavedModel, or else
from the nodes. The slices of a partitioned variable are one variable here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tfckpt_reader.errors import CheckpointNotFoundError, TensorNotFoundError
from tfckpt_reader.graph.decode.collections import SliceInfo, VariableDefinition
from tfckpt_reader.graph.decode.operation import (
    VARIABLE_OPS,
    declared_shape,
    output_shapes,
    split_name,
)
from tfckpt_reader.graph.saved_keys import keys_computed_from_variables, whole_shape
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import PartialShape, shape_or_none
from tfckpt_reader.text import quoted, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.graph.decode.operation import Attributes
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.saved_keys import Saved
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
    """Key of its value in the checkpoint; None if the graph does not save it as it is."""
    pieces: tuple[str, ...] = ()
    """Names of the slices of a partitioned variable."""
    computed_keys: tuple[str, ...] = ()
    """Keys of what is saved in its place: values computed from it, such as the weights and biases
    of a CudnnLSTM."""
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
            others = shortened(", ".join(self.computed_keys))
            advice = f"It saves what is computed from it: {others}" if others else None
            raise TensorNotFoundError(
                f"the graph does not save the variable {name} as it is", advice=advice
            )
        return self._read(self.checkpoint_key)


def from_definitions(
    graph: Graph, values: Iterable[Any], saved: Mapping[str, Saved] | None, read: Read | None
) -> tuple[Variable, ...]:
    """Return the variables of a collection.

    Args:
        graph: The graph with their operations.
        values: The values of the collection: definitions, in very old files only names.
        saved: Name of an operation -> what is saved of it; None for a graph that saves nothing: the
            key of a variable is its own name then, TensorFlow's default.
        read: Returns the value of a key.
    """
    groups: dict[str, list[VariableDefinition]] = {}
    for each in values:
        definition = each
        if isinstance(each, str):
            definition = _definition(each)
        if isinstance(definition, VariableDefinition):
            info = definition.slice
            name = definition.variable_name if info is None else info.full_name
            groups.setdefault(name, []).append(definition)
    return tuple(_join(graph, name, group, saved, read) for name, group in groups.items())


def from_nodes(
    graph: Graph, saved: Mapping[str, Saved] | None, read: Read | None
) -> tuple[Variable, ...]:
    """Return the variables of a graph without lists: those that its operations make.

    Args:
        graph: The graph.
        saved: As for `from_definitions`.
        read: The same.
    """
    definitions = []
    for operation in graph.of_types(VARIABLE_OPS):
        each = (saved or {}).get(operation.name)
        whole = None if each is None else whole_shape(each.slice_spec)
        part = None
        if each is not None and whole is not None and None not in whole:
            part = SliceInfo(each.key, tuple(size or 0 for size in whole), (), ())
        definitions.append(_definition(f"{operation.name}:0", part))
    return from_definitions(graph, definitions, saved, read)


def with_computed_keys(
    graph: Graph,
    variables: tuple[Variable, ...],
    saved: Iterable[Saved],
    direct: Container[str],
) -> tuple[Variable, ...]:
    """Add the keys of what is saved in place of variables; arguments as for `saved_keys`."""
    if all(each.checkpoint_key is not None for each in variables):
        return variables
    computed = keys_computed_from_variables(graph, saved, direct)
    return tuple(
        each
        if each.checkpoint_key is not None
        else replace(each, computed_keys=tuple(computed.get(graph.origin(each.name), ())))
        for each in variables
    )


def _definition(name: str, part: SliceInfo | None = None) -> VariableDefinition:
    return VariableDefinition(name, "", "", "", is_resource=False, trainable=False, slice=part)


def _shape_of(op: str, attrs: Attributes) -> PartialShape:
    """Return the shape of a variable by its attributes; old graphs have that of a scalar aside."""
    shape = declared_shape(op, attrs)
    if shape is None and op != "VarHandleOp":  # the output of that one is a handle
        shape = next(map(shape_or_none, output_shapes(attrs)), None)
    return shape


def _join(
    graph: Graph,
    name: str,
    group: list[VariableDefinition],
    saved: Mapping[str, Saved] | None,
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
        dtype, shape = attrs.get("dtype"), _shape_of(operation.type, attrs)
    default = node if info is None else info.full_name
    stored = None if saved is None else saved.get(node)
    return Variable(
        name,
        dtype if isinstance(dtype, DataType) else None,
        shape if info is None else info.full_shape,
        first.initializer_name,
        "" if operation is None else operation.device,
        default if saved is None else stored and stored.key,
        () if info is None else tuple(each.variable_name for each in group),
        _read=read,
    )


def from_objects(saved: Iterable[SavedVariable], read: Read | None) -> tuple[Variable, ...]:
    """Return the variables of an object graph, which has the names of their operations."""
    return tuple(
        Variable(
            f"{split_name(each.name)[0]}:0",
            each.dtype,
            each.shape,
            "",
            each.device,
            each.key,
            _read=read,
        )
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


class Listed(Protocol):
    """Lists variables: a `MetaGraph`."""

    @property
    def trainable_variables(self) -> Iterable[Variable]:
        """Those that training changes."""

    @property
    def global_variables(self) -> Iterable[Variable]:
        """All but local ones."""


def saved_values(
    graph: Listed | None, path: str, *, trainable: bool
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and value of the variables saved as they are: see `Checkpoint.variables`.

    Args:
        graph: Lists them; None without a graph, which is an error.
        path: The file that should hold the graph.
        trainable: Only trainable variables.
    """
    if graph is None:
        raise CheckpointNotFoundError(
            "there is no graph beside the checkpoint to list its variables",
            file=path,
            advice="Copy the .meta file too, or list all tensors instead",
        )
    for variable in graph.trainable_variables if trainable else graph.global_variables:
        if variable.checkpoint_key is not None:
            yield variable.name, variable.value()
