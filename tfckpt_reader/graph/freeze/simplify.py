"""Simplifying a graph: no checks, no references, no branches whose condition is a constant.

Knows no file. TensorFlow ``core/grappler/optimizers/constant_folding.cc``, ``core/ops/
control_flow_ops.cc``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.decode.operation import FunctionCall, split_name, tensor_name
from tfckpt_reader.graph.freeze.node import Node, become_scalar, constant
from tfckpt_reader.graph.freeze.prune import origin, redirect, unique
from tfckpt_reader.graph.infer.op_roles import PLACEHOLDERS
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_PASSES_ON = frozenset({"CheckNumerics", "CheckNumericsV2", "Print"})
"""Ops that check or print their first input and return it."""
_REFERENCES = frozenset(
    {"RefIdentity", "RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefNextIteration"}
)
"""Ops on a variable itself; without Ref in their names they take its value."""
_SWITCH, _MERGE = "Switch", "Merge"
_IFS = frozenset({"If", "StatelessIf"})


def set_inputs(draft: Mapping[str, Node], given: Mapping[str, float]) -> list[str]:
    """Turn placeholders into constants, in place; return what was done.

    Raises:
        TensorNotFoundError: the outputs need no placeholder of that name.
        ValueError: its dtype cannot hold the value.
    """
    for name, value in given.items():
        node = draft.get(origin(name))
        if node is None or node.op not in PLACEHOLDERS:
            present = ", ".join(n for n, each in draft.items() if each.op in PLACEHOLDERS)
            raise TensorNotFoundError(
                f"the outputs need no placeholder {quoted(name)}", advice=f"There is: {present}"
            )
        become_scalar(node, node.needed("dtype", DataType), value)
    return [f"input {quoted(name)} is always {value}" for name, value in given.items()]


def simplify(draft: dict[str, Node], *, fold_defaults: bool) -> list[str]:
    """Change a draft in place; return a line for each kind of change."""
    replaced: dict[str, str] = {}
    changes: dict[str, int] = {}
    for node in draft.values():
        if node.op in _REFERENCES:
            node.change(op=node.op.removeprefix("Ref"))
        elif node.op in _PASSES_ON or (fold_defaults and node.op == "PlaceholderWithDefault"):
            changes[node.op] = changes.get(node.op, 0) + 1
            source = node.first_input
            dtype = node.needed("dtype" if node.op in PLACEHOLDERS else "T", DataType)
            replaced[f"{node.name}:0"] = source
            node.become("Identity", [source], T=dtype)  # for an output of this name
    redirect(draft, replaced)
    folded = fold_branches(draft)
    if folded:
        changes["Merge of branches with a constant condition"] = folded
    return [f"removed {count_of(count, 'node')}: {op}" for op, count in sorted(changes.items())]


def fold_branches(draft: dict[str, Node]) -> int:
    """Replace each ``Merge`` of which one input alone can arrive; return their number.

    A ``Switch`` sends its value to one of two outputs, by its condition. Nodes behind the other
    output never run.
    """
    conditions = _Conditions(draft)
    dead: set[str] = set()
    replaced: dict[str, str] = {}
    for node in draft.values():
        if node.op == _SWITCH and len(node.data_inputs) == 2:
            value = conditions.value(node.data_inputs[1])
            if value is not None:
                dead.add(f"{node.name}:{int(not value)}")
                replaced[f"{node.name}:{int(value)}"] = node.data_inputs[0]
    if not dead:
        return 0
    _spread(draft, dead)
    merges = [node for node in draft.values() if node.op == _MERGE]
    folded = 0
    for node in merges:
        arriving = [(n, t) for n, t in enumerate(node.data_inputs) if tensor_name(t) not in dead]
        if len(arriving) == 1 and len(node.data_inputs) > 1:
            index, text = arriving[0]
            replaced[f"{node.name}:0"] = text
            which = constant(unique(f"{node.name}/value_index", draft), DataType.INT32, index)
            draft[which.name] = which
            replaced[f"{node.name}:1"] = f"{which.name}:0"
            node.become("Identity", [text], T=node.needed("T", DataType))
            folded += 1
    redirect(draft, replaced)
    return folded


def choose_branches(draft: Mapping[str, Node]) -> int:
    """Turn each ``If`` with a constant condition into a call of one branch; return their number."""
    conditions = _Conditions(draft)
    chosen = 0
    for node in draft.values():
        value = conditions.value(node.first_input) if node.op in _IFS else None
        if value is not None:
            branch = node.needed("then_branch" if value else "else_branch", FunctionCall)
            node.change(op="PartitionedCall", inputs=node.inputs[1:], f=branch)
            chosen += 1
    return chosen


def _spread(draft: Mapping[str, Node], dead: set[str]) -> None:
    """Add the tensors that never arrive because another does not."""
    users: dict[str, list[Node]] = {}
    for node in draft.values():
        for text in node.inputs:
            users.setdefault(origin(text), []).append(node)
    waiting = [split_name(name)[0] for name in dead]
    never: set[str] = set()
    while waiting:
        for node in users.get(waiting.pop(), ()):
            if node.name not in never and _never_runs(node, draft, dead, never):
                never.add(node.name)
                waiting.append(node.name)
                outputs = {tensor_name(t) for user in users.get(node.name, ()) for t in user.inputs}
                dead |= {text for text in outputs if origin(text) == node.name}


def _never_runs(node: Node, draft: Mapping[str, Node], dead: set[str], never: set[str]) -> bool:
    """Return whether an input keeps a node from running; all must, for one that joins branches."""
    texts = node.inputs
    if node.op == _MERGE:  # a loop that nothing enters has no next iteration
        texts = [text for text in texts if draft[origin(text)].op != "NextIteration"]
    lost = [text[1:] in never if text[:1] == "^" else tensor_name(text) in dead for text in texts]
    return all(lost) if node.op == _MERGE else any(lost)


class _Conditions:
    """Truth values of the tensors that are constants, or follow from constants."""

    def __init__(self, draft: Mapping[str, Node]) -> None:
        self._draft = draft
        self._known: dict[str, bool | None] = {}

    def value(self, text: str) -> bool | None:
        """Return a truth value; None if it is none, or depends on an input."""
        chain: list[Node] = []
        flipped = False
        name = origin(text)
        while True:
            node = self._draft.get(name)
            if node is None or node in chain:
                return None
            chain.append(node)
            if node.op == "Const":
                return self._constant(node, flipped=flipped)
            if node.op not in ("Identity", "LogicalNot", "StopGradient"):
                return None
            flipped ^= node.op == "LogicalNot"
            name = origin(node.first_input)

    def _constant(self, node: Node, *, flipped: bool) -> bool | None:
        if node.name not in self._known:
            value = node.attr("value")
            is_one = getattr(value, "shape", None) == () and value.dtype.kind == "b"
            self._known[node.name] = bool(value) if is_one else None
        known = self._known[node.name]
        return None if known is None else known ^ flipped
