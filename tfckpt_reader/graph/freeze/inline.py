"""Function calls of a graph, replaced by the nodes of the functions.

Knows no file. TensorFlow ``core/common_runtime/inline_function_utils.cc``.

``If`` and ``While`` keep their functions: they call them on a condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.graph.decode.operation import FunctionCall, split_name
from tfckpt_reader.graph.freeze.node import Node, draft_of
from tfckpt_reader.graph.freeze.op_outputs import flat_index
from tfckpt_reader.graph.freeze.prune import origin, redirect, unique
from tfckpt_reader.graph.saved_keys import CALLS
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.graph.decode.op_defs import OpDefinition
    from tfckpt_reader.graph.functions import Function

_MOST_NODES = 1 << 20
"""Limit on the nodes of functions: a few that call each other twice make very many."""


def inline_calls(
    draft: dict[str, Node],
    outputs: Iterable[str],
    functions: Mapping[str, Function],
    definitions: Mapping[str, OpDefinition],
) -> dict[str, list[str]]:
    """Replace the calls in a draft, in place; return name of a call -> the nodes it became.

    A call that gives an output stays as a node of that name, which passes the result on.

    Raises:
        CorruptCheckpointError: a function lacks a result, or gives one that is nowhere.
        UnsupportedError: a function calls itself, or they have more than a million nodes.
    """
    replaced: dict[str, str] = {}
    waiting = [(node, frozenset[str]()) for node in draft.values() if _called(node, functions)]
    became: dict[str, list[str]] = {}
    nodes = 0
    while waiting:
        node, callers = waiting.pop()
        name = _called(node, functions)
        if name in callers:
            raise UnsupportedError(f"function {quoted(name)} calls itself")
        call = _Call(node, functions[name], draft, definitions)
        del draft[node.name]
        replaced |= call.results()
        inner = call.nodes()
        draft.update(inner)
        became[node.name] = list(inner)
        nodes += len(inner)
        if nodes > _MOST_NODES:
            raise UnsupportedError(
                "the functions it calls have more nodes than are inlined here",
                expected=f"at most {_MOST_NODES:,}",
            )
        waiting += [(n, callers | {name}) for n in inner.values() if _called(n, functions)]
        _keep_outputs(draft, node, outputs, functions[name])
    redirect(draft, replaced)
    return became


def _called(node: Node, functions: Mapping[str, Function]) -> str:
    """Return the function that a node does nothing but call, or ""."""
    if node.op in functions:
        return node.op
    if node.op not in CALLS:
        return ""
    call = node.attr("f")
    name = call.name if isinstance(call, FunctionCall) else ""
    if name not in functions:
        raise CorruptCheckpointError(
            f"node {quoted(node.name)} calls the function {quoted(name)}, which is nowhere"
        )
    return name


def _keep_outputs(
    draft: dict[str, Node], call: Node, outputs: Iterable[str], function: Function
) -> None:
    """Add a node with the name of a call, if an output of the graph has it."""
    used = {split_name(text)[1] or 0: text for text in outputs if origin(text) == call.name}
    if not used:
        return
    results = function.definition.outputs
    size = max(used) + 1
    if size > len(results):
        raise CorruptCheckpointError(
            f"function {quoted(function.name)} has only {len(results)} results"
        )
    # A result that nobody asked for would need nodes: another stands for it.
    numbers = [n if n in used else min(used) for n in range(size)]
    dtypes = [results[n].dtype or DataType.FLOAT32 for n in numbers]
    inner = [f"{call.name}:{n}" for n in numbers]
    kept = Node(call.name, "IdentityN" if size > 1 else "Identity", inner)
    kept.change(T=dtypes if size > 1 else dtypes[0])
    draft[call.name] = kept


class _Call:
    """A call of a function, and the names of its nodes in the graph around it."""

    def __init__(
        self,
        node: Node,
        function: Function,
        draft: Mapping[str, Node],
        definitions: Mapping[str, OpDefinition],
    ) -> None:
        self._call = node
        self._definitions = definitions
        self._known: dict[str, str] = {}
        self._function = function
        self._given = node.data_inputs
        self._arguments = {each.name: n for n, each in enumerate(function.definition.inputs)}
        lists = [each.name for each in function.definition.inputs if each.number_attr]
        if lists or len(self._given) != len(self._arguments):
            raise CorruptCheckpointError(
                f"node {quoted(node.name)} calls {quoted(function.name)}, which takes other inputs",
                expected=len(self._arguments),
                got=len(self._given),
            )
        needed = function.needed(function.results.values())
        inner = draft_of(function, needed)
        self._names = {name: unique(f"{node.name}/{name}", draft) for name in inner}
        self._inner = inner

    def results(self) -> dict[str, str]:
        """Return the tensors of the call -> those inside that they are."""
        texts = self._function.results
        return {
            f"{self._call.name}:{number}": self._tensor(texts[each.name])
            for number, each in enumerate(self._function.definition.outputs)
            if each.name in texts
        }

    def nodes(self) -> dict[str, Node]:
        """Return the nodes inside under their names in the graph."""
        nodes = {}
        for name, node in self._inner.items():
            inputs = [self._tensor(text) for text in node.data_inputs]
            inputs += [
                f"^{self._names[n]}"
                for n in map(origin, node.inputs[len(inputs) :])
                if n in self._names
            ]
            node.change(inputs=inputs)
            node.name = self._names[name]
            nodes[node.name] = node
        return nodes

    def _tensor(self, text: str) -> str:
        """Return the name of a tensor inside in the graph around: ``node:output:index``."""
        name = self._function.origin(text)
        if name in self._arguments:
            return self._given[self._arguments[name]]
        if name not in self._names:
            raise CorruptCheckpointError(
                f"function {quoted(self._function.name)} has an input that names nothing: "
                f"{quoted(text)}"
            )
        if text not in self._known:
            node, output = self._inner[name], text.partition(":")[2]
            index = flat_index(node, output, self._definitions) if output else 0
            self._known[text] = f"{self._names[name]}:{index}"
        return self._known[text]
