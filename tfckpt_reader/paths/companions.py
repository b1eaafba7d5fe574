"""Files that accompany a checkpoint without holding its tensors: its graph, its SavedModel.

Independent of their contents. FORMAT 1.1.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.paths.layout import (
    OWN_FILE,
    Location,
    base_of,
    v1_file,
    v1_shards,
    v2_checkpoint,
)
from tfckpt_reader.paths.listing import listing, parse_v1_shard
from tfckpt_reader.paths.state_file import STATE_FILE, state_files
from tfckpt_reader.storage.filesystem import (
    absolute_path,
    exists,
    folder_of,
    is_file,
    is_folder,
    is_url,
    join,
    real_path,
    split,
)
from tfckpt_reader.storage.sniff import is_editor_file, is_state_file, is_web_page, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLES = "variables"
_GRAPH_ENDINGS = (".pb", ".pbtxt")
"""Of graphs, and of the other files in a SavedModel."""
_MISPLACED = ((_VARIABLES,), (_VARIABLES,) * 3)
"""Where some copies have the variables of a SavedModel: beside its file, or one folder deeper."""
SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""Names of the file with the graphs in the folder of a SavedModel."""


def saved_model_file(folder: str) -> str | None:
    """Return the file with the graphs of a SavedModel; None for a folder of another kind."""
    return next(filter(is_file, (join(folder, name) for name in SAVED_MODEL_FILES)), None)


def saved_model_prefix(folder: str) -> str:
    """Return the prefix of the variables of a SavedModel.

    Some copies change capitals in the names; the spelling that exists counts.
    """
    prefix = folder
    for ending in ("", ".index"):
        names = listing(prefix).names if not exists(join(prefix, _VARIABLES + ending)) else ()
        wanted = _VARIABLES + ending
        alike = (name for name in names if name.lower() == wanted and name.endswith(ending))
        found = next(alike, wanted)
        prefix = join(prefix, found.removesuffix(ending))
    return prefix


def saved_model_variables(folder: str, *, anywhere: bool = False) -> Location | None:
    """Return the checkpoint with the variables of a SavedModel, if it has one.

    Args:
        folder: The folder of the SavedModel.
        anywhere: Look where some copies have them, too; TensorFlow does not.

    Raises:
        CheckpointNotFoundError: several sets of V1 shards match.
    """
    wanted = join(folder, _VARIABLES, _VARIABLES)
    misplaced = (join(folder, *names) for names in _MISPLACED if anywhere)
    for prefix in (saved_model_prefix(folder), *misplaced):
        location = v2_checkpoint(prefix) or v1_shards(prefix)
        if location is not None:
            moved = f"TensorFlow looks for {wanted}, and this is {prefix}: rename it"
            return location if prefix == wanted else location.noted(moved)
    return None


def saved_model_of(prefix: str) -> str | None:
    """Return the folder of the SavedModel with these variables; None for any other prefix.

    Only names count: the folder need not have a SavedModel's file.
    """
    folder, base = split(prefix)
    if not base.lower() == os.path.basename(absolute_path(folder)).lower() == _VARIABLES:
        return None
    outer, inner = split(folder)
    return outer if inner.lower() == _VARIABLES else join(folder, os.pardir)


def graph_file_of(prefix: str) -> str | None:
    """Return the file with the graph of a checkpoint, if it has one: ``.meta`` or a SavedModel's.

    Args:
        prefix: The checkpoint's prefix, its file, or the pattern of its V1 shards.
    """
    meta = f"{base_of(prefix)}.meta"
    if is_file(meta) and not _is_stand_in(meta):
        return meta
    model = saved_model_of(prefix)
    return None if model is None else saved_model_file(model)


def _is_stand_in(meta: str) -> bool:
    """Return whether it is the Unity editor's, or a web server's page for a missing file."""
    head = read_head(meta)
    return is_editor_file(head) or (is_url(meta) and is_web_page(head))


def graph_file_at(path: str) -> str:
    """Return the file with a graph for a path: a file, a prefix, or the folder of a SavedModel.

    Raises:
        CheckpointNotFoundError: `path` is a folder of another kind.
    """
    if not is_folder(path):
        meta = f"{path}.meta"
        return meta if not exists(path) and is_file(meta) else path
    file = saved_model_file(path)
    if file is None:
        raise CheckpointNotFoundError(
            "this folder is not a SavedModel: it has no saved_model.pb",
            file=path,
            advice="Name the .meta file of a checkpoint instead",
        )
    return file


def is_checkpoint_file(path: str) -> bool:
    """Return whether a path is, or has the name of, a file of a checkpoint or of its graph."""
    for each in (path, real_path(path)):
        name = os.path.basename(each).lower()  # some file systems ignore case
        is_named = OWN_FILE.fullmatch(name) or parse_v1_shard(name) or name == STATE_FILE
        if is_named or name.endswith(_GRAPH_ENDINGS) or v1_file(each):
            return True
    return is_state_file(read_head(path))


def companion_files(location: Location) -> Iterator[str]:
    """Yield the paths of the graph and the state files of a checkpoint, existing or not."""
    folder = folder_of(location.prefix)
    yield base_of(location.base) + ".meta"
    yield join(folder, STATE_FILE)
    yield from state_files(folder)
