"""Variables as collections hold them.

Rank 7: knows no graph and no file. FORMAT 5.3, 5.4; TensorFlow ``core/framework/variable.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass

from tfckpt_reader._protos import parse
from tfckpt_reader.graph.attributes import name_text

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
