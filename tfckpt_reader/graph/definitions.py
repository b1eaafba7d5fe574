"""The definitions of ops: what goes in, what comes out.

Rank 7: sees one node at a time. FORMAT 5.1; TensorFlow ``core/framework/op_def.proto``.

How many outputs a node has, and of what dtype, is said by the definition of its op, which the
writer stores in the file. Without it nothing is known, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.attributes import decode_attribute, name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tfckpt_reader.graph.nodes import Operation

_MOST_OUTPUTS = 1 << 31
_MOST_LISTS = 64


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


def dtype_at(outputs: list[Outputs], index: int) -> DataType | None:
    """Return the dtype of an output, counted through all; None where it is not known."""
    for output in outputs:
        if output.number is None:
            return None
        if index < output.number:
            return output.dtypes[index if len(output.dtypes) > 1 else 0]
        index -= output.number
    return None


def decode_definitions(data: bytes) -> dict[str, OpDefinition]:
    """Decode an OpList: name of an op -> its definition."""
    found = (OpDefinition.of(op) for op in parse("OpList", data).op)
    return {definition.name: definition for definition in found}
