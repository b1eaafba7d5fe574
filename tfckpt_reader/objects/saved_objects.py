"""The variables in the object graph of a SavedModel, and the keys of their values.

Knows no file. FORMAT 6.6; TensorFlow ``core/protobuf/saved_object_graph.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass

from tfckpt_reader.encoding.wire_format import split_fields
from tfckpt_reader.objects.paths import VALUE, shortest_paths
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, data_type, partial_shape

_NODES = 1
MOST_OBJECTS = 1 << 20


@dataclass(frozen=True, slots=True)
class SavedVariable:
    """A variable of the object graph."""

    name: str
    dtype: DataType
    shape: PartialShape
    trainable: bool
    device: str
    key: str | None
    """Key of its value; None if no path leads to it."""


def decode_saved_variables(data: bytes | memoryview) -> tuple[SavedVariable, ...]:
    """Return the variables of a SavedObjectGraph, in the order of its nodes.

    Raises:
        CorruptCheckpointError: the bytes are no such message.
        UnsupportedError: more than a million objects, or too long paths.
    """
    split_fields(memoryview(data), (_NODES,), MOST_OBJECTS)  # a limit before the memory is used
    nodes = parse("SavedObjects", data).nodes
    paths = shortest_paths(
        len(nodes),
        lambda number: ((child.node_id, child.local_name) for child in nodes[number].children),
        (
            (number, slot.original_variable_node_id, slot.slot_name, slot.slot_variable_node_id)
            for number, node in enumerate(nodes)
            for slot in node.slot_variables
        ),
    )
    return tuple(
        SavedVariable(
            name_text(variable.name),
            data_type(variable.dtype),
            partial_shape(variable.shape) if variable.HasField("shape") else None,
            variable.trainable,
            name_text(variable.device),
            paths[number] + VALUE if number in paths else None,
        )
        for number, variable in enumerate(node.variable for node in nodes)
        if nodes[number].HasField("variable")
    )
