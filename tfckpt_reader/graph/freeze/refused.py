"""Ops that no frozen graph can hold: they need a session, a file or a Python process.

Knows no file. TensorFlow ``core/ops/lookup_ops.cc``, ``data_flow_ops.cc``, ``script_ops.cc``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.freeze.tables import (
    FILLING,
    FROM_FILE,
    is_finding,
    is_table,
    unfilled,
)
from tfckpt_reader.graph.infer.op_roles import role_of
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.graph.freeze.node import Node

_PYTHON = re.compile(r"(Stateless)?(Eager)?PyFunc(Stateless)?")
_ROLES = {
    "saving": "reads or writes checkpoints",
    "setting": "changes variables while the graph runs",
    "training": "changes variables while the graph runs",
    "feeding": "fills a queue",
    "summaries": "writes summaries",
}
_ANSWERED = frozenset({"VarIsInitializedOp", "IsVariableInitialized"})
"""Ops about variables that a frozen graph can answer."""
_TABLE = "uses a lookup table, which a session fills"
_KEEP = "keep it, and what fills it, with --keep-tables (keep_tables=True)"
_ADVICE = "cut behind it with --input (inputs=), or choose outputs that do not need it"


def refuse_ops(nodes: Iterable[Node], *, keep_tables: bool) -> None:
    """Refuse nodes that a frozen graph cannot hold.

    Args:
        nodes: The nodes.
        keep_tables: Whether lookup tables stay, with the nodes that fill them.

    Raises:
        UnsupportedError: names the node and the reason.
    """
    known: dict[str, str] = {}
    for node in nodes:
        if node.op not in known:
            known[node.op] = _table_reason(node.op, kept=keep_tables) or _reason(node.op)
        if known[node.op]:
            advice = f"{_KEEP}; or {_ADVICE}" if known[node.op] is _TABLE else _ADVICE
            raise UnsupportedError(
                f"node {quoted(node.name)} ({quoted(node.op)}) {known[node.op]}",
                advice=advice[:1].upper() + advice[1:],
            )


def refuse_unfilled(nodes: Mapping[str, Node]) -> None:
    """Refuse tables that nothing in the graph fills.

    Raises:
        UnsupportedError: names the table.
    """
    for node in unfilled(nodes):
        raise UnsupportedError(
            f"nothing in the graph fills the lookup table {quoted(node.name)}",
            advice=_ADVICE[:1].upper() + _ADVICE[1:],
        )


def _table_reason(op: str, *, kept: bool) -> str:
    if op in FROM_FILE:
        return "fills a lookup table from a file, which no graph can hold"
    if op.startswith("Anonymous") and is_table(op):
        return "is a lookup table that TensorFlow makes anew for each run"
    is_of_table = is_table(op) or is_finding(op) or op in FILLING
    return _TABLE if is_of_table and not kept else ""


def _reason(op: str) -> str:
    role = role_of(op)
    if role in _ROLES and op not in _ANSWERED and op not in FILLING:
        return _ROLES[role]
    return "calls Python code that is in no file" if _PYTHON.fullmatch(op[:100]) else ""
