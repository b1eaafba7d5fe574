"""The role of each tensor: weight, optimizer slot, moving average …, and the evidence for it.

Knows no file. Evidence, the strongest first: the object graph, the collections of the graph beside
the checkpoint, names, and at last dtype and shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.objects.names import Names
from tfckpt_reader.objects.paths import ATTRIBUTES, OBJECT_GRAPH, VARIABLE, object_path
from tfckpt_reader.objects.role_patterns import AVERAGE, Guess, Kind, guess, is_float, is_scalar
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from tfckpt_reader.objects.object_graph import Value
    from tfckpt_reader.tensor.spec import TensorSpec

BY_OBJECTS = "object graph"
BY_COLLECTIONS = "graph collections"
BY_NAME = "name"
BY_TYPE = "dtype and shape"


class Role(NamedTuple):
    """The use of a tensor."""

    kind: Kind
    of: str | None = None
    """Key of the weight that it belongs to; None if it belongs to none, or to an unknown one."""
    slot: str = ""
    """Name of the optimizer's value, "m"; "" if it is none of an optimizer."""
    evidence: str = BY_TYPE
    """One of the four BY_."""
    of_optimizer: bool = False
    """Whether an optimizer holds it and a model needs it for training only."""


_BY_ATTRIBUTE = {
    OBJECT_GRAPH: Kind.GRAPH,
    "py_state": Kind.PYTHON,
    "OBJECT_CONFIG_JSON": Kind.CONFIG,
    "ITERATOR": Kind.ITERATOR,
    "ITERATOR_STATE": Kind.ITERATOR,
    "table": Kind.TABLE,
    "table-keys": Kind.TABLE,
    "table-values": Kind.TABLE,
}
"""Kinds of the values of objects that are no variables."""
_OPTIMIZER_PATH = re.compile(r"(.*/)?(?:_?iterations|_?learning_rate|iter)")
"""Path of a value that only optimizers have; the optimizer's own path before it."""
_OF_OPTIMIZER = re.compile(r"(?:_variables|_optimizer_variables)/\d+|[^/]+")
"""Path of an optimizer's own value, below the optimizer."""


def classify(
    specs: Mapping[str, TensorSpec], names: Names, collections: Mapping[str, Collection[str]]
) -> dict[str, Role]:
    """Return the role of each tensor, in key order.

    Args:
        specs: The tensors.
        names: Their names.
        collections: Name of a collection of variables -> keys of its variables.
    """
    return _Classifier(specs, names, collections).roles()


def by_names(specs: Mapping[str, TensorSpec]) -> dict[str, Role]:
    """Return the role of each tensor as far as keys alone tell: fast, and without protobuf."""
    return classify(specs, Names(specs, None), {})


_COLLECTIONS = {"trainable_variables": Kind.WEIGHT, "global_step": Kind.STEP}
_SIBLINGS = {
    "-keys": ("-values", Kind.TABLE),
    "-values": ("-keys", Kind.TABLE),
    "/total": ("/count", Kind.METRIC),
    "/count": ("/total", Kind.METRIC),
    "/mean": ("/variance", Kind.STATISTICS),
    "/variance": ("/mean", Kind.STATISTICS),
}
"""Ends of names that come in pairs: the other end, and the kind of such pairs."""
_PAIRED = tuple(_SIBLINGS)
_HELD_BY_OPTIMIZER = (Kind.SLOT, Kind.AVERAGE, Kind.OPTIMIZER, Kind.STEP)


class _Classifier:
    def __init__(
        self,
        specs: Mapping[str, TensorSpec],
        names: Names,
        collections: Mapping[str, Collection[str]],
    ) -> None:
        self._specs = specs
        self._names = names
        self._collections = collections
        self._paths = {key: object_path(key) or key for key in specs}
        self._full_names = {key: names.full_name(key) for key in specs} if names.graph else {}
        self._keys = self._key_index()
        matches = map(_OPTIMIZER_PATH.fullmatch, self._paths.values())
        self._optimizers = {match[1] for match in matches if match and match[1]}

    def _key_index(self) -> dict[str, str]:
        """Return name -> key, for names of one tensor; with _ for / too, as Keras 3 has it."""
        found: dict[str, str | None] = {}
        for key in self._specs:
            full_name = self._full_names.get(key, "")
            texts = {self._paths[key], full_name}
            texts |= {text.replace("/", "_") for text in texts}
            for text in texts if key not in self._names.copies else ():
                found[text] = None if text in found else key
        return {text: key for text, key in found.items() if key and text}

    def roles(self) -> dict[str, Role]:
        """Return the role of each tensor; one with a slot is a weight, whatever its own name."""
        found = {key: self._role(key, spec) for key, spec in self._specs.items()}
        for role in list(found.values()):
            if role.of and role.kind is Kind.SLOT and found[role.of].evidence == BY_TYPE:
                found[role.of] = Role(Kind.WEIGHT, evidence=role.evidence)
        return found

    def _role(self, key: str, spec: TensorSpec) -> Role:
        if key in self._names.copies:
            return Role(Kind.COPY, self._names.copies[key], evidence=BY_OBJECTS)
        value, rest = self._names.value_of(key)
        attribute = value.name + rest if value else key.rpartition(ATTRIBUTES)[2]
        if attribute in _BY_ATTRIBUTE:
            return Role(_BY_ATTRIBUTE[attribute], evidence=BY_OBJECTS if value else BY_NAME)
        return self._by_objects(value) or self._by_collections(key) or self._by_name(key, spec)

    def _by_collections(self, key: str) -> Role | None:
        for name, kind in _COLLECTIONS.items():
            if key in self._collections.get(name, ()):
                return Role(kind, evidence=BY_COLLECTIONS)
        return None

    def _by_objects(self, value: Value | None) -> Role | None:
        """Return the role of a value that the object graph lists as a slot or as trainable."""
        graph = self._names.graph
        if value is None or graph is None:
            return None
        if value.node in graph.slots:
            _, slot = graph.slots[value.node]
            kind = Kind.AVERAGE if slot.slot_name == AVERAGE else Kind.SLOT
            of = self._variables.get(slot.original_variable_node_id)
            return Role(kind, of, slot.slot_name, BY_OBJECTS, of_optimizer=True)
        is_trained = value.node in graph.trainable
        return Role(Kind.WEIGHT, evidence=BY_OBJECTS) if is_trained else None

    @cached_property
    def _variables(self) -> dict[int, str]:
        """Number of an object -> key of its variable."""
        values = self._names.graph.values if self._names.graph else {}
        return {
            value.node: key
            for key, value in values.items()
            if value.name == VARIABLE and key in self._specs
        }

    def _by_name(self, key: str, spec: TensorSpec) -> Role:
        path = self._paths[key]
        named = (self._full_names.get(key, ""), BY_OBJECTS), (path, BY_NAME)
        held = self._is_held_by_optimizer(path)
        guesses = [(self._guess(each, spec), evidence) for each, evidence in named if each]
        # Its path tells a metric's `count` from a step.
        guesses.sort(key=lambda each: each[0] is None or each[0].kind is not Kind.METRIC)
        for found, evidence in guesses:
            if found is not None and (not held or found.kind in _HELD_BY_OPTIMIZER):
                return self._resolved(found, evidence, held=held)
        if held:
            kind = Kind.OPTIMIZER if is_scalar(spec.dtype, spec.shape) else Kind.SLOT
            return Role(kind, evidence=BY_NAME, of_optimizer=True)
        if spec.dtype is DataType.VARIANT and key.endswith(("_STATE", "-state")):
            return Role(Kind.ITERATOR, evidence=BY_NAME)
        is_weight = is_float(spec.dtype) and spec.shape
        return Role(Kind.WEIGHT if is_weight else Kind.OTHER)

    def _is_held_by_optimizer(self, path: str) -> bool:
        """Return whether a path is that of an optimizer's own value, not of a weight it trains."""
        head = path if self._optimizers else ""
        while head:
            head = head.rpartition("/")[0]
            if f"{head}/" in self._optimizers:
                return bool(_OF_OPTIMIZER.fullmatch(path[len(head) + 1 :]))
        return False

    def _resolved(self, found: Guess, evidence: str, *, held: bool) -> Role:
        of = self._key_of(found.of)
        of_optimizer = held or (bool(found.slot) and found.kind is not Kind.AVERAGE)
        return Role(found.kind, of, found.slot, evidence, of_optimizer)

    def _key_of(self, name: str) -> str | None:
        """Return the key of a weight by its name, with or without scopes before it."""
        while name and name not in self._keys:
            name = name.partition("/")[2]
        return self._keys.get(name)

    def _guess(self, name: str, spec: TensorSpec) -> Guess | None:
        """Return the role by a name, and by that of its sibling."""
        if name.endswith(_PAIRED):
            end = next(each for each in _PAIRED if name.endswith(each))
            other, kind = _SIBLINGS[end]
            if name.removesuffix(end) + other in self._keys:
                return Guess(kind)
        return guess(name, spec.dtype, spec.shape)
