"""Values of TensorFlow 1 in collections: savers, variables, queue runners, control flow.

Knows no graph. FORMAT 5.2 to 5.4; TensorFlow ``core/protobuf/saver.proto``,
``core/framework/variable.proto``, ``core/protobuf/queue_runner.proto``, ``control_flow.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text

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


def decode_saver(data: bytes | memoryview) -> Saver:
    """Decode a SaverDef."""
    message = parse("Saver", data)
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


def decode_variable(data: bytes) -> VariableDefinition:
    """Decode a VariableDef."""
    message = parse("Variable", data)
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


def decode_queue_runner(data: bytes) -> QueueRunner:
    """Decode a QueueRunnerDef."""
    message = parse("QueueRunner", data)
    return QueueRunner(
        name_text(message.queue_name),
        _names(message.enqueue_op_name),
        name_text(message.close_op_name),
        name_text(message.cancel_op_name),
        tuple(message.queue_closed_exception_types),
    )


def decode_cond(data: bytes) -> CondContext:
    """Decode a CondContextDef."""
    return _cond(parse("CondContext", data), 0)


def decode_while(data: bytes) -> WhileContext:
    """Decode a WhileContextDef."""
    return _while(parse("WhileContext", data), 0)


def _cond(message: Any, depth: int) -> CondContext:
    return CondContext(
        name_text(message.context_name),
        name_text(message.pred_name),
        name_text(message.pivot_name),
        message.branch,
        _names(message.values_def.values),
        _externals(message.values_def),
        _nested(message, depth),
    )


def _while(message: Any, depth: int) -> WhileContext:
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
        _names(message.values_def.values),
        _externals(message.values_def),
        _nested(message, depth),
    )


def _nested(message: Any, depth: int) -> tuple[Context, ...]:
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
    return tuple(contexts)


def _names(names: Any) -> tuple[str, ...]:
    return tuple(map(name_text, names))


def _externals(values: Any) -> dict[str, str]:
    return {name_text(entry.key): name_text(entry.value) for entry in values.external_values}
