"""The collections of a MetaGraphDef, decoded; savers and variables as TensorFlow's classes say.

Rank 4: knows no graph. FORMAT 5.2 to 5.4; TensorFlow ``core/protobuf/meta_graph.proto``,
``saver.proto``, ``core/framework/variable.proto``.

The collection's name tells what the bytes in it are: those of variables hold VariableDefs,
``savers`` SaverDefs. A collection of another name that holds bytes is given as bytes, and names
of tensors and operations as str.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.spec import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE_COLLECTIONS = (
    "variables",
    "trainable_variables",
    "local_variables",
    "model_variables",
    "moving_average_variables",
    "metric_variables",
    "global_step",
)
_SAVER_VERSIONS = {0: "LEGACY", 1: "V1", 2: "V2"}


@dataclass(frozen=True, slots=True)
class Saver:
    """The settings of a ``tf.train.Saver``."""

    version: str
    """Format it writes: "LEGACY", "V1" or "V2"."""
    max_to_keep: int
    """Checkpoints kept; 0 for all."""
    keep_checkpoint_every_n_hours: float
    sharded: bool
    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """Which piece of a partitioned variable a variable is."""

    full_name: str
    """Name of the whole."""
    full_shape: tuple[int, ...]
    offset: tuple[int, ...]
    """Index of its first element in the whole, per axis."""
    shape: tuple[int, ...]
    """Elements per axis."""


@dataclass(frozen=True, slots=True)
class VariableDef:
    """A variable as a collection describes it."""

    name: str
    """``scope/w:0``."""
    initializer: str
    """Operation that sets it: ``scope/w/Assign``."""
    initial_value: str
    """Tensor that it is set to; "" where old files have none."""
    snapshot: str
    """Tensor of its value: ``scope/w/read:0``."""
    is_resource: bool
    trainable: bool
    """As stored; not to be relied on. The collection ``trainable_variables`` tells."""
    slice_info: SliceInfo | None


@dataclass(frozen=True, slots=True)
class QueueRunner:
    """Threads that fill a queue."""

    queue: str
    enqueue_ops: tuple[str, ...]
    close_op: str
    cancel_op: str


@dataclass(frozen=True, slots=True)
class ControlFlowContext:
    """A ``cond`` or a ``while_loop`` of TensorFlow 1."""

    name: str


@dataclass(frozen=True, slots=True)
class AnyValue:
    """A message of some type."""

    type_url: str
    value: bytes


def saver_of(message: Any) -> Saver:
    """Return the settings in a SaverDef message."""
    return Saver(
        _SAVER_VERSIONS.get(message.version, str(message.version)),
        message.max_to_keep,
        message.keep_checkpoint_every_n_hours,
        message.sharded,
        name_of(message.filename_tensor_name),
        name_of(message.save_tensor_name),
        name_of(message.restore_op_name),
    )


def _variable(raw: bytes) -> VariableDef:
    found = parse("VariableDef", raw)
    info = None
    if found.HasField("save_slice_info_def"):
        part = found.save_slice_info_def
        info = SliceInfo(
            name_of(part.full_name),
            tuple(part.full_shape),
            tuple(part.var_offset),
            tuple(part.var_shape),
        )
    return VariableDef(
        name_of(found.variable_name),
        name_of(found.initializer_name),
        name_of(found.initial_value_name),
        name_of(found.snapshot_name),
        found.is_resource,
        found.trainable,
        info,
    )


def _queue_runner(raw: bytes) -> QueueRunner:
    found = parse("QueueRunnerDef", raw)
    return QueueRunner(
        name_of(found.queue_name),
        tuple([name_of(name) for name in found.enqueue_op_name]),
        name_of(found.close_op_name),
        name_of(found.cancel_op_name),
    )


def _context(raw: bytes) -> ControlFlowContext:
    return ControlFlowContext(name_of(parse("ContextDef", raw).context_name))


def _any_value(raw: bytes) -> AnyValue:
    found = parse("Any", raw)
    return AnyValue(name_of(found.type_url), found.value)


_CONTENTS: dict[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(VARIABLE_COLLECTIONS, _variable),
    "savers": lambda raw: saver_of(parse("SaverDef", raw)),
    "queue_runners": _queue_runner,
    "cond_context": _context,
    "while_context": _context,
}


def decode_collection(name: str, raw: bytes) -> list[Any]:
    """Return what a serialized CollectionDef holds.

    Raises:
        CorruptCheckpointError: it, or something in it, is not what its name says.
    """
    try:
        found = parse("CollectionDef", raw)
        kind = found.WhichOneof("kind")
        if kind is None:
            return []
        values = getattr(found, kind).value
        if kind in ("int64_list", "float_list"):
            return list(values)
        if kind == "node_list":
            return [name_of(value) for value in values]
        if kind == "any_list":
            return [_any_value(value) for value in values]
        decode = _CONTENTS.get(name, bytes)
        return [decode(value) for value in values]
    except CorruptCheckpointError as error:
        within = f": {error.structure}" if error.structure else ""
        error.structure = f"collection {name!r}{within}"
        raise
