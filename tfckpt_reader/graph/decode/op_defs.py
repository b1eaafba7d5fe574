"""Definitions of ops: their inputs and outputs, and the outputs of one node.

Sees one node at a time. FORMAT 5.1; TensorFlow ``core/framework/op_def.proto``.

The number and the dtypes of a node's outputs follow from the definition of its op, stored in the
file by its writer. Without a definition they are unknown; nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.encoding.wire_format import split_fields
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.decode.operation import Operation, decode_attribute
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import data_type
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_MOST_OPS = 1 << 16
_MOST_ARGUMENTS = 1 << 18
"""Limit on inputs, outputs and attributes; a function that saves has an input per variable."""
_MOST_OUTPUTS = 1 << 31
_MOST_LISTS = 64


class Argument(NamedTuple):
    """An input or output of an op: one tensor, or a list of them."""

    name: str
    dtype: DataType | None
    """None if an attribute holds it."""
    type_attr: str
    number_attr: str
    """Attribute with the length of a list with one dtype."""
    type_list_attr: str
    """Attribute with the dtypes of a list with several."""
    is_ref: bool


@dataclass(frozen=True, slots=True)
class OpDefinition:
    """The inputs and outputs of an op or a function."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    defaults: Mapping[str, bytes]
    """Attribute -> its default, as the bytes of an AttrValue."""
    output_count: int | None
    """Number of output tensors; None if the lengths of lists are in attributes."""
    positions: Mapping[str, int]
    """Name of an output -> its position."""

    @classmethod
    def of(cls, message: Any) -> OpDefinition:
        """Decode an Op message.

        Raises:
            UnsupportedError: more inputs and outputs than any op has.
        """
        count = len(message.input_arg) + len(message.output_arg) + len(message.attr)
        if count > _MOST_ARGUMENTS:
            raise UnsupportedError(
                "has more inputs, outputs and attributes than are listed here",
                structure=f"op {quoted(name_text(message.name))}",
                expected=f"at most {_MOST_ARGUMENTS:,}",
                got=f"{count:,}",
            )
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
    """The tensors of a node for one output of its op's definition."""

    name: str
    number: int | None
    """None if unknown."""
    dtypes: tuple[DataType | None, ...]
    """One for all tensors, or one for each."""


def outputs_of(operation: Operation, definition: OpDefinition) -> list[Outputs]:
    """Return the outputs of a node, one entry per output of the definition.

    Raises:
        CheckpointError: an attribute with a number or dtype is damaged; names the node.
        UnsupportedError: more outputs than any op with lists has.
    """
    if definition.output_count is None and len(definition.outputs) > _MOST_LISTS:
        raise UnsupportedError(
            "its op has more outputs with lists than are counted here",
            structure=f"node {quoted(operation.name)}",
            expected=f"at most {_MOST_LISTS}",
            got=len(definition.outputs),
        )
    attrs = operation.attrs

    # Several outputs may share a long list: each is decoded once.
    @cache
    def value(name: str) -> Any:
        if name in attrs:
            return attrs[name]
        default = definition.defaults.get(name)
        return None if default is None else decode_attribute(default)

    @cache
    def types(name: str, *, is_ref: bool) -> tuple[DataType, ...] | None:
        dtypes = value(name)
        if not isinstance(dtypes, list) or not all(isinstance(dtype, DataType) for dtype in dtypes):
            return None
        return tuple([_ref(dtype, is_ref=is_ref) for dtype in dtypes])

    return [_outputs(value, types, argument) for argument in definition.outputs]


def _outputs(value: Callable[[str], Any], types: Callable[..., Any], argument: Argument) -> Outputs:
    if argument.type_list_attr:
        dtypes = types(argument.type_list_attr, is_ref=argument.is_ref)
        if dtypes is None:
            return Outputs(argument.name, None, (None,))
        return Outputs(argument.name, len(dtypes), dtypes)
    dtype = argument.dtype or (value(argument.type_attr) if argument.type_attr else None)
    known = _ref(dtype, is_ref=argument.is_ref) if isinstance(dtype, DataType) else None
    count: Any = 1
    if argument.number_attr:
        count = value(argument.number_attr)
        if type(count) is not int or not 0 <= count < _MOST_OUTPUTS:
            count = None
    return Outputs(argument.name, count, (known,))


def _ref(dtype: DataType, *, is_ref: bool) -> DataType:
    return data_type(dtype + REFERENCE_OFFSET) if is_ref else dtype


def dtype_at(outputs: list[Outputs], index: int) -> DataType | None:
    """Return the dtype of an output tensor, counted through all; None if unknown."""
    for output in outputs:
        if output.number is None:
            return None
        if index < output.number:
            return output.dtypes[index if len(output.dtypes) > 1 else 0]
        index -= output.number
    return None


def decode_definitions(data: bytes) -> dict[str, OpDefinition]:
    """Decode an OpList: name of an op -> its definition.

    Raises:
        UnsupportedError: more than 65,536 ops.
    """
    (spans,), _ = split_fields(memoryview(data), (1,), _MOST_OPS)
    ends = zip(spans[::2], spans[1::2], strict=True)
    decoded = (OpDefinition.of(parse("Op", data[begin:end])) for begin, end in ends)
    return {definition.name: definition for definition in decoded}
