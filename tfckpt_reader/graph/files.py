"""From a path to the file that holds a graph, and to its bytes.

Rank 6: knows no graph. FORMAT 1.1.

``P.meta`` belongs to the checkpoint ``P``; of a sharded V1 checkpoint ``m-5-?????-of-00002`` the
file is ``m-5.meta``. The graph of a SavedModel lies beside its folder ``variables``.
"""

from __future__ import annotations

import os

from tfckpt_reader.errors import (
    CheckpointNotFoundError,
    CorruptCheckpointError,
    count_of,
    enough_memory,
)
from tfckpt_reader.folder import V1_SHARD
from tfckpt_reader.locate import locate
from tfckpt_reader.storage import File

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_TOO_LARGE = 1 << 31
"""Bytes from which protobuf reads no message; checked before any is read."""


def graph_file(path: str | os.PathLike[str] | bytes) -> str:
    """Return the file that a path means: a graph, a SavedModel's folder, or a checkpoint's .meta.

    Raises:
        CheckpointNotFoundError: nothing is there, or the checkpoint has no .meta file.
        CorruptCheckpointError: what is there is something else; says what.
    """
    name = os.fsdecode(path).removeprefix("file://")
    if os.path.isdir(name):
        found = _in_folder(name)
        if found is not None:
            return found
    elif os.path.exists(name) and not _is_of_checkpoint(name):
        return name
    elif os.path.isfile(name + ".meta"):
        return name + ".meta"
    location = locate(name)
    found = graph_beside(location.prefix)
    if found is None:
        raise CheckpointNotFoundError(
            "this checkpoint has no graph beside it",
            file=location.prefix + ".meta",
            advice="Only tf.compat.v1.train.Saver writes one; SavedModels have saved_model.pb",
        )
    return found


def graph_beside(prefix: str) -> str | None:
    """Return the file with the graph of the checkpoint of a prefix; None if there is none."""
    shard = V1_SHARD.fullmatch(prefix)
    for stem in (prefix, *([shard[1]] if shard else [])):
        if os.path.isfile(stem + ".meta"):
            return stem + ".meta"
    folder, base = os.path.split(shard[1] if shard else prefix)
    if base == "variables" and os.path.basename(folder) == "variables":
        return _in_folder(os.path.dirname(folder) or ".")
    return None


def read_graph_file(path: str) -> bytes:
    """Return the bytes of a file that may hold a graph.

    Raises:
        CheckpointNotFoundError: it is not there.
        CorruptCheckpointError: it is empty, or larger than any protobuf message; it is not read.
        CheckpointError: it cannot be read.
    """
    file = File(path)
    if file.size >= _TOO_LARGE:
        raise CorruptCheckpointError(
            "no graph is this large",
            file=path,
            expected=f"less than {count_of(_TOO_LARGE, 'byte')}, the most protobuf can read",
            got=count_of(file.size, "byte"),
        )
    if not file.size:
        raise CorruptCheckpointError("is empty", file=path, advice="Download it again")
    with enough_memory(path):
        return bytes(file.read(0, file.size))


def _in_folder(folder: str) -> str | None:
    for name in SAVED_MODEL_FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    return None


def _is_of_checkpoint(path: str) -> bool:
    """Tell whether a file is one of a checkpoint's, beside which its graph may lie."""
    base = os.path.basename(path)
    return (
        base == "checkpoint"
        or base.endswith(".index")
        or ".data-" in base
        or os.path.isfile(path + ".meta")
        or V1_SHARD.fullmatch(path) is not None
    )
