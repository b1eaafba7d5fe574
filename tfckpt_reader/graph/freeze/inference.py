"""The values of switches and rates with which a model infers: no training, no dropout.

Knows no file. TensorFlow ``python/ops/nn_ops.py`` (dropout).

Dropout keeps a value where a random number is large enough. With one of the rates 0 and 1 all are:
that rate follows from the arithmetic between placeholder and random number, not from a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.graph.freeze.prune import origin
from tfckpt_reader.graph.infer.op_roles import PLACEHOLDERS
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.graph.freeze.node import Node

_TRAINING = re.compile(
    r"(?i)(.*[/_])?((is_?)?train(ing)?(_(mode|phase))?|phase(_train)?|learning_phase)"
)
"""Name of a truth value that switches training on."""
_RANDOM = frozenset({"RandomUniform", "StatelessRandomUniformV2", "StatelessRandomUniform"})
_DRAWN = frozenset({"Mul", "Add", "AddV2", "Identity"})
"""Ops between a random number and the number that a rate meets."""
_PASS = frozenset({"Identity", "Cast"})
_AT_BOTH: TypeAlias = "tuple[float, float]"
"""Value of a tensor where the placeholder is 0, and where it is 1."""


def inference_values(draft: Mapping[str, Node]) -> dict[str, float]:
    """Return name of a placeholder -> value: False for training, the rate without dropout."""
    users: dict[str, list[Node]] = {}
    for node in draft.values():
        for text in dict.fromkeys(node.data_inputs):
            users.setdefault(origin(text), []).append(node)
    rates = _Rates(draft, users)
    values: dict[str, float] = {}
    for node in draft.values():
        dtype = node.attr("dtype") if node.op in PLACEHOLDERS else None
        if dtype == DataType.BOOL and _TRAINING.fullmatch(node.name):
            values[node.name] = False
        elif dtype in (DataType.FLOAT32, DataType.FLOAT64, DataType.FLOAT16):
            rate = rates.without_dropout(node)
            values |= {} if rate is None else {node.name: rate}
    return values


class _Rates:
    def __init__(self, draft: Mapping[str, Node], users: Mapping[str, list[Node]]) -> None:
        self._draft = draft
        self._users = users
        self._drawn = {node.name for node in draft.values() if node.op in _RANDOM}
        waiting = list(self._drawn)
        while waiting:
            for user in users.get(waiting.pop(), ()):
                if user.op in _DRAWN and user.name not in self._drawn:
                    self._drawn.add(user.name)
                    waiting.append(user.name)

    def without_dropout(self, placeholder: Node) -> float | None:
        """Return 0 or 1 if a placeholder is the rate of dropout, and that keeps every value."""
        found: set[float | None] = set()
        waiting: list[tuple[str, _AT_BOTH]] = [(placeholder.name, (0.0, 1.0))]
        seen = {placeholder.name}
        while waiting:
            name, values = waiting.pop()
            for user in self._users.get(name, ()):
                threshold = self._threshold(user, name)
                if threshold is not None:
                    found.add(values.index(threshold) if threshold in values else None)
                    continue
                then = self._then(user, name, values)
                if then is not None and user.name not in seen:
                    seen.add(user.name)
                    waiting.append((user.name, then))
        rate = found.pop() if len(found) == 1 else None
        return None if rate is None else float(rate)

    def _threshold(self, user: Node, name: str) -> float | None:
        """Return what a value must be to keep everything, where it meets random numbers."""
        sources = [origin(text) for text in user.data_inputs]
        if len(sources) != 2 or not any(s in self._drawn for s in sources if s != name):
            return None
        if user.op == "GreaterEqual" and sources[1] == name:
            return 0.0
        is_floored = any(each.op == "Floor" for each in self._users.get(user.name, ()))
        return 1.0 if user.op in ("Add", "AddV2") and is_floored else None

    def _then(self, user: Node, name: str, values: _AT_BOTH) -> _AT_BOTH | None:
        """Return the values of a node that calculates with a value and a constant."""
        if user.op in _PASS:
            return values
        sources = [origin(text) for text in user.data_inputs]
        if user.op != "Sub" or len(sources) != 2 or sources[1] != name:
            return None
        first = self._draft[sources[0]]
        number: Any = first.attr("value") if first.op == "Const" else None
        if getattr(number, "shape", None) != () or number.dtype.kind not in "fiu":
            return None
        return float(number) - values[0], float(number) - values[1]
