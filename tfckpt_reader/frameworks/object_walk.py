"""The saved objects beside the objects of a live model: which weight is which saved value.

Knows no framework: a model is any object with attributes, lists and dictionaries. FORMAT 6.2, 6.6.

The object graph and the model are walked together from a saved object and the model: the child
"cell" of a saved layer belongs to the attribute ``cell`` of the layer. TensorFlow restores so, too
(``checkpoint/restore.py``). Layer names have no part in it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfckpt_reader.objects.object_graph import ObjectGraph

_NUMBERED_LAYER = re.compile(r"layer_with_weights-([0-9]{1,9})")
"""How Keras 2 numbers the layers with weights. It numbers all layers, too, but additions and the
like are layers there and none in Keras 3."""
_SECOND_WAYS = ("optimizer", "variables", "weights")
"""Ends of the names of lists of a model's variables. A list says an order, not an object."""
_NAME_NOW = {"depthwise_kernel": "kernel"}
"""Name of an attribute in Keras 2 -> its name in Keras 3, where a layer lacks the first."""
_MOST_STEPS = 1 << 22


class Walk:
    """Walks over the saved objects and a live model, from any saved object.

    Args:
        graph: The saved objects.
        model: The model.
        weights: Its weights.
    """

    def __init__(self, graph: ObjectGraph, model: object, weights: Sequence[object]) -> None:
        self._graph = graph
        self._model = model
        self._numbers = {id(weight): number for number, weight in enumerate(weights)}
        self._steps = 0

    def bound(self, start: int) -> dict[int, set[int]]:
        """Return number of a weight -> its saved objects, if `start` is the saved model.

        Raises:
            UnsupportedError: more than four million steps in all walks.
        """
        found: dict[int, set[int]] = {}
        # The values keep objects alive that a property made: another could get the same id.
        seen: dict[tuple[int, int], object] = {(start, id(self._model)): self._model}
        waiting = deque([(start, self._model)])
        while waiting:
            node, live = waiting.popleft()
            if id(live) in self._numbers:
                found.setdefault(self._numbers[id(live)], set()).add(node)
                continue
            for target, below in self._pairs(node, live):
                if (target, id(below)) not in seen:
                    seen[target, id(below)] = below
                    waiting.append((target, below))
        return found

    def _pairs(self, node: int, live: object) -> Iterator[tuple[int, object]]:
        """Yield the children of a saved object that the live one has, too."""
        children = self._graph[node].children
        self._steps += 1 + len(children)
        if self._steps > _MOST_STEPS:
            raise UnsupportedError("the object graph has too many ways into the model")
        for target, name in children:
            below = _below(live, name) if 0 <= target < len(self._graph) else None
            if below is not None:
                yield target, below


def _below(live: Any, name: str) -> object | None:
    """Return the part of a live object that a saved name stands for, or None."""
    if isinstance(live, Mapping):
        return live.get(name)
    if isinstance(live, (list, tuple)):
        return _item(live, name)
    numbered = _NUMBERED_LAYER.fullmatch(name)
    if numbered:
        layers = _attribute(live, "layers") or ()
        return _item([layer for layer in layers if layer.weights], numbered[1])
    if name.startswith("__") or name.endswith(_SECOND_WAYS):
        return None
    for known in (name, f"_{name}", _NAME_NOW.get(name, name)):
        value: object = _attribute(live, known)
        is_group = isinstance(value, (list, tuple, Mapping))
        if is_group or hasattr(value, "weights") or hasattr(value, "assign"):
            return value
    return None


def _item(items: Sequence[object], number: str) -> object | None:
    if not re.fullmatch("[0-9]{1,9}", number) or int(number) >= len(items):
        return None
    return items[int(number)]


def _attribute(live: object, name: str) -> Any:
    try:
        value: Any = getattr(live, name, None)
    except Exception:  # noqa: BLE001 - a property of a user's model may raise anything
        return None
    return value


def descendant(graph: ObjectGraph, start: int, names: Sequence[str]) -> int | None:
    """Return the number of the object at the end of a path of children; None if there is none."""
    node: int | None = start
    for name in names:
        if node is None:
            return None
        children = graph[node].children
        node = next((each.node_id for each in children if each.local_name == name), None)
        node = node if node is not None and 0 <= node < len(graph) else None
    return node


def reachable(graph: ObjectGraph, start: int) -> set[int]:
    """Return the numbers of an object and of all below it."""
    found, waiting = {start}, [start]
    while waiting:
        for target, _ in graph[waiting.pop()].children:
            if 0 <= target < len(graph) and target not in found:
                found.add(target)
                waiting.append(target)
    return found
