"""Collections of a graph: names of nodes, numbers, messages, and a user's own bytes.

Knows no graph. FORMAT 5.3; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, UnsupportedError, enough_memory
from tfckpt_reader.graph.decode.tf1_values import (
    VARIABLE_COLLECTIONS,
    decode_cond,
    decode_queue_runner,
    decode_saver,
    decode_variable,
    decode_while,
)
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

_ASSET = "/tensorflow.AssetFileDef"
MOST_VALUES = 1 << 20
"""Limit on the values of a collection: two bytes can claim to be one."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a SavedModel."""

    filename: str
    """Relative to its folder ``assets``."""
    tensor_name: str
    """The tensor fed with its path."""


@dataclass(frozen=True, slots=True)
class AnyValue:
    """A message of a type unknown here."""

    type_url: str
    value: bytes | None
    """None if absent, or if a text file spells the message out."""


def decode_asset(data: bytes | memoryview) -> Asset:
    """Decode an AssetFileDef."""
    message = parse("Asset", data)
    return Asset(name_text(message.filename), name_text(message.tensor_info.name))


def _any(message: Any) -> Asset | AnyValue:
    url = name_text(message.type_url)
    if url.endswith(_ASSET):
        return decode_asset(message.value)
    return AnyValue(url, message.value if message.HasField("value") else None)


_KINDS: dict[str, Callable[[Any], Any]] = {
    "node_list": name_text,
    "bytes_list": bytes,
    "int64_list": int,
    "float_list": float,
    "any_list": _any,
}
_BYTES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(VARIABLE_COLLECTIONS, decode_variable),
    "savers": decode_saver,
    "queue_runners": decode_queue_runner,
    "cond_context": decode_cond,
    "while_context": decode_while,
}
"""Collection -> the decoder of its bytes."""


class Collections(Mapping[str, list[Any]]):
    """Name of a collection -> its values, decoded at each access.

    str for names of nodes and tensors, int, float, `Asset`, `AnyValue`, and the classes of
    ``tf1_values``; bytes for messages unknown here and for a user's own bytes.

    Raises:
        CheckpointError: on access, for a damaged value or more than a million values; names the
            collection.
    """

    __slots__ = ("_file", "_stored")

    def __init__(self, entries: Sequence[memoryview], file: str) -> None:
        pairs = (parse("Entry", entry) for entry in entries)
        self._stored: dict[str, bytes] = {name_text(pair.key): pair.value for pair in pairs}
        self._file = file

    def kind(self, name: str) -> str | None:
        """Return how the values are stored: ``node_list``, ``bytes_list`` and so on."""
        return self._values(name)[0] or None

    def count(self, name: str) -> int:
        """Return the number of values of a collection, without decoding them."""
        return len(self._values(name)[1])

    def _values(self, name: str) -> tuple[str, Sequence[Any]]:
        with self._named(name):
            message = parse("Collection", self._stored[name])
        kind = message.WhichOneof("kind")
        return kind or "", getattr(message, kind).value if kind else ()

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            with enough_memory(self._file):
                yield
        except CheckpointError as error:
            error.file, error.structure = self._file, f"collection {quoted(name)}"
            raise

    def __getitem__(self, name: str) -> list[Any]:
        kind, values = self._values(name)
        with self._named(name):
            if len(values) > MOST_VALUES:
                most, got = f"at most {MOST_VALUES:,}", f"{len(values):,}"
                problem = "has more values than are listed here"
                raise UnsupportedError(problem, expected=most, got=got)
            decode = _BYTES.get(name, bytes) if kind == "bytes_list" else _KINDS.get(kind, bytes)
            return [decode(value) for value in values]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __repr__(self) -> str:
        return f"<Collections: {', '.join(self._stored)}>"
