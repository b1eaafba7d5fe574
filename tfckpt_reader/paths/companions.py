"""Files that belong to a checkpoint without being part of it: its graph, its SavedModel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.paths.layout import V1_SHARD

if TYPE_CHECKING:
    pass


SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""Names of the file in the folder of a SavedModel."""


def saved_model_of(prefix: str) -> str | None:
    """Return the folder of the SavedModel whose variables a prefix names; None if it names none."""
    folder, base = os.path.split(prefix)
    if base != "variables" or os.path.basename(os.path.abspath(folder)) != "variables":
        return None
    outer, inner = os.path.split(folder)
    return outer if inner == "variables" else os.path.join(folder, os.pardir)


def graph_file_of(prefix: str) -> str | None:
    """Return the file with the graph of a checkpoint; None where there is none.

    Args:
        prefix: The checkpoint's prefix, its file, or the pattern for its V1 shards.
    """
    shard = V1_SHARD.fullmatch(prefix)
    meta = f"{shard[1] if shard else prefix}.meta"
    if os.path.isfile(meta):
        return meta
    model = saved_model_of(prefix)
    if model is None:
        return None
    saved = (os.path.join(model, name) for name in SAVED_MODEL_FILES)
    return next(filter(os.path.isfile, saved), None)


def _file_of(path: str) -> str:
    if not os.path.isdir(path):
        meta = f"{path}.meta"
        return meta if not os.path.exists(path) and os.path.isfile(meta) else path
    for name in SAVED_MODEL_FILES:
        file = os.path.join(path, name)
        if os.path.isfile(file):
            return file
    raise CheckpointNotFoundError(
        "this folder is no SavedModel: it holds no saved_model.pb",
        file=path,
        advice="Name the .meta file of a checkpoint instead",
    )
