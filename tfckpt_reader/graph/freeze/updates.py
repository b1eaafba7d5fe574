"""Updates of variables that a frozen graph leaves out, and reads that would have seen them.

Knows no file. TensorFlow ``core/ops/state_ops.cc``, ``resource_variable_ops.cc``.

A read that waits for an update gives the new value in a session, and the old one in a frozen graph:
that is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.decode.operation import VARIABLE_OPS
from tfckpt_reader.graph.freeze.prune import IDLE, origin
from tfckpt_reader.graph.freeze.tables import FILLING, FROM_FILE
from tfckpt_reader.graph.infer.op_roles import role_of
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfckpt_reader.graph.freeze.node import Node

_PASSED = frozenset({"Identity", "RefIdentity", "Enter", "RefEnter", "Switch", "RefSwitch"})
_NO_UPDATES = FILLING | FROM_FILE | {"VarIsInitializedOp", "IsVariableInitialized"}


class Updates:
    """The updates among the nodes that outputs depend on, control inputs included.

    Args:
        draft: The nodes.
        calls: Name of a call that was replaced -> the nodes that it became.
    """

    def __init__(self, draft: Mapping[str, Node], calls: Mapping[str, Sequence[str]]) -> None:
        self._updated: dict[str, str] = {}
        self._reads: list[tuple[Node, str, str]] = []
        updates = [node for node in draft.values() if _updates(node)]
        for node in updates:
            if node.data_inputs:
                self._updated[node.name] = _variable(draft, node.data_inputs[0])
        self._inside = {
            call: [name for name in names if name in self._updated or name in calls]
            for call, names in calls.items()
            if updates
        }
        for node in draft.values() if updates else ():
            if len(node.inputs) > len(node.data_inputs) and not _updates(node):
                self._add_reads(draft, node)

    def _add_reads(self, draft: Mapping[str, Node], node: Node) -> None:
        """Note the variables that a node reads after an update that it waits for."""
        awaited = [name for name in self._awaited(draft, node) if name in self._updated]
        before = {self._updated[name]: name for name in awaited}
        for text in node.data_inputs if before else ():
            variable = _variable(draft, text)
            if variable in before:
                self._reads.append((node, variable, before[variable]))

    def _awaited(self, draft: Mapping[str, Node], node: Node) -> set[str]:
        """Return the nodes that a node waits for, through groups of operations and calls."""
        awaited: set[str] = set()
        waiting = [text[1:] for text in node.inputs if text[:1] == "^"]
        while waiting:
            name = waiting.pop()
            if name in awaited:
                continue
            awaited.add(name)
            waiting += self._inside.get(name, ())
            if name in draft and draft[name].op in IDLE:
                waiting += [origin(text) for text in draft[name].inputs]
        return awaited

    def left_out(self, draft: Mapping[str, Node]) -> list[str]:
        """Return a line about the updates that are no longer in a draft.

        Raises:
            UnsupportedError: a node that is would have read a variable after its update.
        """
        for node, variable, update in self._reads:
            if node.name in draft:
                raise UnsupportedError(
                    f"node {quoted(node.name)} reads the variable {quoted(variable)} after "
                    f"{quoted(update)} changed it, which only a session does",
                    advice="Cut behind it with --input (inputs=), or choose other outputs",
                )
        gone = [name for name in self._updated if name not in draft]
        if not gone:
            return []
        return [f"left out {count_of(len(gone), 'update')} of variables, such as {quoted(gone[0])}"]


def _updates(node: Node) -> bool:
    return role_of(node.op) in ("setting", "training") and node.op not in _NO_UPDATES


def _variable(draft: Mapping[str, Node], text: str) -> str:
    """Return the variable that a tensor is, or its own node if it is none."""
    name, seen = origin(text), set[str]()
    while name in draft and name not in seen:
        seen.add(name)
        node = draft[name]
        if node.op in VARIABLE_OPS or node.op not in _PASSED or not node.data_inputs:
            break
        name = origin(node.data_inputs[0])
    return name
