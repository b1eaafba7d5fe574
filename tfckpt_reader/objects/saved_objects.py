"""The variables in the object graph of a SavedModel, and the keys of their values.

Knows no file. FORMAT 6.6; TensorFlow ``core/protobuf/saved_object_graph.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.encoding.wire_format import fields, split_fields
from tfckpt_reader.objects.paths import VALUE, shortest_paths
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, data_type, partial_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NODES, _FUNCTIONS = 1, 2
_BOUND = 2
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
    paths = _paths(nodes)
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


def captured_keys(data: bytes | memoryview) -> dict[str, list[str | None]]:
    """Return name of a function -> the keys of the objects that it captures, in its order.

    They are its last inputs. A key is None for an object that is no variable, or has no path.
    TensorFlow ``core/protobuf/saved_object_graph.proto``, SavedConcreteFunction.

    Raises:
        CheckpointError: as for `decode_saved_variables`.
    """
    (_, functions), _ = split_fields(memoryview(data), (_NODES, _FUNCTIONS), MOST_OBJECTS)
    nodes = parse("SavedObjects", data).nodes
    paths = _paths(nodes)
    keys = {n: path + VALUE for n, path in paths.items() if nodes[n].HasField("variable")}
    captured: dict[str, list[str | None]] = {}
    for begin, end in zip(functions[::2], functions[1::2], strict=True):
        entry = parse("Entry", memoryview(data)[begin:end])
        numbers = _captured(memoryview(entry.value))
        captured[name_text(entry.key)] = [keys.get(number) for number in numbers]
    return captured


def _captured(function: memoryview) -> Iterator[int]:
    """Yield the numbers of the objects that a function captures, packed or not."""
    for field, _, value in fields(function):
        if field == _BOUND and isinstance(value, int):
            yield value
        elif field == _BOUND and not isinstance(value, int):
            offset = 0
            while offset < len(value):
                number, offset = decode_varint(value, offset, len(value))
                yield number


def _paths(nodes: Sequence[Any]) -> Mapping[int, str]:
    return shortest_paths(
        len(nodes),
        lambda number: ((child.node_id, child.local_name) for child in nodes[number].children),
        (
            (number, slot.original_variable_node_id, slot.slot_name, slot.slot_variable_node_id)
            for number, node in enumerate(nodes)
            for slot in node.slot_variables
        ),
    )
