"""Object graphs: the variables of a SavedModel, and the keys of stored values.

Knows no file. FORMAT 6.2, 6.3, 6.6; TensorFlow
``core/protobuf/saved_object_graph.proto``, ``trackable_object_graph.proto``.

A key is the shortest path from the root to the variable, the first in the order of the file; an
optimizer's slot has a path below its variable's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.encoding.wire_format import fields, split_fields
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, data_type, partial_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Key of the object graph: the structure of the saved Python objects, and no weight."""
_NODES = 1
"""Field of both kinds of object graph."""
_FUNCTIONS, _BOUND = 2, 2
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
MOST_OBJECTS = 1 << 20
# A chain of n nodes has paths of n² letters, and many nodes may share a long path.
_LONGEST_PATH = 1 << 16
MOST_LETTERS = 1 << 27
"""Limit on the letters of all paths together."""


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
            paths[number] + _VALUE if number in paths else None,
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
    keys = {n: path + _VALUE for n, path in paths.items() if nodes[n].HasField("variable")}
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


def tracked_keys(data: memoryview) -> Iterator[str]:
    """Yield the keys in a checkpoint's own TrackableObjectGraph, in its order.

    One object is decoded at a time: a graph of 10^5 objects is large.

    Raises:
        CorruptCheckpointError: the bytes are no such message.
    """
    for field, _, node in fields(data):
        if field == _NODES and not isinstance(node, int):
            for value in parse("TrackedObjects.Object", node).attributes:
                yield name_text(value.checkpoint_key)


class _Paths(dict[int, str]):
    """Number of a node -> its path; of bounded length, each and all together."""

    letters = 0

    def add(self, number: int, path: str) -> bool:
        """Add the path of a node without one; return whether it was added."""
        if number in self or len(path) > _LONGEST_PATH:
            return False
        self.letters += len(path)
        if self.letters > MOST_LETTERS:
            raise UnsupportedError(
                "the paths of its objects are longer together than is supported here",
                structure="SavedObjectGraph",
                expected=f"at most {MOST_LETTERS:,} letters",
            )
        self[number] = path
        return True


def _paths(nodes: Any) -> _Paths:
    """Return the path of each node reachable from the root, breadth first, then of slots."""
    paths = _Paths()
    if not len(nodes):
        return paths
    waiting = deque([0])
    paths[0] = ""
    while waiting:
        number = waiting.popleft()
        for child in nodes[number].children:
            if child.node_id in paths or not 0 <= child.node_id < len(nodes):
                continue
            name = _escaped(child.local_name)
            if paths.add(child.node_id, f"{paths[number]}/{name}" if number else name):
                waiting.append(child.node_id)
    for number in tuple(paths):
        for slot in nodes[number].slot_variables:
            variable, target = paths.get(slot.original_variable_node_id), slot.slot_variable_node_id
            if variable is None or target in paths or not 0 <= target < len(nodes):
                continue
            name = f"{paths[number]}/{_escaped(slot.slot_name)}"
            paths.add(target, f"{variable}/.OPTIMIZER_SLOT/{name}")
    return paths


def _escaped(name: bytes) -> str:
    return name_text(name).replace(".", "..").replace("/", ".S")
