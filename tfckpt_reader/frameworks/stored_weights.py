"""The tensors of a checkpoint as the weights of a model: their names, their order, their objects.

Knows no framework.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.frameworks.matching import Weight
from tfckpt_reader.frameworks.object_walk import Walk, descendant, reachable
from tfckpt_reader.objects.paths import VARIABLE
from tfckpt_reader.objects.role_patterns import Kind
from tfckpt_reader.objects.selection import GROUPS
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.objects.object_graph import ObjectGraph

_INDEX = re.compile("[0-9]{1,9}")


class StoredWeights:
    """The tensors that may be weights of a model.

    Args:
        ckpt: The checkpoint.
        root: Path of the object that the model was saved as, where only that shall be looked at;
            in a checkpoint without an object graph, the name scope of the model.

    Attributes:
        tensors: Key -> its name and shape.
        orders: The weights in the order in which a model lists them, for each model that may be it.
        trained: The trainable ones in that order, as an optimizer lists them, for each optimizer.

    Raises:
        UnsupportedError: nothing is at `root`.
    """

    def __init__(self, ckpt: Checkpoint, root: str | None) -> None:
        self._specs = ckpt.specs
        self._roles = ckpt.roles
        self._graph = ckpt.object_graph
        numbers = {key: spec.shape for key, spec in ckpt.specs.items() if spec.dtype.itemsize}
        if self._graph is None:
            scope = f"{root}/" if root else ""
            self._starts: list[int] = []
            self.tensors = {
                key: Weight(key.removeprefix(scope), shape, key)
                for key, shape in numbers.items()
                if key.startswith(scope)
            }
            self.orders = self._nonempty([_in_order_of_graph(ckpt)])
            self.trained: list[list[Weight]] = []
        else:
            self._starts, inside = _objects_at(self._graph, root)
            self.tensors = {
                key: Weight(value.full_name if value and value.full_name else key, shape, key)
                for key, shape in numbers.items()
                for value in (self._graph.values.get(key),)
                if (inside is None or (value is not None and value.node in inside))
                and self._roles[key].kind is not Kind.COPY
            }
            lists = [_listed(self._graph, start, "variables") for start in self._starts]
            self.orders = self._nonempty(lists)
            self.trained = self._nonempty(
                _listed(self._graph, node, "_trainable_variables")
                for node in _children(self._graph, 0, *self._starts)
            )
        if not self.tensors:
            where = "in the checkpoint" if root is None else f"at {quoted(root)}"
            raise UnsupportedError(f"no tensors of numbers are {where}", file=ckpt.reader.path)

    def _nonempty(self, lists: Iterable[Iterable[str]]) -> list[list[Weight]]:
        found = ([self.tensors[key] for key in keys if self._may_be(key)] for keys in lists)
        return [tensors for tensors in found if tensors]

    def _may_be(self, key: str) -> bool:
        return key in self.tensors and self._roles[key].kind in (*GROUPS["weights"], Kind.OTHER)

    @property
    def weights(self) -> list[Weight]:
        """The weights, in the order of their keys: no slots of optimizers, no counters."""
        return [
            tensor
            for key, tensor in self.tensors.items()
            if self._roles[key].kind in GROUPS["weights"]
        ]

    def left_over(self, used: Iterable[Weight]) -> list[Weight]:
        """Return the weights that were not used, but for copies of the used ones."""
        keys = {tensor.key for tensor in used}
        values = {self._value(key) for key in keys}
        return [
            tensor
            for tensor in self.weights
            if tensor.key not in keys and self._value(tensor.key) not in values
        ]

    def _value(self, key: str) -> tuple[object, ...]:
        """Return something equal for copies only: a Keras 3 export stores each variable twice."""
        spec = self._specs[key]
        whole = key if spec.crc32c is None else None
        return self.tensors[key].name, spec.dtype, spec.shape, spec.crc32c, whole

    def objects(self, model: object, weights: Sequence[object]) -> list[dict[int, list[Weight]]]:
        """Return the tensors of each weight of a live model, for each object it may be saved as.

        Raises:
            UnsupportedError: the object graph takes too many steps.
        """
        if self._graph is None:
            return []
        walk = Walk(self._graph, model, weights)
        return [
            {number: self._values_of(nodes) for number, nodes in walk.bound(start).items()}
            for start in self._starts
        ]

    def _values_of(self, nodes: set[int]) -> list[Weight]:
        graph = self._graph or ()
        keys = [key for node in sorted(nodes) for key in _keys(graph, node)]
        return [self.tensors[key] for key in dict.fromkeys(keys) if key in self.tensors]


def _objects_at(graph: ObjectGraph, root: str | None) -> tuple[list[int], set[int] | None]:
    """Return the objects that may be the model, and all objects below them; None: all at all."""
    if root is None:
        return list(dict.fromkeys([0, *_children(graph, 0)])), None
    node = descendant(graph, 0, root.split("/"))
    return ([], set()) if node is None else ([node], reachable(graph, node))


def _children(graph: ObjectGraph, *parents: int) -> dict[int, None]:
    nodes = (node for parent in dict.fromkeys(parents) for node, _ in graph[parent].children)
    return dict.fromkeys(node for node in nodes if 0 <= node < len(graph))


def _listed(graph: ObjectGraph, owner: int, name: str) -> Iterator[str]:
    """Yield the keys of the variables in a list, in its order."""
    found = descendant(graph, owner, [name])
    children = () if found is None else graph[found].children
    numbered = [(int(index), node) for node, index in children if _INDEX.fullmatch(index)]
    for _, node in sorted(numbered):
        if 0 <= node < len(graph):
            yield from _keys(graph, node)


def _keys(graph: Sequence[Any], node: int) -> list[str]:
    return [each.checkpoint_key for each in graph[node].attributes if each.name == VARIABLE]


def _in_order_of_graph(ckpt: Checkpoint) -> Iterator[str]:
    """Yield the keys of the variables in the graph beside a checkpoint, in its order."""
    meta = ckpt.meta_graph
    for variable in () if meta is None else meta.global_variables:
        if variable.checkpoint_key is not None:
            yield variable.checkpoint_key
