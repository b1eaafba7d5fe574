"""Nodes and the definitions of their ops: what goes in, what comes out.

Rank 7: sees one node at a time. FORMAT 5.1, 5.5; TensorFlow ``core/framework/node_def.proto``,
``op_def.proto``.

How many outputs a node has, and of what dtype, is said by the definition of its op, which the
writer stores in the file. Without it nothing is known, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.attributes import (
    Attributes,
    PartialShape,
    decode_attribute,
    name_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tfckpt_reader.graph.stored import StoredNodes

_LONGEST_INDEX = 10
_MOST_OUTPUTS = 1 << 31
_MOST_LISTS = 64
# Ops whose first output is the tensor that one of their attributes describes.
_SHAPED_BY_SHAPE = {"Placeholder", "PlaceholderWithDefault", "PlaceholderV2"} | {
    "Variable",
    "VariableV2",
    "AutoReloadVariable",
    "TemporaryVariable",
}
VARIABLE_OPS = {"Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"}
"""Ops that make a variable; their attributes say its dtype and shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A node of a graph. Two are equal if they say the same, whatever file they are of."""

    name: str
    type: str
    """Name of its op."""
    inputs: tuple[str, ...]
    """Tensors, as ``node:index``; in a function ``argument`` or ``node:output:index``."""
    control_inputs: tuple[str, ...]
    """Names of operations that must have run before."""
    device: str
    _nodes: StoredNodes = field(repr=False)
    """Where its attributes are."""
    _number: int = field(repr=False)

    @property
    def attrs(self) -> Attributes:
        """Name of an attribute -> its value, decoded when asked for.

        Raises:
            CorruptCheckpointError: its attributes cannot be told apart.
        """
        entries = self._nodes.attributes(self._number)
        return Attributes(entries, f"node {self.name!r}", self._nodes.file)

    def _said(self) -> tuple[Any, ...]:
        return self.name, self.type, self.inputs, self.control_inputs, self.device

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operation) or self._said() != other._said():
            return False
        return self.attrs == other.attrs

    def __hash__(self) -> int:
        return hash(self.name)


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
    output_count: int | None
    """How many tensors come out; None where attributes say how long the lists are."""
    positions: Mapping[str, int]
    """Name of an output -> which it is."""

    @classmethod
    def of(cls, message: Any) -> OpDefinition:
        """Take over an Op message."""
        outputs = tuple(map(_argument, message.output_arg))
        lists = any(output.number_attr or output.type_list_attr for output in outputs)
        return cls(
            name_text(message.name),
            tuple(map(_argument, message.input_arg)),
            outputs,
            {
                name_text(attr.name): attr.default_value
                for attr in message.attr
                if attr.HasField("default_value")
            },
            None if lists else len(outputs),
            {output.name: position for position, output in enumerate(outputs)},
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
        UnsupportedError: lists come out of more outputs than any op has.
    """
    if definition.output_count is None and len(definition.outputs) > _MOST_LISTS:
        raise UnsupportedError(
            f"op {definition.name!r} has more outputs with lists than are counted here",
            structure=f"node {operation.name!r}",
            expected=f"at most {_MOST_LISTS}",
            got=len(definition.outputs),
        )
    attrs = operation.attrs

    @cache
    def value(name: str) -> Any:
        if name in attrs:
            return attrs[name]
        default = definition.defaults.get(name)
        return None if default is None else decode_attribute(default)

    return [_outputs(value, argument) for argument in definition.outputs]


def _outputs(value: Callable[[str], Any], argument: Argument) -> Outputs:
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


def decode_operation(
    node: Any,
    nodes: StoredNodes,
    number: int,
    words: dict[bytes, str],
    tensor: Callable[[str], str],
) -> Operation:
    """Take over a Node message.

    Args:
        node: The message.
        nodes: Where it is from.
        number: Which of them it is.
        words: Names of ops and devices that are known; most nodes share theirs.
        tensor: Gives the one name that a tensor is known by.
    """
    texts = [name_text(text) for text in node.input]
    op, device = node.op, node.device
    return Operation(
        name_text(node.name),
        words.get(op) or words.setdefault(op, name_text(op)),
        tuple([tensor(text) for text in texts if not text.startswith("^")]),
        tuple([text[1:] for text in texts if text.startswith("^")]),
        words.get(device) or words.setdefault(device, name_text(device)),
        nodes,
        number,
    )


def tensor_name(text: str) -> str:
    """Return ``x:0`` for ``x``, and a name with an index as it is."""
    if ":" not in text or split_name(text)[1] is None:
        return f"{text}:0"
    return text


def split_name(text: str) -> tuple[str, int | None]:
    """Return the node and the output index in ``x:1``; None where there is no index."""
    if ":" not in text:
        return text, None
    node, _, digits = text.rpartition(":")
    if node and digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_INDEX:
        return node, int(digits)
    return text, None


def decode_definitions(data: bytes) -> dict[str, OpDefinition]:
    """Decode an OpList: name of an op -> its definition."""
    found = (OpDefinition.of(op) for op in parse("OpList", data).op)
    return {definition.name: definition for definition in found}
