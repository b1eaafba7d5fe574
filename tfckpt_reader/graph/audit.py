"""Ops that whoever runs a graph should know of: custom ones, and those that reach out of it.

Runs nothing. ``ops.txt`` has the names of TensorFlow's own ops, one a line, after the
version that they are of; ``fixtures/make_ops.py`` writes it.
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
from tfckpt_reader.graph.saved_keys import functions_called

if TYPE_CHECKING:
    from tfckpt_reader.graph.meta_graph import MetaGraph

_REACHING_OUT = {
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
"""Pattern of an op, but for the version at its end -> what it does beyond calculating."""
_VERSION = re.compile(r"V\d+$")


@cache
def own_ops() -> tuple[str, frozenset[str]]:
    """Return a version of TensorFlow and the names of the ops that it registers itself."""
    version, *names = (pkgutil.get_data(__package__, "ops.txt") or b"").decode("ascii").split()
    return version, frozenset(names)


def custom_ops(graph: MetaGraph) -> dict[str, int]:
    """Return the ops that are not among TensorFlow's own -> how often they are there.

    Functions of the graph are no custom ops; what is in them counts.
    """
    counts = Counter(graph.op_counts)
    for function in graph.functions.values():
        counts.update(function.op_counts)
    known = own_ops()[1] | graph.functions.keys()
    return {name: count for name, count in sorted(counts.items()) if name not in known}


def unusual_ops(graph: MetaGraph) -> dict[str, tuple[int, str]]:
    """Return the ops that do more than calculate -> how often they are there, and what they do.

    What the Saver runs is left out: to read and write checkpoints is what it is for.
    """
    counts, called = _apart_from_savers(graph)
    for name, function in graph.functions.items():
        if name not in called:
            counts.update(function.op_counts)
    told = ((name, count, _does(name)) for name, count in sorted(counts.items()))
    return {name: (count, does) for name, count, does in told if does}


def _apart_from_savers(graph: MetaGraph) -> tuple[Counter[str], set[str]]:
    """Return the ops of the graph that no Saver runs, and the functions that one does."""
    savers = (*graph.savers, *((graph.saver,) if graph.saver else ()))
    names = [name for each in savers for name in (each.save_tensor_name, each.restore_op_name)]
    counts = Counter(graph.op_counts)
    called: set[str] = set()
    with suppress(CheckpointError):  # a Saver names what is not there
        counts.subtract(operation.type for operation in graph.subgraph(names))
        own = {split_name(name)[0] for name in names[-2:]}
        called = {f.name for name in own for f in functions_called(graph, name, graph.functions)}
    return +counts, called


def _does(op_type: str) -> str:
    """Return what an op does beyond calculating; "" for nothing."""
    name = _VERSION.sub("", op_type)
    return next((does for op, does in _REACHING_OUT.items() if re.fullmatch(op, name)), "")
