"""Attributes of nodes, as Python values.

Knows no graph. FORMAT 5.6, 7; TensorFlow ``core/framework/attr_value.proto``.

Each access decodes an attribute anew: most are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, enough_memory
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import data_type, partial_shape
from tfckpt_reader.tensor.tensor_proto import decode_tensor_proto
from tfckpt_reader.tensor.typed_values import decode_strings
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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

    @classmethod
    def decode(cls, data: bytes, file: str) -> FunctionCall:
        """Decode a NameAttrList; `file` is for later errors."""
        message = parse("Function", data)
        name = name_text(message.name)
        return cls(name, Attributes(message.attr, f"function {quoted(name)}", file))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "s": bytes,
    "i": int,
    "f": float,
    "b": bool,
    "type": data_type,
    "shape": partial_shape,
    "tensor": lambda data: decode_tensor_proto(memoryview(data)),
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
    if kind != "list":
        return _decoded(kind, getattr(message, kind), file)
    for field, values in message.list.ListFields():
        return [_decoded(field.name, value, file) for value in values]
    return []


def _decoded(kind: str, value: Any, file: str) -> Any:
    return FunctionCall.decode(value, file) if kind == "func" else _DECODERS[kind](value)
