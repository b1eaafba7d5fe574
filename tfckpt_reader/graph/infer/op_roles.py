"""Which operations are there for something else than the model: to train it, save it, watch it.

Knows no file. TensorFlow ``python/ops/gradients_util.py``, ``core/protobuf/saver.proto``.

Told by the type of an op, by what the savers and the collections of the file name, and by what is
there for nothing but those. One thing is told by a name: TensorFlow puts the derivatives that it
adds to a graph into a scope ``gradients``, and many of them are plain arithmetic.
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

_COLLECTIONS: tuple[tuple[Kind, str], ...] = (
    ("summaries", "summaries summary_op"),
    ("training", "train_op"),
    ("setting", "update_ops init_op local_init_op ready_op ready_for_local_init_op"),
    ("setting", "table_initializer saved_model_main_op legacy_init_op"),
)
_LONGEST_OP = 100
"""Letters; TensorFlow's own have 72 at most. To match may take their square."""
_GRADIENT = re.compile(r"(^|/)(gradients(_\d+)?|gradient_tape)/")


@lru_cache(maxsize=4096)
def _kind_of(op_type: str) -> Kind | None:
    if len(op_type) > _LONGEST_OP:
        return None
    return next((kind for kind, types in MACHINERY.items() if re.fullmatch(types, op_type)), None)


def find_machinery(
    flow: Flow, savers: Iterable[Saver], collections: Collections
) -> dict[int, Kind]:
    """Return number of an operation -> what it is there for, of those that are not the model."""
    found = {
        number: kind
        for number, operation in enumerate(flow.operations)
        if (kind := _kind_of(operation.type)) is not None
    }
    for kind, names in _named(savers, collections):
        found.update(dict.fromkeys(flow.named(names), kind))
    variables = [n for n, each in enumerate(flow.operations) if each.type in VARIABLE_OPS]
    learned = flow.reach(variables, flow.users, lambda _: True)
    found.update(dict.fromkeys(_derivatives(flow, found, learned), "training"))
    # A loss is there for nothing but training, either; it and the model behind it are learned.
    behind = flow.only_for(found, lambda number: number not in learned)
    for kind in MACHINERY:
        start = [number for number, other in found.items() if other == kind]
        own = flow.reach(start, flow.sources, lambda n: n in behind and n not in found)
        found.update(dict.fromkeys(own, kind))
    return found


def _named(savers: Iterable[Saver], collections: Collections) -> Iterator[tuple[Kind, list[str]]]:
    for saver in savers:
        yield "saving", [saver.save_tensor_name, saver.restore_op_name, saver.filename_tensor_name]
    for kind, names in _COLLECTIONS:
        for name in names.split():
            yield kind, names_in(collections, name)


def names_in(collections: Collections, name: str) -> list[str]:
    """Return the names of operations and tensors in a collection; none where it is damaged."""
    try:
        return [value for value in collections.get(name, ()) if isinstance(value, str)]
    except CheckpointError:
        return []


def _derivatives(flow: Flow, kinds: Mapping[int, Kind], learned: set[int]) -> set[int]:
    """Return the derivatives and what is made of them, if they go into a step of training."""
    named = {n for n, each in enumerate(flow.operations) if _GRADIENT.search(each.name)}
    # A loop of the model is given empty lists of that scope, to keep what derivatives will need.
    found = named | flow.reach(named & learned, flow.users, lambda _: True)
    steps = {number for number, kind in kinds.items() if kind in ("training", "setting")}
    return found if found & steps else set()


Kind: TypeAlias = Literal["saving", "setting", "feeding", "training", "summaries", "checking"]
"""What machinery is there for: `setting` gives variables and tables their values."""


MACHINERY: dict[Kind, str] = {
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
"""Patterns of the ops that are machinery by themselves."""


def _ops(names: str) -> frozenset[str]:
    return frozenset(names.split())


PLACEHOLDERS = _ops("Placeholder PlaceholderV2 PlaceholderWithDefault")


PIPELINE = r"(IteratorGetNext|QueueDequeue|ReaderRead|Unstage)\w*"
"""Pattern of the ops that give what an input pipeline in the graph has made ready."""


SHAPES = _ops("Shape ShapeN Size Rank ZerosLike OnesLike")
"""They take from a tensor no more than its shape."""


REDUCTIONS = _ops("Mean Sum Max Min Prod All Any EuclideanNorm L2Loss")


LOSSES = _ops(
    "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits L2Loss CTCLoss CTCLossV2"
    " InTopK InTopKV2"
)
"""Losses and metrics, whatever becomes of them."""


READINGS = _ops("ArgMax ArgMin Round Cast Log Equal NotEqual Greater GreaterEqual Less LessEqual")
"""What makes a score of an output, and is none itself."""


MARGINS = _ops("Sub Add AddV2")


ARITHMETIC = (SHAPES | REDUCTIONS | LOSSES | READINGS | MARGINS) | _ops(
    "AddN Mul MulNoNan Div RealDiv DivNoNan Neg Abs Square SquaredDifference Sqrt Rsqrt Pow Exp"
    " Expm1 Log1p Xlogy Maximum Minimum ClipByValue Sign Floor Ceil Softplus LogicalAnd LogicalOr"
    " LogicalNot Select SelectV2 Where Identity Snapshot StopGradient CheckNumerics Reshape"
    " Squeeze ExpandDims OneHot BroadcastTo Print"
)
"""What losses and metrics are computed with."""
