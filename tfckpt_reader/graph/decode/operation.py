"""Operations: one node each, its attributes as Python values, and the names of its tensors.

Sees one node at a time. FORMAT 5.5, 5.6, 7; TensorFlow ``core/framework/node_def.proto``,
``attr_value.proto``.

Each access decodes an attribute anew: most are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, enough_memory
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, data_type, partial_shape, shape_or_none
from tfckpt_reader.tensor.tensor_proto import Room, decode_tensor_proto
from tfckpt_reader.tensor.typed_values import decode_strings
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tfckpt_reader.graph.decode.node_store import StoredNodes

_LONGEST_INDEX = 10
_SHAPED_BY_SHAPE = {
    *("Placeholder", "PlaceholderWithDefault", "PlaceholderV2"),
    *("Variable", "VariableV2", "AutoReloadVariable", "TemporaryVariable"),
}
"""Ops with the shape of their first output in the attribute ``shape``."""
UNKNOWN_RANK_OPS = {"Variable"}
"""Ops for which TensorFlow reads a shape without dimensions as a scalar or as an unknown rank,
in graphs of any version."""
UNKNOWN_RANK_PLACEHOLDER = 21
"""Last graph version in which a Placeholder is one of them."""
VARIABLE_OPS = {"Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"}
"""Ops that make a variable, with its dtype and shape as attributes."""


class Attributes(Mapping[str, Any]):
    """Name of an attribute -> its value, decoded at each access.

    bytes, int, float, bool, DataType, shape (a tuple with None for unknown sizes, or None for an
    unknown rank), read-only array, FunctionCall, str for a placeholder, list of these; None for an
    attribute without a value.

    Raises:
        CheckpointError: on access, if the attribute is damaged; names the owner and the file.
    """

    __slots__ = ("_file", "_owner", "_stored")

    def __init__(self, entries: Iterable[Any], owner: str, file: str) -> None:
        self._stored = {name_text(entry.key): entry.value for entry in entries}
        self._owner = owner
        self._file = file

    def __getitem__(self, name: str) -> Any:
        stored = self._stored[name]
        try:
            with enough_memory(self._file):
                return decode_attribute(stored, self._file)
        except CheckpointError as error:
            error.structure = f"{self._owner}: attribute {quoted(name)}"
            error.file = self._file
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    # Mapping would compare values, among them arrays; equal bytes are equal values.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributes) and self._stored == other._stored

    def __hash__(self) -> int:
        return hash(frozenset(self._stored))

    def __repr__(self) -> str:
        return f"<Attributes of {self._owner}: {', '.join(self._stored)}>"

    def strings(self, name: str) -> list[bytes]:
        """Return the strings stored in a tensor, without NumPy; [] if it is no tensor.

        Raises:
            CheckpointError: the tensor is damaged.
        """
        message = parse("AttrValue", self._stored[name])
        return decode_strings(memoryview(message.tensor)) if message.HasField("tensor") else []


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function as the value of an attribute."""

    name: str
    attrs: Attributes


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "s": bytes,
    "i": int,
    "f": float,
    "b": bool,
    "type": data_type,
    "shape": partial_shape,
    "placeholder": name_text,
}


def decode_attribute(data: bytes, file: str = "") -> Any:
    """Return the value of an AttrValue message; None if it has none.

    Args:
        data: The message.
        file: Name of the file, for later errors in a function's own attributes.

    Raises:
        CheckpointError: the value is damaged, or cannot be read here.
    """
    message = parse("AttrValue", data)
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    room = Room()
    if kind != "list":
        return _decoded(kind, getattr(message, kind), file, room)
    for each, values in message.list.ListFields():
        return [_decoded(each.name, value, file, room) for value in values]
    return []


def _decoded(kind: str, value: Any, file: str, room: Room) -> Any:
    if kind == "tensor":
        return decode_tensor_proto(memoryview(value), room)
    if kind != "func":
        return _DECODERS[kind](value)
    message = parse("Function", value)
    name = name_text(message.name)
    return FunctionCall(name, Attributes(message.attr, f"function {quoted(name)}", file))


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A node of a graph. Operations with equal contents are equal, even from different files."""

    name: str
    type: str
    """Name of the op."""
    inputs: tuple[str, ...]
    """Tensors, as ``node:index``; in a function ``argument`` or ``node:output:index``."""
    control_inputs: tuple[str, ...]
    """Names of operations that must run before."""
    device: str
    _nodes: StoredNodes = field(repr=False)
    """The source of the attributes."""
    _number: int = field(repr=False)

    @property
    def attrs(self) -> Attributes:
        """Name of an attribute -> its value, decoded at each access.

        Raises:
            CheckpointError: the node cannot be parsed.
        """
        entries = self._nodes.header(self._number, whole=True).attr
        return Attributes(entries, f"node {quoted(self.name)}", self._nodes.file)

    def _contents(self) -> tuple[Any, ...]:
        return self.name, self.type, self.inputs, self.control_inputs, self.device

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operation) or self._contents() != other._contents():
            return False
        return self.attrs == other.attrs

    def __hash__(self) -> int:
        return hash(self.name)


def declared_shape(
    op: str, attrs: Attributes, unknown_rank_ops: Collection[str] = UNKNOWN_RANK_OPS
) -> PartialShape:
    """Return the shape in the attributes of a variable or placeholder; None if unknown.

    Args:
        op: Name of the op.
        attrs: Attributes of the node.
        unknown_rank_ops: Ops with an unknown rank if their shape has no dimensions.

    Raises:
        CheckpointError: the attribute is damaged; names the node.
    """
    shape = shape_or_none(attrs.get("shape"))
    return None if shape == () and op in unknown_rank_ops else shape


def output_shapes(attrs: Attributes) -> list[Any]:
    """Return the shapes in ``_output_shapes``, for the first outputs or for all."""
    shapes = attrs.get("_output_shapes")
    return shapes if isinstance(shapes, list) else []


def stored_shape(
    operation: Operation, index: int, unknown_rank_ops: Collection[str]
) -> PartialShape:
    """Return the shape of output `index` as the file stores it; None if it does not.

    Raises:
        CheckpointError: an attribute is damaged; names the node.
    """
    attrs = operation.attrs
    shapes = output_shapes(attrs)
    if index < len(shapes):
        return shape_or_none(shapes[index])
    if index == 0 and operation.type in _SHAPED_BY_SHAPE:
        return declared_shape(operation.type, attrs, unknown_rank_ops)
    if index == 0 and operation.type == "Const":
        return getattr(attrs.get("value"), "shape", None)
    return None


def known_shape(operation: Operation, unknown_rank_ops: Collection[str]) -> PartialShape:
    """Return the shape of the first output; None if unknown or damaged, and for a constant."""
    try:
        return None if operation.type == "Const" else stored_shape(operation, 0, unknown_rank_ops)
    except CheckpointError:
        return None


def attribute_of(operation: Operation | None, name: str, kind: type) -> Any:
    """Return an attribute of type `kind`; None if it is absent, of another type, or damaged."""
    try:
        value = None if operation is None else operation.attrs.get(name)
    except CheckpointError:
        return None
    return value if isinstance(value, kind) else None


def decode_operation(
    node: Any,
    nodes: StoredNodes,
    number: int,
    word: Callable[[bytes], str],
    canonical: Callable[[str], str],
) -> Operation:
    """Decode a Node message.

    Args:
        node: The message.
        nodes: The stored nodes of its graph.
        number: Its number among them.
        word: Decodes the name of an op or device, each once: most nodes share theirs.
        canonical: Gives the canonical name of a tensor.
    """
    texts = [name_text(text) for text in node.input]
    return Operation(
        name_text(node.name),
        word(node.op),
        tuple([canonical(text) for text in texts if not text.startswith("^")]),
        tuple([text[1:] for text in texts if text.startswith("^")]),
        word(node.device),
        nodes,
        number,
    )


def tensor_name(text: str) -> str:
    """Return the canonical name of a tensor: ``x:0`` for ``x`` and for ``x:00``."""
    if ":" not in text:
        return f"{text}:0"
    node, index = split_name(text)
    return f"{node}:{index or 0}"


def split_name(text: str) -> tuple[str, int | None]:
    """Split ``x:1`` into node and output index; the index of ``x`` is None."""
    if ":" not in text:
        return text, None
    node, _, digits = text.rpartition(":")
    if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_INDEX:
        return node, int(digits)
    return text, None
