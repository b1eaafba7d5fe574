"""Roles of ops: auxiliary operations train, save or watch the model and are not part of it.

Knows no file. TensorFlow ``python/ops/gradients_util.py``, ``core/protobuf/saver.proto``.

A role follows from the type of an op, from the names in savers and collections, and from use by
auxiliary operations only. Only derivatives go by their own name: TensorFlow adds them to a graph in
a scope ``gradients``, and many of them are plain arithmetic.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.decode.operation import VARIABLE_OPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.decode.collections import Collections, Saver
    from tfckpt_reader.graph.infer.dataflow import Flow

Role: TypeAlias = Literal["saving", "setting", "feeding", "training", "summaries", "checking"]
"""Role of an auxiliary operation; `setting` gives variables and tables their values."""

_PATTERNS: dict[Role, str] = {
    "saving": r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints|Sharded(Filename|Filespec)",
    "setting": (
        r"Assign\w*|(Resource)?Scatter(Nd)?(Add|Sub|Mul|Div|Min|Max|Update)|Initialize\w*Table\w*"
        r"|LookupTable(Import|Insert|Remove)\w*|VarIsInitializedOp|IsVariableInitialized"
    ),
    "feeding": r"Queue(Enqueue|Close)\w*|MakeIterator|Stage",
    "training": r"(Resource)?(Sparse)?Apply[A-Z]\w*",
    "summaries": r"\w*Summary\w*",
    "checking": r"Assert|Abort|NoOp|ControlTrigger|PrintV2|Delete\w*|Destroy\w*",
}
"""Role -> pattern of the ops that always have it."""
_COLLECTIONS: tuple[tuple[Role, str], ...] = (
    ("summaries", "summaries summary_op"),
    ("training", "train_op"),
    ("setting", "update_ops init_op local_init_op ready_op ready_for_local_init_op"),
    ("setting", "table_initializer saved_model_main_op legacy_init_op"),
)
"""Role -> collections with the names of operations in that role."""
PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
_FILE_OPS = frozenset(
    {"Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2", "RestoreSlice", "ShardedFilename"}
)
"""Ops with the name of a checkpoint as their first input."""
_FILE_NAMES = PLACEHOLDERS | frozenset({"Const", "Identity", "StringJoin", "ShardedFilename"})
"""Ops that such a name comes from, or goes through."""
_LONGEST_OP = 100
"""Letters of an op's name to match: that may take their square. TensorFlow's longest has 72."""
_GRADIENT = re.compile(r"(^|/)(gradients(_\d+)?|gradient_tape)/")
_GRADIENT_OF = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.+?)_grad/")
"""Name of an operation in the scope of its gradient."""
_AVERAGING = re.compile(r"(^|/)AssignMovingAvg(_\d+)?/")
"""Scope of the operations that update a moving average."""


def _ops(names: str) -> frozenset[str]:
    return frozenset(names.split())


SELECTIONS = _ops("Identity StridedSlice Slice Squeeze Reshape")
"""They pass on a value, or a part of it."""
_PIPELINE = r"(IteratorGetNext|QueueDequeue|ReaderRead|Unstage)\w*"
SHAPES = _ops("Shape ShapeN Size Rank ZerosLike OnesLike")
"""They use only the shape of a tensor."""
REDUCTIONS = _ops("Mean Sum Max Min Prod All Any EuclideanNorm L2Loss")
LOSSES = _ops(
    "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits L2Loss CTCLoss CTCLossV2"
    " InTopK InTopKV2"
)
"""Losses and metrics, whatever their use."""
READINGS = _ops("ArgMax ArgMin Round Cast Log Equal NotEqual Greater GreaterEqual Less LessEqual")
"""They prepare an output for a score, and are no output themselves."""
MARGINS = _ops("Sub Add AddV2")
ARITHMETIC = (SHAPES | REDUCTIONS | LOSSES | READINGS | MARGINS) | _ops(
    "AddN Mul MulNoNan Div RealDiv DivNoNan Neg Abs Square SquaredDifference Sqrt Rsqrt Pow Exp"
    " Expm1 Log1p Xlogy Maximum Minimum ClipByValue Sign Floor Ceil Softplus LogicalAnd LogicalOr"
    " LogicalNot Select SelectV2 Where Identity Snapshot StopGradient CheckNumerics Reshape"
    " Squeeze ExpandDims OneHot BroadcastTo Print Pack Gather GatherV2 GatherNd"
)
"""Ops that compute losses and metrics."""


def find_roles(flow: Flow, savers: Iterable[Saver], collections: Collections) -> dict[int, Role]:
    """Return number of an auxiliary operation -> its role."""
    roles = {
        number: role
        for number, op_type in enumerate(flow.types)
        if (role := role_of(op_type)) is not None
    }
    for role, names in _named(savers, collections):
        roles.update(dict.fromkeys(flow.named(names), role))
    roles.update(dict.fromkeys(_file_names(flow), "saving"))
    variables = flow.of_types(VARIABLE_OPS)
    learned = flow.reach(variables, flow.users, lambda _: True)
    roles.update(dict.fromkeys(_derivatives(flow, roles, learned), "training"))
    averaging = (n for n, name in enumerate(flow.names) if _AVERAGING.search(name))
    roles.update(dict.fromkeys(averaging, "setting"))
    # A loss serves only training, too; but it and the model before it depend on variables.
    behind = flow.only_for(roles, lambda number: number not in learned)
    for role in _PATTERNS:
        start = [number for number, other in roles.items() if other == role]
        own = flow.reach(start, flow.sources, lambda n: n in behind and n not in roles)
        roles.update(dict.fromkeys(own, role))
    return roles


@lru_cache(maxsize=4096)
def role_of(op_type: str) -> Role | None:
    """Return the role that every operation of a type has, or None."""
    if len(op_type) > _LONGEST_OP:
        return None
    return next((role for role, types in _PATTERNS.items() if re.fullmatch(types, op_type)), None)


def differentiated(flow: Flow) -> set[int]:
    """Return the operations that the graph has a gradient of."""
    scopes = map(_GRADIENT_OF.search, flow.names)
    return set(flow.named(match[1] for match in scopes if match))


@lru_cache(maxsize=4096)
def is_pipeline(op_type: str) -> bool:
    """Return whether an op returns a batch from an input pipeline in the graph."""
    return re.fullmatch(_PIPELINE, op_type[:_LONGEST_OP]) is not None


def _named(savers: Iterable[Saver], collections: Collections) -> Iterator[tuple[Role, list[str]]]:
    for saver in savers:
        yield "saving", [saver.save_tensor_name, saver.restore_op_name, saver.filename_tensor_name]
    for role, names in _COLLECTIONS:
        for name in names.split():
            yield role, names_in(collections, name)


def names_in(collections: Collections, name: str) -> list[str]:
    """Return the names of operations and tensors in a collection; [] for a damaged one."""
    try:
        return [value for value in collections.get(name, ()) if isinstance(value, str)]
    except CheckpointError:
        return []


def _file_names(flow: Flow) -> set[int]:
    """Return the operations that make names of checkpoints, and those that pass such a name on."""
    savers = map(flow.operation, flow.of_types(_FILE_OPS))
    first = flow.named(each.inputs[0] for each in savers if each.inputs)
    names = [n for n in first if flow.types[n] in _FILE_NAMES]
    return flow.reach(names, flow.users, lambda n: flow.types[n] in _FILE_NAMES)


def _derivatives(flow: Flow, roles: Mapping[int, Role], learned: set[int]) -> set[int]:
    """Return the derivatives and everything computed from them, if a training step uses them."""
    named = {n for n, name in enumerate(flow.names) if _GRADIENT.search(name)}
    # A loop of the model takes empty lists of that scope as inputs, to store values in.
    derived = named | flow.reach(named & learned, flow.users, lambda _: True)
    steps = {number for number, role in roles.items() if role in ("training", "setting")}
    return derived if derived & steps else set()
