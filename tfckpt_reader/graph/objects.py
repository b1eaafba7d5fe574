"""Graphs of objects: what an object-based checkpoint, or a SavedModel, was made from.

Rank 6: knows no file. FORMAT 6; TensorFlow ``core/protobuf/trackable_object_graph.proto`` and
``saved_object_graph.proto``.

Node 0 is the root; children have names; nodes are shared and cycles are normal. The key of a value
in the checkpoint is ``path/.ATTRIBUTES/name``, where the path is the shortest way from the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, UnsupportedError, count_of
from tfckpt_reader.graph.attributes import Place, Shape, shape_of
from tfckpt_reader.spec import name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.dtypes import DataType

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VARIABLE_VALUE = "VARIABLE_VALUE"
_LONGEST_PATH = 4096
_MOST_STEPS = 50_000_000


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value of an object that the checkpoint holds."""

    name: str
    """``VARIABLE_VALUE`` for a variable."""
    full_name: str
    """Its name in a checkpoint by names; "" if it has none. Not unique."""
    checkpoint_key: str
    """Its key; of tables and iterators the beginning of several."""


@dataclass(frozen=True, slots=True)
class SlotVariable:
    """A variable that an optimizer keeps for another."""

    variable: int
    """Node of the variable it belongs to."""
    name: str
    node: int
    """Node of the slot variable itself."""


@dataclass(frozen=True, slots=True)
class SavedVariable:
    """A variable as a SavedModel describes it."""

    name: str
    """Without ``:0``."""
    dtype: DataType
    shape: Shape
    trainable: bool
    device: str


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """An object."""

    id: int
    children: tuple[tuple[str, int], ...]
    """Name and node of each, as stored."""
    slots: tuple[SlotVariable, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    """In a checkpoint: its values."""
    kind: str = ""
    """In a SavedModel: "user_object", "variable", "function", …"""
    variable: SavedVariable | None = None
    """In a SavedModel, if it is one."""


def escape(name: str) -> str:
    """Return a name as it stands in a key: ``.`` doubled and ``/`` as ``.S``."""
    return name.replace(".", "..").replace("/", ".S")


class ObjectGraph:
    """The objects of a checkpoint or of a SavedModel.

    Raises:
        CorruptCheckpointError: an object is damaged; says which.
    """

    def __init__(self, nodes: Sequence[ObjectNode]) -> None:
        self.nodes: tuple[ObjectNode, ...] = tuple(nodes)
        self._steps = 0

    @property
    def root(self) -> ObjectNode | None:
        """Node 0."""
        return self.nodes[0] if self.nodes else None

    @cached_property
    def _parents(self) -> dict[int, tuple[int, str]]:
        """Node -> the node it is first reached from, breadth first, and its name there."""
        parents: dict[int, tuple[int, str]] = {}
        reached = {0}
        layer = [0] if self.nodes else []
        while layer:
            below = []
            for here in layer:
                for name, child in self.nodes[here].children:
                    if child not in reached and 0 <= child < len(self.nodes):
                        reached.add(child)
                        parents[child] = (here, name)
                        below.append(child)
            layer = below
        return parents

    def path(self, node: int) -> tuple[str, ...] | None:
        """Return the names on the shortest way from the root to a node; None if there is none.

        Raises:
            UnsupportedError: the way is longer than any object's.
        """
        names: list[str] = []
        while node:
            if node not in self._parents:
                return None
            node, name = self._parents[node]
            names.append(name)
            self._steps += 1
            if len(names) > _LONGEST_PATH or self._steps > _MOST_STEPS:
                raise UnsupportedError("objects lie deeper in each other than is read here")
        return tuple(reversed(names))

    def key(self, path: Sequence[str], attribute: str = VARIABLE_VALUE) -> str:
        """Return the checkpoint key of an attribute of the object at a path."""
        return f"{'/'.join(map(escape, path))}/.ATTRIBUTES/{escape(attribute)}"

    @cached_property
    def keys_by_full_name(self) -> Mapping[str, str]:
        """Full name -> checkpoint key; of equal names the last counts, as for TensorFlow."""
        return {
            attribute.full_name: attribute.checkpoint_key
            for node in self.nodes
            for attribute in node.attributes
            if attribute.full_name
        }

    @cached_property
    def variable_keys(self) -> Mapping[int, str]:
        """Node of a variable -> its checkpoint key, by the rule of paths.

        A slot variable has the path of the variable it belongs to, and of its optimizer.
        """
        found = {}
        for node in self.nodes:
            path = self.path(node.id) if node.variable is not None else None
            if path is not None:
                found[node.id] = self.key(path)
        found.update(self._slot_keys())
        return found

    def _slot_keys(self) -> Iterator[tuple[int, str]]:
        for node in self.nodes:
            optimizer = self.path(node.id) if node.slots else None
            for slot in node.slots:
                variable = self.path(slot.variable)
                if optimizer is None or variable is None:
                    continue
                owner, its = ("/".join(map(escape, path)) for path in (variable, optimizer))
                path = f"{owner}/.OPTIMIZER_SLOT/{its}/{escape(slot.name)}"
                yield slot.node, f"{path}/.ATTRIBUTES/{VARIABLE_VALUE}"

    def matched(self, other: ObjectGraph) -> Mapping[int, int]:
        """Return node -> node of another graph of the same objects, by walking both at once."""
        found = {0: 0} if self.nodes and other.nodes else {}
        waiting = list(found)
        while waiting:
            here = waiting.pop()
            theirs = dict(other.nodes[found[here]].children)
            for name, mine in self.nodes[here].children:
                its = theirs.get(name, -1)
                if mine not in found and _in_range(mine, self, its, other):
                    found[mine] = its
                    waiting.append(mine)
        for node in [self.nodes[here] for here in found if self.nodes[here].slots]:
            slots = other.nodes[found[node.id]].slots
            their_slots = {(slot.variable, slot.name): slot.node for slot in slots}
            for slot in node.slots:
                its = their_slots.get((found.get(slot.variable, -1), slot.name), -1)
                if _in_range(slot.node, self, its, other):
                    found.setdefault(slot.node, its)
        return found

    @property
    def lost_children(self) -> list[tuple[int, str, int]]:
        """Node, name and number of each child that is not there."""
        return [
            (node.id, name, child)
            for node in self.nodes
            for name, child in node.children
            if not 0 <= child < len(self.nodes)
        ]

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<ObjectGraph of {count_of(len(self.nodes), 'object')}>"


def _in_range(mine: int, graph: ObjectGraph, its: int, other: ObjectGraph) -> bool:
    return 0 <= mine < len(graph.nodes) and 0 <= its < len(other.nodes)


def decode_object_graph(raw: bytes, place: Place) -> ObjectGraph:
    """Return the object graph of a checkpoint from a serialized TrackableObjectGraph."""
    return ObjectGraph(_decoded(raw, place, "ObjectNode", _object_node))


def stored_objects(checkpoint: Mapping[str, NDArray[Any]], file: str) -> ObjectGraph | None:
    """Return the object graph that a checkpoint holds; None if it is one by names."""
    if OBJECT_GRAPH_KEY not in checkpoint:
        return None
    stored = checkpoint[OBJECT_GRAPH_KEY]
    if stored.shape != () or stored.dtype != object:
        raise CorruptCheckpointError(
            "the graph of objects is no string", file=file, tensor=OBJECT_GRAPH_KEY
        )
    return decode_object_graph(stored.item(), Place(file))


def decode_saved_objects(raw: bytes, place: Place) -> ObjectGraph:
    """Return the object graph of a SavedModel from a serialized SavedObjectGraph."""
    return ObjectGraph(_decoded(raw, place, "SavedObject", _saved_object))


def _decoded(raw: bytes, place: Place, message: str, make: Any) -> list[ObjectNode]:
    found = []
    try:
        nodes = parse("ObjectGraphDef", raw).nodes
    except CheckpointError as error:
        raise place.located(error, "object graph") from error
    for number, node in enumerate(nodes):
        try:
            found.append(make(number, parse(message, node)))
        except CheckpointError as error:
            raise place.located(error, f"object {number}") from error
    return found


def _children(message: Any) -> tuple[tuple[str, int], ...]:
    return tuple([(name_of(child.local_name), child.node_id) for child in message.children])


def _slots(message: Any) -> tuple[SlotVariable, ...]:
    return tuple(
        [
            SlotVariable(
                slot.original_variable_node_id, name_of(slot.slot_name), slot.slot_variable_node_id
            )
            for slot in message.slot_variables
        ]
    )


def _object_node(number: int, message: Any) -> ObjectNode:
    attributes = [
        Attribute(name_of(a.name), name_of(a.full_name), name_of(a.checkpoint_key))
        for a in message.attributes
    ]
    return ObjectNode(number, _children(message), _slots(message), tuple(attributes))


def _saved_object(number: int, message: Any) -> ObjectNode:
    kind = message.WhichOneof("kind") or ""
    variable = None
    if kind == "variable":
        stored = message.variable
        variable = SavedVariable(
            name_of(stored.name),
            data_type(stored.dtype),
            shape_of(stored.shape),
            stored.trainable,
            name_of(stored.device),
        )
    return ObjectNode(number, _children(message), _slots(message), (), kind, variable)
