"""Variables of a graph as constants with their values.

Knows no checkpoint. TensorFlow ``python/framework/convert_to_constants.py``,
``core/ops/resource_variable_ops.cc``.

A variable of TensorFlow 1 is a reference that ops take as a value. A resource variable is a handle,
passed through branches and loops, and read by ops of its own: each of them has a counterpart that
takes the value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError
from tfckpt_reader.graph.decode.operation import UNKNOWN_RANK_OPS, VARIABLE_OPS
from tfckpt_reader.graph.freeze.node import Node, constant
from tfckpt_reader.graph.freeze.prune import origin, unique
from tfckpt_reader.graph.freeze.weights import Declared, Weight, weight_of
from tfckpt_reader.graph.saved_keys import Saved
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.graph.freeze.weights import Values

HANDLE = "VarHandleOp"
_HANDS_ON = frozenset({"Identity", "Switch", "Merge", "Enter", "Exit", "NextIteration"})
"""Ops that pass a handle on; its dtype is in their attribute ``T``."""
_AVERAGE = "/ExponentialMovingAverage"
"""Ending of the key of a moving average."""
Draft: TypeAlias = "dict[str, Node]"


@dataclass(frozen=True, slots=True)
class Weights:
    """The values of variables, and where each variable's is.

    Args:
        values: Key -> array.
        saved: Name of a variable's node -> its value as the graph saves it.
        average: Use moving averages where the values have them.
        cast: Type to store floating-point weights in; None: their own.
    """

    values: Values
    saved: Mapping[str, Saved]
    average: bool = False
    cast: DataType | None = None

    def of(self, node: Node) -> Weight:
        """Return the constant for the node of a variable.

        Raises:
            CheckpointError: the values lack it, or it does not fit.
        """
        name = node.name
        shared = node.attr("shared_name")
        default = shared.decode("utf-8", "surrogateescape") if shared else name
        saved = self.saved.get(name) or Saved(default, "", "")
        if self.average:
            keys = (f"{key}{_AVERAGE}" for key in (saved.key, name))
            saved = next((Saved(k, saved.slice_spec, "") for k in keys if k in self.values), saved)
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


def freeze_variables(draft: Draft, weights: Weights) -> dict[str, Weight]:
    """Turn variables into constants, in place; return name -> the constants to write.

    Raises:
        CheckpointError: a value is missing, or does not fit its variable.
        UnsupportedError: an op uses a variable in a way that a constant cannot stand for.
    """
    frozen: dict[str, Weight] = {}
    handles = _handles(draft)
    for node in list(draft.values()):
        if node.op in VARIABLE_OPS:
            continue
        for position, text in enumerate(node.data_inputs):
            source = origin(text)
            if source in handles or draft[source].op in VARIABLE_OPS:
                variable = draft[handles.get(source, source)]
                _read(node, position, variable, draft, is_handle=source in handles)
    for node in list(draft.values()):
        if node.op in VARIABLE_OPS:
            _freeze(node, weights.of(node), draft, frozen)
    return frozen


def _handles(draft: Draft) -> dict[str, str]:
    """Return name of a node that gives a handle -> the node of its variable."""
    handles = {node.name: node.name for node in draft.values() if node.op == HANDLE}
    users: dict[str, list[str]] = {}
    for node in draft.values() if handles else ():
        if node.op in _HANDS_ON and node.attr("T") == DataType.RESOURCE:
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


def _read(node: Node, position: int, variable: Node, draft: Draft, *, is_handle: bool) -> None:
    """Change a node so that it takes the value of a variable where it took the variable."""
    dtype = variable.attr("dtype")
    if node.op in ("VarIsInitializedOp", "IsVariableInitialized"):
        node.become("Const", [], **_raw(constant(node.name, DataType.BOOL, 1)))
    elif is_handle and node.op in _HANDS_ON:
        others = [name for name in node.attributes() if name not in ("T", "_output_shapes")]
        node.become(node.op, node.inputs, T=dtype, **_kept(node, *others))
    elif is_handle and position == 0 and node.op in _READERS:
        _READERS[node.op](node, dtype, draft)
    elif is_handle:
        raise UnsupportedError(
            f"node {quoted(node.name)} ({node.op}) uses the variable {quoted(variable.name)} "
            "itself, not its value",
            advice="Choose inputs behind it, or outputs before it",
        )


def _raw(node: Node) -> dict[str, memoryview]:
    return {name: memoryview(value) for name, value in node.changes.items()}


def _value(node: Node, dtype: DataType, draft: Draft) -> None:
    del draft
    node.become("Identity", node.data_inputs, T=dtype, **_kept(node, "_output_shapes"))


def _kept(node: Node, *names: str) -> dict[str, Any]:
    """Return some stored attributes of a node, as they are."""
    stored = node.attributes()
    return {name: memoryview(stored[name]) for name in names if name in stored}


def _gather(node: Node, dtype: DataType, draft: Draft) -> None:
    axis = constant(unique(f"{node.name}/axis", draft), DataType.INT32, 0)
    draft[axis.name] = axis
    kept = _kept(node, "Tindices", "batch_dims", "_output_shapes")
    batch = node.attr("batch_dims")
    if batch:
        axis.changes = constant(axis.name, DataType.INT32, batch).changes
    inputs = [*node.data_inputs, axis.name]
    node.become("GatherV2", inputs, Tparams=dtype, Taxis=DataType.INT32, **kept)


def _gather_nd(node: Node, dtype: DataType, draft: Draft) -> None:
    del draft
    node.become("GatherNd", node.data_inputs, Tparams=dtype, **_kept(node, "Tindices"))


def _shape(node: Node, dtype: DataType, draft: Draft) -> None:
    del draft
    node.become("Shape", node.data_inputs, T=dtype, **_kept(node, "out_type"))


_READERS: dict[str, Callable[[Node, DataType, Draft], None]] = {
    "ReadVariableOp": _value,
    "ResourceGather": _gather,
    "ResourceGatherNd": _gather_nd,
    "VariableShape": _shape,
}
"""Op that takes a handle -> the change to one that takes the value."""


def _freeze(node: Node, weight: Weight, draft: Draft, frozen: dict[str, Weight]) -> None:
    """Replace the node of a variable by its constant, cast back to its dtype if need be."""
    if weight.stored_as is weight.dtype:
        frozen[node.name] = weight
        node.become("Const", [])
        return
    name = unique(f"{node.name}/{weight.stored_as}", draft)
    draft[name] = Node(name, "Const", [])
    frozen[name] = Weight(
        name, weight.key, weight.box, weight.dtype, weight.shape, weight.stored_as
    )
    node.become("Cast", [name], SrcT=weight.stored_as, DstT=weight.dtype)
