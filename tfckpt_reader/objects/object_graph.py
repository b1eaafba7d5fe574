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
from dataclasses import dataclass, field
from functools import cached_property
from sys import intern
from typing import Any, NamedTuple, overload

from tfckpt_reader.encoding.wire_format import fields, split_fields
from tfckpt_reader.errors import CheckpointError, add_location
from tfckpt_reader.objects.paths import OBJECT_GRAPH, escaped, joined, shortest_paths
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text

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


class Node(NamedTuple):
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
    ends: array[int] = field(default_factory=lambda: array("I", [0]))
    """Of each node, the end of its children among all; before them a 0."""
    children: array[int] = field(default_factory=lambda: array("I"))
    names: list[str] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def children_of(self, number: int) -> Iterator[tuple[int, str]]:
        """Return the children of a node, and their names."""
        ends = slice(self.ends[number], self.ends[number + 1])
        return zip(self.children[ends], self.names[ends], strict=True)


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
        try:
            (self._spans,), _ = split_fields(self._data, (_NODES,), MOST_OBJECTS)
        except CheckpointError as error:
            self._locate(error)
            raise

    def _locate(self, error: CheckpointError) -> None:
        """Name the tensor in an error; offsets in its string mean nothing in a file."""
        error.offset = None
        add_location(error, self._file, tensor=OBJECT_GRAPH)

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
        return _node(self._message(number))

    def _message(self, number: int) -> Any:
        begin, end = self._spans[2 * number], self._spans[2 * number + 1]
        try:
            return parse(_MESSAGE, self._data[begin:end])
        except CheckpointError as error:
            self._locate(error)
            raise

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
        for number in range(count):
            node = self._message(number)
            for child in node.children:
                if 0 <= child.node_id < count:
                    found.children.append(child.node_id)
                    found.names.append(intern(name_text(child.local_name)))
                else:
                    found.problems["children without an object"] += 1
            found.ends.append(len(found.children))
            for attribute in map(_attribute, node.attributes):
                value = Value(number, attribute.name, attribute.full_name)
                if found.values.setdefault(attribute.checkpoint_key, value) is not value:
                    found.problems["repeated keys"] += 1
            for slot in map(_slot, node.slot_variables):
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
        edges = zip(scan.children, scan.names, strict=True)
        lists = {child for child, name in edges if name in _TRAINABLE}
        return frozenset(child for each in lists for child, _ in scan.children_of(each))

    @cached_property
    def paths(self) -> Mapping[int, tuple[str, ...]]:
        """Number of an object with a value -> its escaped paths, the shortest first.

        There is one for each of its parents, by the parent's own shortest path.

        Raises:
            UnsupportedError: they are too long together.
        """
        scan = self._scan
        slots = (
            (optimizer, slot.original_variable_node_id, slot.slot_name, number)
            for number, (optimizer, slot) in scan.slots.items()
        )
        shortest = shortest_paths(len(self), scan.children_of, slots)
        with_value = {value.node for value in scan.values.values()}
        found = {node: {shortest[node]: None} for node in with_value if node in shortest}
        for parent, above in tuple(shortest.items()):
            for child, name in scan.children_of(parent):
                if child in found and (path := joined(above, escaped(name))) not in found[child]:
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


def _attribute(found: Any) -> Attribute:
    return Attribute(*map(name_text, (found.name, found.full_name, found.checkpoint_key)))


def _slot(found: Any) -> Slot:
    name = name_text(found.slot_name)
    return Slot(found.original_variable_node_id, name, found.slot_variable_node_id)


def _node(found: Any) -> Node:
    saver = found.registered_saver
    has_saver = found.HasField("registered_saver")
    has_flag = found.HasField("has_checkpoint_values")
    return Node(
        tuple(Child(each.node_id, name_text(each.local_name)) for each in found.children),
        tuple(map(_attribute, found.attributes)),
        tuple(map(_slot, found.slot_variables)),
        (name_text(saver.name), name_text(saver.object_name)) if has_saver else None,
        found.has_checkpoint_values.value if has_flag else None,
    )
