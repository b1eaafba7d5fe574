"""Variables of a graph as constants with their values.

Knows no checkpoint. TensorFlow ``python/framework/convert_to_constants.py``,
``core/ops/resource_variable_ops.cc``.

A variable of TensorFlow 1 is a reference that ops take as a value. A resource variable is a handle,
passed through branches and loops, and read by ops of its own: each of them has a counterpart that
takes the value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError
from tfckpt_reader.graph.decode.operation import UNKNOWN_RANK_OPS, VARIABLE_OPS
from tfckpt_reader.graph.freeze.library import CALLERS, Value
from tfckpt_reader.graph.freeze.node import Node, constant, kept
from tfckpt_reader.graph.freeze.prune import origin, unique
from tfckpt_reader.graph.freeze.readers import PASS_ON, READERS, passed
from tfckpt_reader.graph.freeze.weights import Declared, Weight, weight_of
from tfckpt_reader.graph.saved_keys import Saved
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.graph.freeze.library import Library
    from tfckpt_reader.graph.freeze.weights import Values

HANDLE = "VarHandleOp"
Draft: TypeAlias = "dict[str, Node]"


@dataclass(frozen=True, slots=True)
class Weights:
    """The values of variables, and where each variable's is.

    Args:
        values: Key -> array.
        saved: Name of a variable's node -> its value as the graph saves it.
        averages: Key of a value -> key of its moving average, to take in its place.
        cast: Type to store floating-point weights in; None: their own.
    """

    values: Values
    saved: Mapping[str, Saved]
    averages: Mapping[str, str] = field(default_factory=dict)
    cast: DataType | None = None

    def of(self, node: Node) -> Weight:
        """Return the constant for the node of a variable.

        Raises:
            CheckpointError: the values lack it, or it does not fit.
        """
        name = node.name
        shared = node.attr("shared_name")
        default = name_text(shared) if isinstance(shared, bytes) and shared else name
        saved = self.saved.get(name) or Saved(default, "", "")
        saved = saved._replace(key=self.averages.get(saved.key, saved.key))
        shape = node.attr("shape")
        unknown = not isinstance(shape, tuple) or (not shape and node.op in UNKNOWN_RANK_OPS)
        dtype = node.attr("dtype")
        known = dtype if isinstance(dtype, DataType) else None
        declared = Declared(name, known, None if unknown else shape)
        try:
            return weight_of(declared, saved, self.values, self.cast)
        except TensorNotFoundError as error:
            if name not in self.saved:
                error.advice = error.advice or "The graph does not save this variable"
            raise


def freeze_variables(draft: Draft, weights: Weights, library: Library) -> dict[str, Weight]:
    """Turn variables into constants, in place; return name -> the constants to write.

    Args:
        draft: The nodes.
        weights: The values.
        library: The functions that nodes call with variables; copies are added to it.

    Raises:
        CheckpointError: a value is missing, or does not fit its variable.
        UnsupportedError: an op uses a variable in a way that a constant cannot stand for.
    """
    found = {node.name: weights.of(node) for node in draft.values() if node.op in VARIABLE_OPS}
    handles = _handles(draft)
    for node in list(draft.values()):
        if node.op == "IsVariableInitialized":
            node.become("Const", [], **_true(node))
        elif handles and node.name not in found:
            sources = enumerate(map(origin, node.data_inputs))
            given = {n: found[handles[source]] for n, source in sources if source in handles}
            if given:
                _take(node, given, draft, library)
    frozen: dict[str, Weight] = {}
    for name, weight in found.items():
        _freeze(draft[name], weight, draft, frozen)
    return frozen


def _handles(draft: Draft) -> dict[str, str]:
    """Return name of a node that gives a handle -> the node of its variable."""
    handles = {node.name: node.name for node in draft.values() if node.op == HANDLE}
    users: dict[str, list[str]] = {}
    for node in draft.values() if handles else ():
        if node.op in PASS_ON and node.attr("T") == DataType.RESOURCE:
            for text in node.data_inputs:
                users.setdefault(origin(text), []).append(node.name)
    waiting = list(handles)
    while waiting:
        name = waiting.pop()
        for user in users.get(name, ()):
            if user not in handles:
                handles[user] = handles[name]
                waiting.append(user)
    return handles


def _take(node: Node, given: Mapping[int, Weight], draft: Draft, library: Library) -> None:
    """Change a node so that it takes the values of variables where it took handles."""
    first = given.get(0)
    if node.op == "VarIsInitializedOp":
        node.become("Const", [], **_true(node))
    elif node.op in PASS_ON and first:
        node.become(node.op, node.inputs, T=first.dtype, **kept(node, *passed(node)))
    elif node.op in READERS and first and len(given) == 1:
        READERS[node.op](node, first.dtype, draft, "")
    elif node.op in CALLERS:
        library.pass_values(node, {n: Value(w.dtype, w.shape) for n, w in given.items()})
    else:
        names = ", ".join(quoted(weight.name) for weight in given.values())
        raise UnsupportedError(
            f"node {quoted(node.name)} ({node.op}) uses the variable {names} itself, not its value",
            advice="Choose inputs behind it, or outputs before it",
        )


def _true(node: Node) -> dict[str, memoryview]:
    attrs = constant(node.name, DataType.BOOL, 1).changes
    return {name: memoryview(value) for name, value in attrs.items()}


def _freeze(node: Node, weight: Weight, draft: Draft, frozen: dict[str, Weight]) -> None:
    """Replace the node of a variable by its constant, cast back to its dtype if need be."""
    if weight.stored_as is weight.dtype:
        frozen[node.name] = weight
        node.become("Const", [], dtype=weight.dtype)
        return
    name = unique(f"{node.name}/{weight.stored_as}", draft)
    draft[name] = Node(name, "Const", [])
    draft[name].change(dtype=weight.stored_as)
    frozen[name] = Weight(
        name, weight.key, weight.box, weight.dtype, weight.shape, weight.stored_as
    )
    node.become("Cast", [name], SrcT=weight.stored_as, DstT=weight.dtype)
