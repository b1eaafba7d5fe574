"""Lookup tables of a frozen graph, and the operations that fill them.

Knows no file. TensorFlow ``core/ops/lookup_ops.cc``.

A session fills a table from constants by an operation of its own. A graph that keeps its tables
keeps these operations too, and whoever runs it runs them first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import FunctionCall
from tfckpt_reader.graph.freeze.prune import origin
from tfckpt_reader.graph.saved_keys import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.freeze.node import Node
    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.graph.graph import Graph

FILLING = frozenset(
    {"InitializeTable", "InitializeTableV2", "LookupTableImport", "LookupTableImportV2"}
)
FROM_FILE = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_ALL_FILLING = FILLING | FROM_FILE
_TABLE = re.compile(r"(Anonymous)?(Mutable)?(Dense)?(HashTable|LookupTable)\w*")
_FINDING = re.compile(r"LookupTable(Find|Size|Export)(V2)?")


@lru_cache(maxsize=4096)
def is_table(op: str) -> bool:
    """Return whether an op is a table."""
    return _TABLE.fullmatch(op[:100]) is not None and op not in FILLING and not is_finding(op)


def is_finding(op: str) -> bool:
    """Return whether an op reads a table."""
    return _FINDING.fullmatch(op[:100]) is not None


def fillers_of(graph: Graph, functions: Mapping[str, Function], needed: Iterable[int]) -> list[str]:
    """Return the operations of a graph that fill tables, themselves or by what they call.

    Args:
        graph: The graph.
        functions: Its functions.
        needed: Numbers of operations: only tables among them count.
    """
    tables = {graph.names[n] for n in needed if is_table(graph.types[n])}
    if not tables:
        return []
    inner = {
        name: {_called(each) for each in function.operations}
        for name, function in functions.items()
    }
    names = {name for name, called in inner.items() if called & _ALL_FILLING}
    size = -1
    while size != len(names):  # those that call others
        size = len(names)
        names |= {name for name, called in inner.items() if called & names}
    return [
        each.name
        for each in graph.operations
        if not tables.isdisjoint(map(origin, each.inputs)) and _called(each) in _ALL_FILLING | names
    ]


def _called(operation: Operation) -> str:
    """Return the function that an operation calls, or its op."""
    call = operation.attrs.get("f") if operation.type in CALLS else None
    return call.name if isinstance(call, FunctionCall) else operation.type


def fillers_in(draft: Mapping[str, Node], needed: Mapping[str, Node]) -> tuple[str, ...]:
    """Return the nodes of a draft that fill tables among those that are needed."""
    return tuple(
        node.name
        for node in draft.values()
        if node.op in _ALL_FILLING and origin(node.first_input) in needed
    )


def unfilled(nodes: Mapping[str, Node]) -> list[Node]:
    """Return the tables that nothing fills."""
    filled = {origin(n.first_input) for n in nodes.values() if n.op in _ALL_FILLING}
    return [node for node in nodes.values() if is_table(node.op) and node.name not in filled]
