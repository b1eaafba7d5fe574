"""What collections hold of the control flow and the queues of TensorFlow 1.

Knows no graph and no file. FORMAT 5.3; TensorFlow ``core/protobuf/control_flow.proto``,
``queue_runner.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text

_DEEPEST = 50
"""Contexts within each other: each is two messages, and protobuf ends at a hundred."""


@dataclass(frozen=True, slots=True)
class QueueRunner:
    """What fills a queue; names of operations, and of the queue."""

    queue_name: str
    enqueue_op_names: tuple[str, ...]
    close_op_name: str
    cancel_op_name: str
    queue_closed_exception_types: tuple[int, ...]
    """Codes of the errors that mean an end of the queue, not a failure."""


@dataclass(frozen=True, slots=True)
class CondContext:
    """One branch of a `tf.cond`; names of tensors."""

    name: str
    pred_name: str
    pivot_name: str
    branch: int
    """1 where the predicate is true, else 0."""
    values: tuple[str, ...]
    """The tensors made within, or taken in."""
    external_values: Mapping[str, str]
    """Tensor outside -> what it is inside."""
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
    """ "" where there is no limit."""
    values: tuple[str, ...]
    external_values: Mapping[str, str]
    nested: tuple[Context, ...]


Context: TypeAlias = "CondContext | WhileContext"


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


def _names(names: Any) -> tuple[str, ...]:
    return tuple(map(name_text, names))


def _externals(values: Any) -> dict[str, str]:
    return {name_text(entry.key): name_text(entry.value) for entry in values.external_values}


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
        raise CorruptCheckpointError("its contexts lie too deep", expected=f"at most {_DEEPEST}")
    found: list[Context] = []
    for each in message.nested_contexts:
        kind = each.WhichOneof("ctxt")
        if kind == "cond_ctxt":
            found.append(_cond(each.cond_ctxt, depth + 1))
        elif kind == "while_ctxt":
            found.append(_while(each.while_ctxt, depth + 1))
    return tuple(found)


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
