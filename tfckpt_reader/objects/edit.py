"""Object graphs of checkpoints that are written: edited ones, and new ones.

Knows no file. FORMAT 6.2, 6.3; TensorFlow ``core/protobuf/trackable_object_graph.proto``,
``python/checkpoint/save_util.py``. TensorFlow restores by the names of children: a key that moves
to another path takes its object along.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.objects.paths import (
    ATTRIBUTES,
    SLOT,
    VALUE,
    VARIABLE,
    escaped,
    joined,
    unescaped,
)
from tfckpt_reader.protobuf import message_class, parse
from tfckpt_reader.tensor.names import key_of, name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container


Tree = Mapping[str, Any]


class _Move(NamedTuple):
    """An object, and all below it, at another path; names from the root on."""

    before: tuple[str, ...]
    after: tuple[str, ...]


def edited_graph(data: bytes, keys: Container[str], new_keys: Mapping[str, str]) -> bytes:
    """Return the object graph of a checkpoint with fewer tensors, or under other keys.

    An object without the values it had leaves the graph; so does a value whose new key is none of
    an object, as TensorFlow would not restore it. One whose key has another path is the child of
    that path. Everything else stays.

    Args:
        data: The graph.
        keys: Keys of all tensors of its checkpoint.
        new_keys: Key of each tensor that stays -> its new key.

    Raises:
        CorruptCheckpointError: the bytes are no such message.
        UnsupportedError: another object has the new path of one, or the keys of one object's
            tensors change in different ways.
    """
    graph = parse("TrackedObjects", data)
    _require_sound(graph.nodes)
    gone = _rename_values(graph.nodes, keys, new_keys)
    for node in graph.nodes:
        _keep(node.children, lambda child: child.node_id not in gone)
        _keep(
            node.slot_variables,
            lambda slot: not gone & {slot.original_variable_node_id, slot.slot_variable_node_id},
        )
    moves = _moves(new_keys)
    moved = [(move.after, _unlink(graph.nodes, move.before)) for move in moves]
    for after, number in moved:
        if number is not None:
            _link(graph.nodes, after, number)
    return _finished(graph)


def new_graph(tree: Tree) -> tuple[bytes, dict[str, Any]]:
    """Return the object graph of nested dictionaries, and their leaves by the keys they get.

    The keys are those that TensorFlow gives: it restores no others. A leaf that is a str is the
    name of a variable; where it occurs again it is the same object.
    """
    graph = message_class("TrackedObjects")()
    leaves: dict[str, Any] = {}
    variables: dict[str, int] = {}

    def add(branch: Any, path: str) -> int:
        if isinstance(branch, str) and branch in variables:
            return variables[branch]
        number = len(graph.nodes)
        node = graph.nodes.add()
        if not isinstance(branch, Mapping):
            key = path + VALUE
            leaves[key] = branch
            node.attributes.add(name=key_of(VARIABLE), checkpoint_key=key_of(key))
            if isinstance(branch, str):
                variables[branch] = number
                node.attributes[0].full_name = key_of(branch)
            return number
        for name, below in branch.items():
            target = add(below, joined(path, escaped(name)))
            graph.nodes[number].children.add(node_id=target, local_name=key_of(name))
        return number

    add(tree, "")
    return _finished(graph), leaves


def _require_sound(nodes: Any) -> None:
    numbers = range(len(nodes))
    for node in nodes:
        ends = [child.node_id for child in node.children]
        for slot in node.slot_variables:
            ends += (slot.original_variable_node_id, slot.slot_variable_node_id)
        if not all(end in numbers for end in ends):
            raise CorruptCheckpointError("the object graph names an object that it does not have")


def _rename_values(nodes: Any, keys: Container[str], new_keys: Mapping[str, str]) -> set[int]:
    """Give values their new keys, remove those that are gone; return the objects left without."""
    ordered, gone = sorted(new_keys), set()
    for number, node in enumerate(nodes):
        had = len(node.attributes)
        for value in node.attributes:
            key = name_text(value.checkpoint_key)
            new = new_keys.get(key, "") if key in keys else _new_start(key, new_keys, ordered)
            value.checkpoint_key = key_of(new) if ATTRIBUTES in new else b""
        _keep(node.attributes, lambda value: value.checkpoint_key)
        if had and not node.attributes and not node.children:
            gone.add(number)
    return gone


def _new_start(start: str, new_keys: Mapping[str, str], ordered: list[str]) -> str:
    """Return the new beginning of the keys of a table's or an iterator's tensors; "" without any.

    Args:
        start: Their old beginning.
        new_keys: As for `edited_graph`.
        ordered: Its keys in order.
    """
    found = set()
    for key in ordered[bisect_left(ordered, start) :]:
        if not start or not key.startswith(start):
            break
        rest, new = key[len(start) :], new_keys[key]
        found.add(new.removesuffix(rest) if new.endswith(rest) else "")
    if len(found) > 1 or found == {""}:
        raise UnsupportedError(f"the tensors of the object {start!r} get keys that do not agree")
    return found.pop() if found else ""


def _moves(new_keys: Mapping[str, str]) -> list[_Move]:
    """Return the largest moves of objects that give all keys their new paths."""
    paths = {}
    for key, new_key in new_keys.items():
        (before, name), (after, new_name) = _path(key), _path(new_key)
        if before and after and name == new_name:
            paths[before] = after
    ordered, targets = sorted(paths), sorted(paths.values())

    @cache
    def is_right(move: _Move) -> bool:
        """Return whether all values in the object get its new path, and no others do."""
        inside, depth = _inside(ordered, move.before), len(move.before)
        return len(inside) == len(_inside(targets, move.after)) and all(
            paths[path] == move.after + path[depth:] for path in inside
        )

    changed = ((before, after) for before, after in paths.items() if before != after)
    return list(dict.fromkeys(_largest(*each, is_right) for each in changed))


def _path(key: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the children on the path in a key, and the name of the value."""
    path, _, name = key.partition(ATTRIBUTES)
    if not name or SLOT in path:
        return (), ""
    return tuple(map(unescaped, path.split("/"))), name


def _inside(ordered: list[tuple[str, ...]], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the paths that begin with a path."""
    after = (*path[:-1], path[-1] + "\0")
    return ordered[bisect_left(ordered, path) : bisect_left(ordered, after)]


def _largest(
    before: tuple[str, ...], after: tuple[str, ...], is_right: Callable[[_Move], bool]
) -> _Move:
    """Return the move of the largest object on a path of which all values move alike."""
    same = 0
    while same < min(len(before), len(after)) - 1 and before[-1 - same] == after[-1 - same]:
        same += 1
    moves = (_Move(before[:-size], after[:-size]) for size in range(same, 0, -1))
    return next(filter(is_right, moves), _Move(before, after))


def _unlink(nodes: Any, path: tuple[str, ...]) -> int | None:
    """Remove the last child on a path; return its number, or None if there is no such path."""
    parent = number = 0
    for name in path:
        child = _child(nodes[number], name)
        if child is None:
            return None
        parent, number = number, child
    last = key_of(path[-1])
    _keep(nodes[parent].children, lambda child: child.local_name != last)
    return number


def _link(nodes: Any, path: tuple[str, ...], number: int) -> None:
    """Make an object the last child on a path; missing ones are made."""
    parent = 0
    for name in path[:-1]:
        child = _child(nodes[parent], name)
        if child is None:
            child = len(nodes)
            nodes.add()
            nodes[parent].children.add(node_id=child, local_name=key_of(name))
        parent = child
    if _child(nodes[parent], path[-1]) is not None:
        raise UnsupportedError(f"there is another object at {'/'.join(path)!r}")
    nodes[parent].children.add(node_id=number, local_name=key_of(path[-1]))


def _child(node: Any, name: str) -> int | None:
    local_name = key_of(name)
    found = (child.node_id for child in node.children if child.local_name == local_name)
    return next(found, None)


def _keep(repeated: Any, wanted: Any) -> None:
    """Remove the elements of a repeated field that are not wanted."""
    for i in reversed(range(len(repeated))):
        if not wanted(repeated[i]):
            del repeated[i]


def _finished(graph: Any) -> bytes:
    """Return a graph without the objects that nothing leads to, and say which hold values."""
    nodes = graph.nodes
    parents: dict[int, set[int]] = defaultdict(set)
    reached, waiting = {0} if len(nodes) else set(), [0] if len(nodes) else []
    while waiting:
        number = waiting.pop()
        children = [child.node_id for child in nodes[number].children]
        for child in children:
            parents[child].add(number)
        slots = [slot.slot_variable_node_id for slot in nodes[number].slot_variables]
        new = {*children, *slots} - reached
        reached |= new
        waiting += new
    with_values = {number for number in reached if _has_values(nodes[number])}
    waiting = list(with_values)
    while waiting:
        new = parents[waiting.pop()] - with_values
        with_values |= new
        waiting += new
    return _renumbered(nodes, sorted(reached), with_values)


def _has_values(node: Any) -> bool:
    return bool(node.attributes or node.slot_variables or node.HasField("registered_saver"))


def _renumbered(nodes: Any, order: list[int], with_values: set[int]) -> bytes:
    """Return the graph of some objects, by their old numbers."""
    new_number = {number: i for i, number in enumerate(order)}
    result = message_class("TrackedObjects")()
    for number in order:
        node = result.nodes.add()
        node.CopyFrom(nodes[number])
        node.has_checkpoint_values.value = number in with_values
        _keep(node.slot_variables, lambda slot: slot.original_variable_node_id in new_number)
        for child in node.children:
            child.node_id = new_number[child.node_id]
        for slot in node.slot_variables:
            slot.original_variable_node_id = new_number[slot.original_variable_node_id]
            slot.slot_variable_node_id = new_number[slot.slot_variable_node_id]
    data: bytes = result.SerializeToString(deterministic=True)
    return data
