"""Collections of a graph: names of nodes, numbers, messages, and a user's own bytes.

Knows no graph. FORMAT 5.2 to 5.4; TensorFlow ``core/protobuf/meta_graph.proto``, ``saver.proto``,
``queue_runner.proto``, ``control_flow.proto``, ``core/framework/variable.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
    UnsupportedError,
    enough_memory,
)
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

_ASSET = "/tensorflow.AssetFileDef"
MOST_VALUES = 1 << 20
"""Limit on the values of a collection: two bytes can claim to be one."""
VARIABLE_COLLECTIONS = (
    "variables",
    "trainable_variables",
    "local_variables",
    "model_variables",
    "moving_average_variables",
    "metric_variables",
    "global_step",
)
"""Collections of VariableDef messages."""
_SAVER_VERSIONS = ("LEGACY", "V1", "V2")
_DEEPEST = 50
"""Limit on nested contexts: each is two messages, and protobuf allows a hundred."""


@dataclass(frozen=True, slots=True)
class Saver:
    """The configuration of a Saver."""

    version: str
    """"LEGACY", "V1", "V2", or the number of an unknown version."""
    max_to_keep: int
    """Checkpoints to keep; 0: all."""
    keep_checkpoint_every_n_hours: float
    sharded: bool
    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """The position of a slice in a partitioned variable."""

    full_name: str
    full_shape: tuple[int, ...]
    offset: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VariableDefinition:
    """A VariableDef; names as TensorFlow wrote them."""

    variable_name: str
    initializer_name: str
    snapshot_name: str
    initial_value_name: str
    is_resource: bool
    trainable: bool
    """Unreliable: a trainable variable is one in the collection `trainable_variables`."""
    slice: SliceInfo | None


@dataclass(frozen=True, slots=True)
class QueueRunner:
    """The operations that fill a queue; names of operations, and of the queue."""

    queue_name: str
    enqueue_op_names: tuple[str, ...]
    close_op_name: str
    cancel_op_name: str
    queue_closed_exception_types: tuple[int, ...]
    """Codes of errors that mean the end of the queue, not a failure."""


@dataclass(frozen=True, slots=True)
class CondContext:
    """One branch of a `tf.cond`; names of tensors."""

    name: str
    pred_name: str
    pivot_name: str
    branch: int
    """1 for the branch of a true predicate, else 0."""
    values: tuple[str, ...]
    """Tensors created inside or passed in."""
    external_values: Mapping[str, str]
    """Tensor outside -> its name inside."""
    nested: tuple[Context, ...]


@dataclass(frozen=True, slots=True)
class WhileContext:
    """A `tf.while_loop`; names of tensors."""

    name: str
    parallel_iterations: int
    back_prop: bool
    swap_memory: bool
    pivot_name: str
    pivot_for_pred_name: str
    pivot_for_body_name: str
    loop_enter_names: tuple[str, ...]
    loop_exit_names: tuple[str, ...]
    maximum_iterations_name: str
    """ "" for a loop without a limit."""
    values: tuple[str, ...]
    external_values: Mapping[str, str]
    nested: tuple[Context, ...]


Context: TypeAlias = "CondContext | WhileContext"


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


def decode_saver(message: Any) -> Saver:
    """Decode a SaverDef."""
    number = message.version
    return Saver(
        _SAVER_VERSIONS[number] if 0 <= number < len(_SAVER_VERSIONS) else str(number),
        message.max_to_keep,
        message.keep_checkpoint_every_n_hours,
        message.sharded,
        name_text(message.filename_tensor_name),
        name_text(message.save_tensor_name),
        name_text(message.restore_op_name),
    )


def _variable(message: Any) -> VariableDefinition:
    info = message.save_slice_info_def
    return VariableDefinition(
        name_text(message.variable_name),
        name_text(message.initializer_name),
        name_text(message.snapshot_name),
        name_text(message.initial_value_name),
        message.is_resource,
        message.trainable,
        SliceInfo(
            name_text(info.full_name),
            tuple(info.full_shape),
            tuple(info.var_offset),
            tuple(info.var_shape),
        )
        if message.HasField("save_slice_info_def")
        else None,
    )


def _queue_runner(message: Any) -> QueueRunner:
    return QueueRunner(
        name_text(message.queue_name),
        _names(message.enqueue_op_name),
        name_text(message.close_op_name),
        name_text(message.cancel_op_name),
        tuple(message.queue_closed_exception_types),
    )


def _cond(message: Any, depth: int = 0) -> CondContext:
    return CondContext(
        name_text(message.context_name),
        name_text(message.pred_name),
        name_text(message.pivot_name),
        message.branch,
        *_inside(message, depth),
    )


def _while(message: Any, depth: int = 0) -> WhileContext:
    return WhileContext(
        name_text(message.context_name),
        message.parallel_iterations,
        message.back_prop,
        message.swap_memory,
        name_text(message.pivot_name),
        name_text(message.pivot_for_pred_name),
        name_text(message.pivot_for_body_name),
        _names(message.loop_enter_names),
        _names(message.loop_exit_names),
        name_text(message.maximum_iterations_name),
        *_inside(message, depth),
    )


def _inside(
    message: Any, depth: int
) -> tuple[tuple[str, ...], dict[str, str], tuple[Context, ...]]:
    """Return the values, the external values and the nested contexts of a context."""
    if depth == _DEEPEST and len(message.nested_contexts):
        raise CorruptCheckpointError(
            "its contexts are nested too deeply", expected=f"at most {_DEEPEST} levels"
        )
    contexts: list[Context] = []
    for each in message.nested_contexts:
        kind = each.WhichOneof("ctxt")
        if kind == "cond_ctxt":
            contexts.append(_cond(each.cond_ctxt, depth + 1))
        elif kind == "while_ctxt":
            contexts.append(_while(each.while_ctxt, depth + 1))
    inner, outer = message.values_def.values, message.values_def.external_values
    externals = {name_text(entry.key): name_text(entry.value) for entry in outer}
    return _names(inner), externals, tuple(contexts)


def _names(names: Any) -> tuple[str, ...]:
    return tuple(map(name_text, names))


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
_BYTES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(VARIABLE_COLLECTIONS, ("Variable", _variable)),
    "savers": ("Saver", decode_saver),
    "queue_runners": ("QueueRunner", _queue_runner),
    "cond_context": ("CondContext", _cond),
    "while_context": ("WhileContext", _while),
}
"""Collection -> the message in its bytes, and the decoder."""


class Collections(Mapping[str, list[Any]]):
    """Name of a collection -> its values, decoded at each access.

    str for names of nodes and tensors, int, float, or a class of this module; bytes for messages
    unknown here and for a user's own bytes.

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
            if kind == "bytes_list" and name in _BYTES:
                message, decode = _BYTES[name]
                return [decode(parse(message, value)) for value in values]
            return list(map(_KINDS.get(kind, bytes), values))

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __repr__(self) -> str:
        return f"<Collections: {', '.join(self._stored)}>"
