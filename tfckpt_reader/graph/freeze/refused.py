"""Ops that no frozen graph can hold: they need a session, a file or a Python process.

Knows no file. TensorFlow ``core/ops/lookup_ops.cc``, ``data_flow_ops.cc``, ``script_ops.cc``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.infer.op_roles import role_of
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.graph.freeze.node import Node

_REASONS = (
    (r"(Stateless)?(Eager)?PyFunc(Stateless)?", "calls Python code that is in no file"),
    (
        r"(Anonymous)?(Mutable)?(Dense)?(HashTable|LookupTable)\w*",
        "uses a lookup table, which a session fills",
    ),
)
_ROLES = {
    "saving": "reads or writes checkpoints",
    "setting": "changes variables while the graph runs",
    "training": "changes variables while the graph runs",
    "feeding": "fills a queue",
    "summaries": "writes summaries",
}
_ANSWERED = frozenset({"VarIsInitializedOp", "IsVariableInitialized"})
"""Ops about variables that a frozen graph can answer."""
_ADVICE = "Cut behind it with --input (inputs=), or choose outputs that do not need it"


def refuse_ops(nodes: Iterable[Node]) -> None:
    """Refuse nodes that a frozen graph cannot hold.

    Raises:
        UnsupportedError: names the node and the reason.
    """
    known: dict[str, str] = {}
    for node in nodes:
        if node.op not in known:
            known[node.op] = _reason(node.op)
        if known[node.op]:
            raise UnsupportedError(
                f"node {quoted(node.name)} ({quoted(node.op)}) {known[node.op]}", advice=_ADVICE
            )


def _reason(op: str) -> str:
    role = role_of(op)
    if role in _ROLES and op not in _ANSWERED:
        return _ROLES[role]
    matches = (why for pattern, why in _REASONS if re.fullmatch(pattern, op[:100]))
    return next(matches, "")
