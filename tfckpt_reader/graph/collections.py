"""What a file tells beside its graph: savers, collections, variables, signatures, assets.

Rank 8: knows no graph and no file. FORMAT 5.2 to 5.4, 5.7; TensorFlow
``core/protobuf/meta_graph.proto``, ``saver.proto``, ``core/framework/variable.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader.errors import (
    CheckpointError,
    UnsupportedError,
    shortened,
)
from tfckpt_reader.graph.attributes import name_text
from tfckpt_reader.graph.contexts import decode_cond, decode_queue_runner, decode_while

if TYPE_CHECKING:
    from collections.abc import Callable


_VERSIONS = ("LEGACY", "V1", "V2")
VARIABLE_COLLECTIONS = (
    "variables",
    "trainable_variables",
    "local_variables",
    "model_variables",
    "moving_average_variables",
    "metric_variables",
    "global_step",
)
"""Collections whose bytes are the definitions of variables."""
_ASSET = "/tensorflow.AssetFileDef"
MOST_VALUES = 1 << 20
"""Values that a collection is taken to have: two bytes can claim to be one."""


@dataclass(frozen=True, slots=True)
class Saver:
    """How a Saver of TensorFlow 1 was set up."""

    version: str
    """"LEGACY", "V1", "V2", or the number of a version that is not known."""
    max_to_keep: int
    """Checkpoints to keep; 0: all."""
    keep_checkpoint_every_n_hours: float
    sharded: bool
    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """Which piece of a partitioned variable a variable is."""

    full_name: str
    full_shape: tuple[int, ...]
    offset: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VariableDefinition:
    """An entry of one of the collections of variables; names as TensorFlow wrote them."""

    variable_name: str
    initializer_name: str
    snapshot_name: str
    initial_value_name: str
    is_resource: bool
    trainable: bool
    """Not to be relied on: being in `trainable_variables` is what counts."""
    slice: SliceInfo | None


@dataclass(frozen=True, slots=True)
class AnyValue:
    """A message of a kind that is not decoded here."""

    type_url: str
    value: bytes | None
    """None where none is stored, or where a text spells the message out."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that belongs to a SavedModel."""

    filename: str
    """Below its folder ``assets``."""
    tensor_name: str
    """The tensor that is fed its path."""


def decode_asset(data: bytes | memoryview) -> Asset:
    """Decode an AssetFileDef."""
    message = parse("Asset", data)
    return Asset(name_text(message.filename), name_text(message.tensor_info.name))


def decode_saver(data: bytes | memoryview) -> Saver:
    """Decode a SaverDef."""
    message = parse("Saver", data)
    number = message.version
    return Saver(
        _VERSIONS[number] if 0 <= number < len(_VERSIONS) else str(number),
        message.max_to_keep,
        message.keep_checkpoint_every_n_hours,
        message.sharded,
        name_text(message.filename_tensor_name),
        name_text(message.save_tensor_name),
        name_text(message.restore_op_name),
    )


def decode_variable(data: bytes) -> VariableDefinition:
    """Decode a VariableDef."""
    message = parse("Variable", data)
    piece = message.save_slice_info_def
    return VariableDefinition(
        name_text(message.variable_name),
        name_text(message.initializer_name),
        name_text(message.snapshot_name),
        name_text(message.initial_value_name),
        message.is_resource,
        message.trainable,
        SliceInfo(
            name_text(piece.full_name),
            tuple(piece.full_shape),
            tuple(piece.var_offset),
            tuple(piece.var_shape),
        )
        if message.HasField("save_slice_info_def")
        else None,
    )


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


class Collections(Mapping[str, list[Any]]):
    """Name of a collection -> its values, decoded at each access.

    `VariableDefinition`, `Saver`, `Asset`, `AnyValue`, and what is in contexts.py; str for names of
    nodes and tensors, int, float; bytes where a value is a message that is not decoded here, or a
    user's own bytes.

    Raises:
        CheckpointError: on access, where a value cannot be right, or there are more than a
            million; it names the collection.
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
        """Return how many values a collection has, without decoding them."""
        return len(self._values(name)[1])

    def _values(self, name: str) -> tuple[str, Sequence[Any]]:
        message = parse("Collection", self._stored[name])
        kind = message.WhichOneof("kind")
        return kind or "", getattr(message, kind).value if kind else ()

    def __getitem__(self, name: str) -> list[Any]:
        try:
            kind, values = self._values(name)
            if len(values) > MOST_VALUES:
                most, got = f"at most {MOST_VALUES:,}", f"{len(values):,}"
                problem = "has more values than are listed here"
                raise UnsupportedError(problem, expected=most, got=got)
            decode = _BYTES.get(name, bytes) if kind == "bytes_list" else _KINDS.get(kind, bytes)
            return [decode(value) for value in values]
        except CheckpointError as error:
            error.file, error.structure = self._file, f"collection {shortened(name)!r}"
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __repr__(self) -> str:
        return f"<Collections: {', '.join(self._stored)}>"
