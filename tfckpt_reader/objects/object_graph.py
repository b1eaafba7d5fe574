"""The object graph of a checkpoint: the saved Python objects, and the keys of their values.

Knows no file and no tensor. FORMAT 6.2; TensorFlow
``core/protobuf/trackable_object_graph.proto``.

Cycles and shared objects are normal. A node is decoded whenever it is asked for: a graph of a
million objects takes little memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, overload

from tfckpt_reader.encoding.wire_format import fields, split_fields
from tfckpt_reader.errors import CheckpointError, add_location
from tfckpt_reader.objects.paths import escaped, joined, shortest_paths
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Key of the object graph: the structure of the saved Python objects, and no weight."""
_NODES = 1
_MESSAGE = "TrackedObjects.Object"
MOST_OBJECTS = 1 << 20
_TRAINABLE = ("_trainable_variables", "trainable_variables")


class Child(NamedTuple):
    """An edge to another object."""

    node_id: int
    local_name: str
    """Attribute, index or dictionary key, without escapes."""


class Attribute(NamedTuple):
    """A saved value of an object."""

    name: str
    """"VARIABLE_VALUE" for a variable."""
    full_name: str
    """Name of the variable, without ``:0``: Keras's `path`; "" for other values."""
    checkpoint_key: str
    """Key of the tensor, or the beginning of the keys of several."""


class Slot(NamedTuple):
    """An optimizer's value for one variable."""

    original_variable_node_id: int
    slot_name: str
    slot_variable_node_id: int


@dataclass(frozen=True, slots=True)
class Node:
    """A saved object."""

    children: tuple[Child, ...]
    attributes: tuple[Attribute, ...]
    slot_variables: tuple[Slot, ...]
    """Of an optimizer."""
    registered_saver: tuple[str, str] | None
    """Name of a saver, and of the object to it; such an object's tensors have keys of any kind."""
    has_checkpoint_values: bool | None
    """Whether it or an object below it has values; None in old files."""


class Value(NamedTuple):
    """The object of a key, and the names of its value."""

    node: int
    name: str
    full_name: str


@dataclass(slots=True)
class _Scan:
    """Facts from one walk over all nodes."""

    values: dict[str, Value] = field(default_factory=dict)
    slots: dict[int, tuple[int, Slot]] = field(default_factory=dict)
    parents: array[int] = field(default_factory=lambda: array("I"))
    children: array[int] = field(default_factory=lambda: array("I"))
    names: list[str] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)


class ObjectGraph(Sequence[Node]):
    """The saved objects; the first is the root.

    Args:
        data: A TrackableObjectGraph.
        file: Path of its checkpoint's index, for errors.

    Raises:
        CorruptCheckpointError: the bytes are no such message; of a node, when it is asked for.
        UnsupportedError: more than a million objects.
    """

    def __init__(self, data: bytes | memoryview, file: str = "") -> None:
        self._data = memoryview(data)
        self._file = file
        with self._located():
            (self._spans,), _ = split_fields(self._data, (_NODES,), MOST_OBJECTS)

    @contextmanager
    def _located(self) -> Iterator[None]:
        """Name the tensor in errors; offsets in its string mean nothing in a file."""
        try:
            yield
        except CheckpointError as error:
            error.offset = None
            add_location(error, self._file, tensor=OBJECT_GRAPH)
            raise

    def __len__(self) -> int:
        return len(self._spans) // 2

    @overload
    def __getitem__(self, number: int) -> Node: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Node]: ...
    def __getitem__(self, number: int | slice) -> Node | Sequence[Node]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"there is no object {number} of {len(self)}")
        begin, end = self._spans[2 * number : 2 * number + 2]
        with self._located():
            return _node(self._data[begin:end])

    @property
    def values(self) -> Mapping[str, Value]:
        """Key -> object and names of its value; the first object that has the key."""
        return self._scan.values

    @property
    def slots(self) -> Mapping[int, tuple[int, Slot]]:
        """Number of a slot's object -> number of its optimizer, and the slot."""
        return self._scan.slots

    @property
    def problems(self) -> tuple[str, ...]:
        """Faults of the graph: references to objects that are not there, keys of two objects."""
        counts = self._scan.problems.items()
        return tuple(f"the object graph has {what}: {count:,}" for what, count in counts)

    @cached_property
    def _scan(self) -> _Scan:
        found, count = _Scan(), len(self)
        for number, node in enumerate(self):
            for target, name in node.children:
                if 0 <= target < count:
                    found.parents.append(number)
                    found.children.append(target)
                    found.names.append(name)
                else:
                    found.problems["children without an object"] += 1
            for name, full_name, key in node.attributes:
                value = Value(number, name, full_name)
                if found.values.setdefault(key, value) is not value:
                    found.problems["repeated keys"] += 1
            for slot in node.slot_variables:
                ends = slot.original_variable_node_id, slot.slot_variable_node_id
                if all(0 <= end < count for end in ends):
                    found.slots.setdefault(slot.slot_variable_node_id, (number, slot))
                else:
                    found.problems["slots without a variable"] += 1
        return found

    @cached_property
    def trainable(self) -> frozenset[int]:
        """Numbers of the objects in lists of trainable variables, which Keras's objects have."""
        scan = self._scan
        lists = {
            child
            for child, name in zip(scan.children, scan.names, strict=True)
            if name in _TRAINABLE
        }
        edges = zip(scan.parents, scan.children, strict=True)
        return frozenset(child for parent, child in edges if parent in lists)

    @cached_property
    def paths(self) -> Mapping[int, tuple[str, ...]]:
        """Number of an object with a value -> its escaped paths, the shortest first.

        There is one for each of its parents, by the parent's own shortest path.

        Raises:
            UnsupportedError: they are too long together.
        """
        shortest, scan = shortest_paths(self), self._scan
        with_value = {value.node for value in scan.values.values()}
        found = {node: {shortest[node]: None} for node in with_value if node in shortest}
        for parent, child, name in zip(scan.parents, scan.children, scan.names, strict=True):
            if child in found and parent in shortest:
                path = joined(shortest[parent], escaped(name))
                if path not in found[child]:
                    shortest.count(path)
                    found[child][path] = None
        return {node: tuple(paths) for node, paths in found.items()}


def tracked_keys(data: memoryview) -> Iterator[str]:
    """Yield the keys in a TrackableObjectGraph, in its order.

    One object is decoded at a time: a graph of 10^5 objects is large.

    Raises:
        CorruptCheckpointError: the bytes are no such message.
    """
    for number, _, node in fields(data):
        if number == _NODES and not isinstance(node, int):
            for value in parse(_MESSAGE, node).attributes:
                yield name_text(value.checkpoint_key)


def _node(data: memoryview) -> Node:
    found = parse(_MESSAGE, data)
    saver = found.registered_saver
    return Node(
        tuple(Child(each.node_id, name_text(each.local_name)) for each in found.children),
        tuple(
            Attribute(*map(name_text, (each.name, each.full_name, each.checkpoint_key)))
            for each in found.attributes
        ),
        tuple(
            Slot(
                each.original_variable_node_id,
                name_text(each.slot_name),
                each.slot_variable_node_id,
            )
            for each in found.slot_variables
        ),
        (name_text(saver.name), name_text(saver.object_name))
        if found.HasField("registered_saver")
        else None,
        found.has_checkpoint_values.value if found.HasField("has_checkpoint_values") else None,
    )
