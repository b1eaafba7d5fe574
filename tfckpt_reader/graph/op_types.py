"""TensorFlow's ops by what they are for, as far as that tells a model from what surrounds it.

Rank 1: names only.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

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
