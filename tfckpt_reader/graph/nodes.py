"""Nodes and the definitions of their ops: what goes in, what comes out.

Rank 7: sees one node at a time. FORMAT 5.1, 5.5; TensorFlow ``core/framework/node_def.proto``,
``op_def.proto``.

How many outputs a node has, and of what dtype, is said by the definition of its op, which the
writer stores in the file. Without it nothing is known, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.graph.attributes import (
    Attributes,
    PartialShape,
    decode_attribute,
    name_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_INDEX = 10
_MOST_OUTPUTS = 1 << 31
# Ops whose first output is the tensor that one of their attributes describes.
_SHAPED_BY_SHAPE = {"Placeholder", "PlaceholderWithDefault", "PlaceholderV2"} | {
    "Variable",
    "VariableV2",
    "AutoReloadVariable",
    "TemporaryVariable",
}
VARIABLE_OPS = {"Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"}
"""Ops that make a variable; their attributes say its dtype and shape."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A node of a graph."""

    name: str
    type: str
    """Name of its op."""
    inputs: tuple[str, ...]
    """Tensors, as ``node:index``; in a function ``argument`` or ``node:output:index``."""
    control_inputs: tuple[str, ...]
    """Names of operations that must have run before."""
    device: str
    attrs: Attributes


class Argument(NamedTuple):
    """An input or output of an op: one tensor, or a list of them."""

    name: str
    dtype: DataType | None
    """None where an attribute says it."""
    type_attr: str
    number_attr: str
    """Attribute with the length of a list of one dtype."""
    type_list_attr: str
    """Attribute with the dtypes of a list of several."""
    is_ref: bool


@dataclass(frozen=True, slots=True)
class OpDefinition:
    """What an op, or a function, takes and gives."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    defaults: Mapping[str, bytes]
    """Attribute -> its default, as the bytes of an AttrValue."""

    @classmethod
    def of(cls, message: Any) -> OpDefinition:
        """Take over an Op message."""
        return cls(
            name_text(message.name),
            tuple(map(_argument, message.input_arg)),
            tuple(map(_argument, message.output_arg)),
            {
                name_text(attr.name): attr.default_value
                for attr in message.attr
                if attr.HasField("default_value")
            },
        )


def _argument(message: Any) -> Argument:
    return Argument(
        name_text(message.name),
        data_type(message.type) if message.type else None,
        name_text(message.type_attr),
        name_text(message.number_attr),
        name_text(message.type_list_attr),
        message.is_ref,
    )


class Outputs(NamedTuple):
    """The tensors that come out for one output of the definition."""

    name: str
    number: int | None
    """None where it is not known."""
    dtypes: tuple[DataType | None, ...]
    """One for all of them, or one for each."""


def outputs_of(operation: Operation, definition: OpDefinition) -> list[Outputs]:
    """Return what comes out of a node, output by output.

    Raises:
        CheckpointError: an attribute that says so cannot be decoded; it names the node.
    """
    return [_outputs(operation.attrs, definition, argument) for argument in definition.outputs]


def _outputs(attrs: Attributes, definition: OpDefinition, argument: Argument) -> Outputs:
    def value(name: str) -> Any:
        if name in attrs:
            return attrs[name]
        default = definition.defaults.get(name)
        return None if default is None else decode_attribute(default)

    if argument.type_list_attr:
        dtypes = value(argument.type_list_attr)
        if not isinstance(dtypes, list) or not all(isinstance(d, DataType) for d in dtypes):
            return Outputs(argument.name, None, (None,))
        return Outputs(argument.name, len(dtypes), tuple(_ref(d, argument) for d in dtypes))
    dtype = argument.dtype or (value(argument.type_attr) if argument.type_attr else None)
    if not isinstance(dtype, DataType):
        dtype = None
    count: Any = 1
    if argument.number_attr:
        count = value(argument.number_attr)
        if not isinstance(count, int) or not 0 <= count < _MOST_OUTPUTS:
            count = None
    return Outputs(argument.name, count, (_ref(dtype, argument),))


def _ref(dtype: DataType | None, argument: Argument) -> DataType | None:
    if dtype is None or not argument.is_ref:
        return dtype
    return data_type(dtype + REFERENCE_OFFSET)


def stored_shape(operation: Operation, index: int) -> tuple[bool, PartialShape]:
    """Return whether the file tells the shape of an output, and that shape.

    Raises:
        CheckpointError: an attribute cannot be decoded; it names the node.
    """
    attrs = operation.attrs
    if "_output_shapes" in attrs:
        shapes = attrs["_output_shapes"]
        if isinstance(shapes, list) and index < len(shapes):
            shape = shapes[index]
            return shape is not None, shape if isinstance(shape, tuple) else None
    if index == 0 and operation.type in _SHAPED_BY_SHAPE and "shape" in attrs:
        shape = attrs["shape"]
        return isinstance(shape, tuple), shape if isinstance(shape, tuple) else None
    if index == 0 and operation.type == "Const" and "value" in attrs:
        return True, getattr(attrs["value"], "shape", None)
    return False, None


def attribute_of(operation: Operation | None, name: str, kind: type) -> Any:
    """Return an attribute of that kind; None where there is none or it cannot be read."""
    try:
        value = None if operation is None else operation.attrs.get(name)
    except CheckpointError:
        return None
    return value if isinstance(value, kind) else None


def known_shape(operation: Operation) -> PartialShape:
    """Return the shape of the first output, but of a constant; None where nothing tells it."""
    try:
        return None if operation.type == "Const" else stored_shape(operation, 0)[1]
    except CheckpointError:
        return None


def decode_operation(data: bytes, *, in_function: bool, file: str) -> Operation:
    """Decode a Node message of a file.

    Raises:
        CorruptCheckpointError: it is none.
    """
    node = parse("Node", data)
    name = name_text(node.name)
    inputs, controls = [], []
    for text in map(name_text, node.input):
        if text.startswith("^"):
            controls.append(text[1:])
        else:
            inputs.append(text if in_function else tensor_name(text))
    return Operation(
        name,
        name_text(node.op),
        tuple(inputs),
        tuple(controls),
        name_text(node.device),
        Attributes(node.attr, f"node {name!r}", file),
    )


def tensor_name(text: str) -> str:
    """Return ``x:0`` for ``x``, and a name with an index as it is."""
    return text if split_name(text)[1] is not None else f"{text}:0"


def split_name(text: str) -> tuple[str, int | None]:
    """Return the node and the output index in ``x:1``; None where there is no index."""
    node, _, digits = text.rpartition(":")
    if node and digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_INDEX:
        return node, int(digits)
    return text, None


def decode_definitions(data: bytes) -> dict[str, OpDefinition]:
    """Decode an OpList: name of an op -> its definition."""
    found = (OpDefinition.of(op) for op in parse("OpList", data).op)
    return {definition.name: definition for definition in found}


def require_node(data: bytes, number: int, *, in_function: bool, file: str) -> Operation:
    """Decode node `number` of a graph; an error says which it was."""
    try:
        return decode_operation(data, in_function=in_function, file=file)
    except CorruptCheckpointError as error:
        error.structure = f"node {number}"
        raise
