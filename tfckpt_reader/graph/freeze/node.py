"""Nodes on their way into a new graph.

Knows no graph. FORMAT 5.5; TensorFlow ``core/framework/node_def.proto``, ``attr_value.proto``.

A node that nothing changed is written as the bytes that were stored, whatever is in them. Devices
and the attribute ``_class`` are always left out: they name machines and nodes of the old graph.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from tfckpt_reader.encoding.wire_format import (
    encode_field,
    encode_key,
    encode_number,
    fields,
)
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.graph.decode.operation import FunctionCall, decode_attribute
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.tensor.names import key_of, name_text
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tfckpt_reader.graph.decode.node_store import StoredNodes
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.tensor.proto_fields import PartialShape

_NAME, _OP, _INPUT, _DEVICE, _ATTR = 1, 2, 3, 4, 5
_KEY, _VALUE = 1, 2
_Kind = TypeVar("_Kind")
_NO_CHANGES: Mapping[str, bytes] = MappingProxyType({})
_COLOCATED, _CLASS = "_class", b"_class"


@dataclass(slots=True)
class Node:
    """A node: name, op and inputs as text, attributes as stored bytes."""

    name: str
    op: str
    inputs: list[str]
    """As in a GraphDef: ``node``, ``node:1`` or ``^node``."""
    source: StoredNodes | None = field(default=None, repr=False)
    """The nodes that it was decoded from; None for a new one."""
    number: int = field(default=0, repr=False)
    """Its number among them."""
    is_unchanged: bool = False
    """Whether its stored bytes are what to write."""
    changes: Mapping[str, bytes] = field(default_factory=lambda: _NO_CHANGES, repr=False)
    """New values of attributes, as AttrValue messages."""

    def change(self, *, op: str = "", inputs: list[str] | None = None, **attrs: Any) -> None:
        """Change the op, the inputs or some attributes."""
        self.op = op or self.op
        self.inputs = self.inputs if inputs is None else inputs
        self.is_unchanged = False
        for name, value in attrs.items():
            self.set(name, value)

    def set(self, name: str, value: Any) -> None:
        """Change one attribute, to a value as for `attr_value`."""
        self.changes = {**self.changes, name: attr_value(value)}
        self.is_unchanged = False

    def become(self, op: str, inputs: list[str], **attrs: Any) -> None:
        """Become another node of the same name, without any of the stored attributes."""
        self.op, self.inputs, self.source, self.changes = op, inputs, None, _NO_CHANGES
        self.change(**attrs)

    @property
    def stored(self) -> memoryview:
        """The bytes it was decoded from; empty for a new one."""
        return memoryview(b"") if self.source is None else self.source[self.number]

    def attr(self, name: str) -> Any:
        """Return the value of an attribute; None if there is none.

        Raises:
            CheckpointError: the attribute is damaged.
        """
        stored = self.attributes().get(name)
        return None if stored is None else decode_attribute(stored)

    def needed(self, name: str, kind: type[_Kind]) -> _Kind:
        """Return the value of an attribute of some type.

        Raises:
            CorruptCheckpointError: there is none, or it is of another type.
        """
        value = self.attr(name)
        if not isinstance(value, kind):
            raise CorruptCheckpointError(
                f"node {quoted(self.name)} ({self.op}) lacks its attribute {quoted(name)}",
                expected=kind.__name__,
                got=type(value).__name__,
            )
        return value

    @property
    def first_input(self) -> str:
        """The first tensor among its inputs.

        Raises:
            CorruptCheckpointError: it has none.
        """
        if not self.data_inputs:
            raise CorruptCheckpointError(f"node {quoted(self.name)} ({self.op}) has no input")
        return self.data_inputs[0]

    def attributes(self) -> dict[str, bytes]:
        """Return name -> AttrValue message."""
        if self.source is None:
            return dict(self.changes)
        entries = self.source.header(self.number, whole=True).attr
        return {**{name_text(entry.key): entry.value for entry in entries}, **self.changes}

    @property
    def data_inputs(self) -> list[str]:
        """The inputs without control inputs."""
        return [text for text in self.inputs if text[:1] != "^"]

    def encoded(self) -> list[bytes | memoryview]:
        """Return the bytes of the node, in parts: large attributes are not copied."""
        if self.is_unchanged:
            return [self.stored]
        texts = [(_NAME, self.name), (_OP, self.op), *((_INPUT, text) for text in self.inputs)]
        parts: list[bytes | memoryview] = [encode_field(n, key_of(text)) for n, text in texts]
        parts += self._other_fields()
        parts += [attribute(name, value) for name, value in self.changes.items()]
        return parts

    def _other_fields(self) -> Iterator[bytes | memoryview]:
        """Yield the stored attributes that did not change, and fields unknown here."""
        for number, _, value in fields(self.stored):
            if isinstance(value, int) or number in (_NAME, _OP, _INPUT, _DEVICE):
                continue
            if number == _ATTR:
                key = _key_of(value)
                if key == _COLOCATED or key in self.changes:
                    continue
            yield encode_key(number, len(value))
            yield value


def _key_of(entry: memoryview) -> str:
    """Return the key of a map's entry, without decoding its value."""
    keys = [
        bytes(value) for n, _, value in fields(entry) if n == _KEY and not isinstance(value, int)
    ]
    return name_text(keys[-1]) if keys else ""


def constant(name: str, dtype: DataType, value: int) -> Node:
    """Return a scalar constant: of a bool, or of an integer type."""
    field_number = {DataType.BOOL: 11, DataType.INT64: 10}.get(dtype, 7)
    tensor = encode_number(1, dtype) + encode_field(2, b"") + encode_number(field_number, value)
    node = Node(name, "Const", [])
    node.change(dtype=dtype, value=memoryview(encode_field(8, tensor)))
    return node


def become_scalar(node: Node, dtype: DataType, value: float) -> None:
    """Turn a node into a constant of one number or truth value.

    Raises:
        ValueError: the dtype cannot hold it.
    """
    import numpy as np

    array, wanted = np.asarray(value), to_numpy(dtype)
    is_number = array.dtype.kind in "iuf" and wanted.kind in "iufV"
    is_truth = array.dtype.kind == wanted.kind == "b"
    fits = (is_truth or is_number) and not array.shape
    if not fits or (wanted.kind in "iu" and array.astype(wanted) != array):
        raise ValueError(f"{quoted(node.name)} is {dtype}, which {value!r} is not")
    content = array.astype(wanted).tobytes()
    tensor = encode_number(1, dtype) + encode_field(2, b"") + encode_field(4, content)
    node.become("Const", [], dtype=dtype, value=memoryview(encode_field(8, tensor)))


def kept(node: Node, *names: str) -> dict[str, memoryview]:
    """Return some attributes of a node as they are, to change it with."""
    stored = node.attributes()
    return {name: memoryview(stored[name]) for name in names if name in stored}


def is_function(value: bytes) -> bool:
    """Return whether an AttrValue is a function, or a list that may be one of functions."""
    return value[:1] in (b"\x52", b"\x0a")


def attribute(name: str, value: bytes) -> bytes:
    """Return an attribute of a node, as its field."""
    return encode_field(_ATTR, encode_field(_KEY, key_of(name)) + encode_field(_VALUE, value))


def attr_value(value: Any) -> bytes:
    """Return an AttrValue message.

    Args:
        value: bytes, str, bool, int, float, DataType, FunctionCall, a shape, or a list of dtypes,
            functions or shapes. A shape is a tuple with None for unknown sizes, or None for an
            unknown rank. A memoryview is an AttrValue already.
    """
    encoders = (encode for kind, encode in _ENCODERS if isinstance(value, kind))
    return next(encoders)(value)


def shape_message(shape: PartialShape) -> bytes:
    """Return a TensorShapeProto."""
    if shape is None:
        return encode_number(3, 1)
    sizes = (-1 if size is None else size for size in shape)
    return b"".join(encode_field(2, encode_number(1, size)) for size in sizes)


def _element(value: Any) -> bytes:
    """Return a dtype, a function or a shape as an element of a list."""
    if isinstance(value, DataType):
        return encode_number(6, value)
    if isinstance(value, FunctionCall):
        return encode_field(9, encode_field(1, key_of(value.name)))
    return encode_field(7, shape_message(value))


_ENCODERS: tuple[tuple[Any, Callable[[Any], bytes]], ...] = (
    (memoryview, bytes),
    (bool, lambda value: encode_number(5, value)),
    (DataType, lambda value: encode_number(6, value)),
    (int, lambda value: encode_number(3, value)),
    (float, lambda value: b"\x25" + struct.pack("<f", value)),
    (bytes, lambda value: encode_field(2, value)),
    (str, lambda value: encode_field(2, key_of(value))),
    (FunctionCall, lambda value: encode_field(10, encode_field(1, key_of(value.name)))),
    (list, lambda value: encode_field(1, b"".join(map(_element, value)))),
    (object, lambda value: encode_field(7, shape_message(value))),
)
"""Type -> AttrValue of its values; the first that fits counts."""


def draft_of(graph: Graph, numbers: Iterable[int]) -> dict[str, Node]:
    """Return name -> node, of some nodes of a graph, in the order of the file.

    Raises:
        CheckpointError: a node is damaged; names it.
    """
    wanted = frozenset(numbers)
    names, types = graph.names, graph.types
    draft: dict[str, Node] = {}
    for number, message in enumerate(graph.messages.headers()):
        if number not in wanted:
            continue
        is_whole = bool(message.attr) and not message.device
        is_unchanged = is_whole and _CLASS not in [entry.key for entry in message.attr]
        # Names are one object each: there may be millions.
        inputs = [graph.shared_name(name_text(text)) for text in message.input]
        name, op = names[number], types[number]
        if name not in draft:
            draft[name] = Node(name, op, inputs, graph.messages, number, is_unchanged, _NO_CHANGES)
    return draft
