"""Which operations are there for something else than the model: to train it, save it, watch it.

Rank 10: knows no file. TensorFlow ``python/ops/gradients_util.py``, ``core/protobuf/saver.proto``.

Told by the type of an op, by what the savers and the collections of the file name, and by what is
there for nothing but those. One thing is told by a name: TensorFlow puts the derivatives that it
adds to a graph into a scope ``gradients``, and many of them are plain arithmetic.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.nodes import VARIABLE_OPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.collections import Collections, Saver
    from tfckpt_reader.graph.flow import Flow

SAVING, SETTING, FEEDING, CHECKING = "saving", "setting", "feeding", "checking"
TRAINING, SUMMARIES = "training", "summaries"

_TYPES = {
    SAVING: r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints|Sharded(Filename|Filespec)",
    SETTING: (
        r"Assign\w*|(Resource)?Scatter(Nd)?(Add|Sub|Mul|Div|Min|Max|Update)|Initialize\w*Table\w*"
        r"|LookupTable(Import|Insert|Remove)\w*|VarIsInitializedOp|IsVariableInitialized"
    ),
    FEEDING: r"Queue(Enqueue|Close)\w*|MakeIterator|Stage",
    TRAINING: r"(Resource)?(Sparse)?Apply[A-Z]\w*",
    SUMMARIES: r"\w*Summary\w*",
    CHECKING: r"Assert|Abort|NoOp|ControlTrigger|PrintV2|Delete\w*|Destroy\w*",
}
_COLLECTIONS = {
    **dict.fromkeys(("summaries", "summary_op"), SUMMARIES),
    "train_op": TRAINING,
    **dict.fromkeys(("update_ops", "init_op", "local_init_op", "table_initializer"), SETTING),
    **dict.fromkeys(("ready_op", "ready_for_local_init_op"), SETTING),
    **dict.fromkeys(("saved_model_main_op", "legacy_init_op"), SETTING),
}
_ANY_TYPE = re.compile("|".join(f"(?P<{kind}>{types})" for kind, types in _TYPES.items()))
_GRADIENT = re.compile(r"(?:.*/)?(?:gradients(?:_\d+)?|gradient_tape)/", re.DOTALL)


@cache
def _kind_of(op_type: str) -> str | None:
    found = _ANY_TYPE.fullmatch(op_type)
    return None if found is None else found.lastgroup


def find_machinery(
    flow: Flow, savers: Iterable[Saver], collections: Collections
) -> dict[int, str]:
    """Return number of an operation -> what it is there for, of those that are not the model."""
    found = {
        number: kind
        for number, operation in enumerate(flow.operations)
        if (kind := _kind_of(operation.type)) is not None
    }
    for kind, names in _named(savers, collections):
        found.update(dict.fromkeys(flow.named(names), kind))
    found.update(dict.fromkeys(_derivatives(flow, found), TRAINING))
    variables = (n for n, each in enumerate(flow.operations) if each.type in VARIABLE_OPS)
    learned = flow.reach(variables, flow.users, lambda _: True)
    # A loss is there for nothing but training, either; it and the model behind it are learned.
    behind = flow.only_for(found, lambda number: number not in learned)
    for kind in _TYPES:
        start = [number for number, other in found.items() if other == kind]
        own = flow.reach(start, flow.sources, lambda n: n in behind and n not in found)
        found.update(dict.fromkeys(own, kind))
    return found


def _named(savers: Iterable[Saver], collections: Collections) -> Iterator[tuple[str, list[str]]]:
    for saver in savers:
        yield SAVING, [saver.save_tensor_name, saver.restore_op_name, saver.filename_tensor_name]
    for name, kind in _COLLECTIONS.items():
        try:
            values = collections.get(name, [])
        except CheckpointError:
            continue
        yield kind, [value for value in values if isinstance(value, str)]


def _derivatives(flow: Flow, kinds: Mapping[int, str]) -> set[int]:
    """Return the derivatives and what is made of them, if they go into a step of training."""
    named = (n for n, each in enumerate(flow.operations) if _GRADIENT.match(each.name))
    found = flow.reach(named, flow.users, lambda _: True)
    steps = {number for number, kind in kinds.items() if kind in (TRAINING, SETTING)}
    return found if found & steps else set()
