"""What an op gives: how many outputs, of which types, by the definition stored in the file.

Rank 6: knows no graph. FORMAT 5.1; TensorFlow ``core/framework/op_def.proto``.

A MetaGraphDef holds the definitions of the ops that its graph uses, custom ops among them, and a
function's signature is one too. A frozen graph holds none: for it there is a short table of the
ops whose only output has the type that one of their attributes names. All others are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.graph.attributes import NOWHERE, Attrs, Place, decode_attr
from tfckpt_reader.spec import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_OUTPUTS = 1 << 20
_INT32_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Argument:
    """A declared input or output of an op or of a function: one tensor, or a list of them."""

    name: str
    dtype: DataType | None
    """Its type, where the definition fixes it."""
    type_attr: str = ""
    """Attribute that says its type."""
    number_attr: str = ""
    """Attribute that says how many tensors it stands for."""
    type_list_attr: str = ""
    """Attribute that lists the types of the tensors it stands for."""
    is_ref: bool = False


@dataclass(frozen=True, slots=True)
class OpDef:
    """The definition of an op."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    defaults: Mapping[str, bytes]
    """Attribute -> its default, a serialized AttrValue: files may leave such attributes out."""


@dataclass(frozen=True, slots=True)
class OutputGroup:
    """The tensors that one declared output stands for."""

    name: str
    count: int
    dtypes: tuple[DataType | None, ...]
    """Of each; a single one stands for all."""
    is_ref: bool

    def dtype(self, index: int) -> DataType | None:
        """Return the type of the tensor at `index` of the group."""
        return self.dtypes[index if len(self.dtypes) > 1 else 0]


def parse_op_def(raw: bytes, place: Place) -> OpDef:
    """Decode a serialized OpDef.

    Raises:
        CorruptCheckpointError: it is none.
    """
    try:
        found = parse("OpDef", raw)
        return OpDef(
            name_of(found.name),
            tuple([_argument(arg) for arg in found.input_arg]),
            tuple([_argument(arg) for arg in found.output_arg]),
            dict(_defaults(found.attr)),
        )
    except CheckpointError as error:
        raise place.located(error, "OpDef") from error


def _argument(raw: bytes) -> Argument:
    found = parse("ArgDef", raw)
    number = found.type
    is_ref = found.is_ref or number > REFERENCE_OFFSET
    if number > REFERENCE_OFFSET:
        number -= REFERENCE_OFFSET
    return Argument(
        name_of(found.name),
        data_type(number) if number else None,
        name_of(found.type_attr),
        name_of(found.number_attr),
        name_of(found.type_list_attr),
        is_ref,
    )


def _defaults(attrs: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for raw in attrs:
        attr = parse("AttrDef", raw)
        if attr.default_value:
            yield name_of(attr.name), attr.default_value


_ONE_OUTPUT: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("Const", "Placeholder", "PlaceholderV2"), ("output", "dtype")),
    **dict.fromkeys(("PlaceholderWithDefault", "RandomUniform"), ("output", "dtype")),
    **dict.fromkeys(("Identity", "StopGradient", "BiasAdd", "Conv2D"), ("output", "T")),
    **dict.fromkeys(("MaxPool", "AvgPool", "Reshape", "Mean", "Sum"), ("output", "T")),
    **dict.fromkeys(("Add", "AddV2", "Sub", "Mul", "RealDiv"), ("z", "T")),
    **dict.fromkeys(("Sigmoid", "Tanh", "Transpose"), ("y", "T")),
    **dict.fromkeys(("Variable", "VariableV2"), ("ref", "dtype")),
    "ReadVariableOp": ("value", "dtype"),
    "MatMul": ("product", "T"),
    "Relu": ("activations", "T"),
    "Softmax": ("softmax", "T"),
}
"""Well-known ops of one output -> its name, and the attribute that is its type."""
_NO_OUTPUTS = ("NoOp", "Assert")


def well_known(op: str) -> OpDef | None:
    """Return what is known of an op that no file defined."""
    if op in _NO_OUTPUTS:
        return OpDef(op, (), (), {})
    if op == "VarHandleOp":
        return OpDef(op, (), (Argument("resource", DataType.RESOURCE),), {})
    if op not in _ONE_OUTPUT:
        return None
    name, attr = _ONE_OUTPUT[op]
    is_ref = op in ("Variable", "VariableV2")
    return OpDef(op, (), (Argument(name, None, attr, is_ref=is_ref),), {})


def output_groups(definition: OpDef, attrs: Attrs, place: Place) -> list[OutputGroup] | None:
    """Return the outputs of an operation, by its op's definition and its own attributes.

    None where their number is left open by a placeholder, as in the body of a generic function.

    Raises:
        CorruptCheckpointError: an attribute that the definition asks for is of the wrong kind.
    """
    found = []
    for argument in definition.outputs:
        try:
            group = _group(argument, definition, attrs)
        except CheckpointError as error:
            raise place.located(error, f"output {argument.name!r}") from error
        if group is None:
            return None
        found.append(group)
    return found


def _group(argument: Argument, definition: OpDef, attrs: Attrs) -> OutputGroup | None:
    if argument.type_list_attr:
        listed = _attr(argument.type_list_attr, definition, attrs)
        if isinstance(listed, str):
            return None
        dtypes = listed if isinstance(listed, tuple) else ()
        if not all(isinstance(dtype, DataType) for dtype in dtypes):
            raise _wrong(argument.type_list_attr, "a list of types", listed)
        return OutputGroup(argument.name, len(dtypes), dtypes, argument.is_ref)
    count: Any = 1
    if argument.number_attr:
        count = _attr(argument.number_attr, definition, attrs)
        if isinstance(count, str):
            return None
        if not isinstance(count, int) or not 0 <= count <= _INT32_MAX:
            raise _wrong(argument.number_attr, "a count", count)
    dtype = argument.dtype
    if argument.type_attr:
        dtype = _type(argument.type_attr, definition, attrs)
    return OutputGroup(argument.name, count, (dtype,), argument.is_ref)


def _type(name: str, definition: OpDef, attrs: Attrs) -> DataType | None:
    """Return the type that an attribute names; None if it is left open."""
    found = _attr(name, definition, attrs)
    if found is None or isinstance(found, str):
        return None
    if not isinstance(found, DataType):
        raise _wrong(name, "a type", found)
    return data_type(found - REFERENCE_OFFSET) if found > REFERENCE_OFFSET else found


def _attr(name: str, definition: OpDef, attrs: Attrs) -> Any:
    if name in attrs:
        return attrs[name]
    default = definition.defaults.get(name)
    return None if default is None else decode_attr(default, NOWHERE)


def _wrong(name: str, expected: str, got: object) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        f"attribute {name!r} is of another kind than its op says",
        expected=expected,
        got=type(got).__name__ if not isinstance(got, int) else got,
    )


def require_listable(count: int) -> None:
    """Refuse to list more outputs than any operation has."""
    if count > _MOST_OUTPUTS:
        raise CorruptCheckpointError(
            "an operation claims more outputs than can be",
            expected=f"at most {_MOST_OUTPUTS:,}",
            got=f"{count:,}",
        )
