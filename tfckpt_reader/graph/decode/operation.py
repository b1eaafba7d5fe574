"""Nodes as operations, the names of tensors, and the shapes that nodes store.

Sees one node at a time. FORMAT 5.5; TensorFlow ``core/framework/node_def.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.decode.attributes import Attributes
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, shape_or_none
from tfckpt_reader.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tfckpt_reader.graph.decode.node_store import StoredNodes

_LONGEST_INDEX = 10
# Ops whose first output is the tensor that one of their attributes describes.
_SHAPED_BY_SHAPE = {"Placeholder", "PlaceholderWithDefault", "PlaceholderV2"} | {
    "Variable",
    "VariableV2",
    "AutoReloadVariable",
    "TemporaryVariable",
}
UNSURE = {"Variable"}
"""Ops of which no dimensions may mean a scalar, or that the rank is not known: as TensorFlow
says of graphs of any age."""
UNSURE_PLACEHOLDER = 21
"""Version of the graph up to which it is so with a Placeholder."""
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
            CheckpointError: its attributes cannot be told apart.
        """
        entries = self._nodes.attributes(self._number)
        return Attributes(entries, f"node {shortened(self.name)!r}", self._nodes.file)

    def _said(self) -> tuple[Any, ...]:
        return self.name, self.type, self.inputs, self.control_inputs, self.device

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operation) or self._said() != other._said():
            return False
        return self.attrs == other.attrs

    def __hash__(self) -> int:
        return hash(self.name)


def declared_shape(op: str, attrs: Attributes, unsure: Collection[str] = UNSURE) -> PartialShape:
    """Return the shape that a variable or a placeholder has as an attribute; None for unknown.

    Args:
        op: What it is.
        attrs: Its attributes.
        unsure: Ops of which no dimensions may mean a scalar, or that the rank is not known.

    Raises:
        CheckpointError: the attribute cannot be decoded; it names the node.
    """
    shape = shape_or_none(attrs.get("shape"))
    return None if shape == () and op in unsure else shape


def output_shapes(attrs: Attributes) -> list[Any]:
    """Return the shapes that a node stores for its outputs, of as many as it does."""
    found = attrs.get("_output_shapes")
    return found if isinstance(found, list) else []


def stored_shape(operation: Operation, index: int, unsure: Collection[str]) -> PartialShape:
    """Return the shape of an output; None where the file does not tell it.

    Args:
        operation: The operation.
        index: Which of its outputs.
        unsure: As for `declared_shape`.

    Raises:
        CheckpointError: an attribute cannot be decoded; it names the node.
    """
    attrs = operation.attrs
    shapes = output_shapes(attrs)
    if index < len(shapes):
        return shape_or_none(shapes[index])
    if index == 0 and operation.type in _SHAPED_BY_SHAPE:
        return declared_shape(operation.type, attrs, unsure)
    if index == 0 and operation.type == "Const":
        return getattr(attrs.get("value"), "shape", None)
    return None


def attribute_of(operation: Operation | None, name: str, kind: type) -> Any:
    """Return an attribute of that kind; None where there is none or it cannot be read."""
    try:
        value = None if operation is None else operation.attrs.get(name)
    except CheckpointError:
        return None
    return value if isinstance(value, kind) else None


def known_shape(operation: Operation, unsure: Collection[str]) -> PartialShape:
    """Return the shape of the first output, but of a constant; None where nothing tells it.

    Args:
        operation: The operation.
        unsure: As for `declared_shape`.
    """
    try:
        return None if operation.type == "Const" else stored_shape(operation, 0, unsure)
    except CheckpointError:
        return None


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
    """Return ``x:0`` for ``x`` and for ``x:00``; ``x:1`` is that already."""
    if ":" not in text:
        return f"{text}:0"
    node, index = split_name(text)
    return f"{node}:{index or 0}"


def split_name(text: str) -> tuple[str, int | None]:
    """Return the node and the output index in ``x:1``; None where there is no index."""
    if ":" not in text:
        return text, None
    node, _, digits = text.rpartition(":")
    if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_INDEX:
        return node, int(digits)
    return text, None
