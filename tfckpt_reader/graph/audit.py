"""Ops to check before running a graph: custom ones, and those with effects outside it.

Runs nothing. ``ops.txt`` lists TensorFlow's own ops, one a line, after TensorFlow's version;
``fixtures/make_ops.py`` writes it.
"""

from __future__ import annotations

import pkgutil
import re
from collections import Counter
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.decode.operation import split_name
from tfckpt_reader.graph.functions import functions_called

if TYPE_CHECKING:
    from tfckpt_reader.graph.meta_graph import MetaGraph

_EFFECTS = {
    r"(Eager)?PyFunc(Stateless)?": "calls Python code, which is not in the file",
    r"ReadFile|MatchingFiles(Dataset)?": "reads files",
    r"(WholeFile|TextLine|FixedLengthRecord|TFRecord|LMDB)Reader": "reads files",
    r"(TextLine|FixedLengthRecord|TFRecord|LMDB|Load|Sql)Dataset": "reads files",
    r"WriteFile|SaveDataset|DistributedSave|CreateSummary(File|Db)Writer": "writes files",
    r"Restore|RestoreSlice|LoadAndRemapMatrix": "reads checkpoints, though no Saver runs it",
    r"Save|SaveSlices|MergeV2Checkpoints": "writes checkpoints, though no Saver runs it",
    r"Print": "prints",
    r"Rpc\w+|DataServiceDataset|DebugIdentity": "talks to other machines",
}
"""Pattern of an op, without the version at its end -> its effect."""
_VERSION = re.compile(r"V\d+$")


@cache
def own_ops() -> tuple[str, frozenset[str]]:
    """Return a version of TensorFlow and the names of its own ops."""
    version, *names = (pkgutil.get_data(__package__, "ops.txt") or b"").decode("ascii").split()
    return version, frozenset(names)


def custom_ops(graph: MetaGraph) -> dict[str, int]:
    """Return the ops unknown to TensorFlow -> their number in the graph and its functions.

    Functions of the graph are no custom ops.
    """
    counts = Counter(graph.op_counts)
    for function in graph.functions.values():
        counts.update(function.op_counts)
    known = own_ops()[1] | graph.functions.keys()
    return {name: count for name, count in sorted(counts.items()) if name not in known}


def unusual_ops(graph: MetaGraph) -> dict[str, tuple[int, str]]:
    """Return the ops with effects outside the graph -> their number and effect.

    Ops of the Saver are left out: reading and writing checkpoints is its purpose.
    """
    counts, called = _apart_from_savers(graph)
    for name, function in graph.functions.items():
        if name not in called:
            counts.update(function.op_counts)
    effects = ((name, count, _effect(name)) for name, count in sorted(counts.items()))
    return {name: (count, effect) for name, count, effect in effects if effect}


def _apart_from_savers(graph: MetaGraph) -> tuple[Counter[str], set[str]]:
    """Return the counts of ops that no Saver runs, and the functions that one calls."""
    savers = (*graph.savers, *((graph.saver,) if graph.saver else ()))
    names = [name for each in savers for name in (each.save_tensor_name, each.restore_op_name)]
    counts = Counter(graph.op_counts)
    called: set[str] = set()
    with suppress(CheckpointError):  # a Saver may name absent operations
        counts.subtract(graph.types[number] for number in graph.needed(names))
        own = {split_name(name)[0] for name in names[-2:]}
        called = {f.name for name in own for f in functions_called(graph, name, graph.functions)}
    return +counts, called


def _effect(op_type: str) -> str:
    """Return the effect of an op outside the graph, or ""."""
    name = _VERSION.sub("", op_type)
    return next((effect for op, effect in _EFFECTS.items() if re.fullmatch(op, name)), "")
