"""The PATH argument of the commands that are about graphs.

Knows no command.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.errors import CheckpointNotFoundError, CorruptCheckpointError
from tfckpt_reader.paths.companions import graph_file_of, saved_model_file
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.storage.filesystem import is_file, is_folder, list_names
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import Namespace

    from tfckpt_reader.paths.layout import Location

_ENDS = (".meta", ".pb", ".pbtxt")
_MOST_SHOWN = 10


def graph_file(arguments: Namespace) -> str:
    """Return the file that a path means: the graph itself, or that beside a checkpoint."""
    path: str = arguments.path
    is_graph = path.endswith(_ENDS) and not is_folder(path)
    if is_graph or saved_model_file(path) is not None:
        return path
    if is_file(f"{path}.meta"):
        return f"{path}.meta"
    try:
        location = locate(path, latest=arguments.latest)
    except CorruptCheckpointError:
        if is_file(path):  # no checkpoint: a frozen graph may have any name
            return path
        raise
    except CheckpointNotFoundError:
        if is_folder(path) and any(name.endswith(".meta") for name in list_names(path)):
            return _only_meta(path)
        raise
    output.notes(location.notes)
    found = graph_file_of(location.prefix)
    if found is None:
        raise CheckpointNotFoundError(
            "there is no graph beside this checkpoint",
            file=f"{location.prefix}.meta",
            advice="Copy the .meta file too; checkpoints of TensorFlow 2 have none",
        )
    return found


def _only_meta(folder: str) -> str:
    """Return the one .meta file in a folder without checkpoints."""
    names = [name for name in list_names(folder) if name.endswith(".meta")]
    if len(names) > 1:
        more = " …" if len(names) > _MOST_SHOWN else ""
        raise CheckpointNotFoundError(
            f"there are {count_of(len(names), 'graph')} in this folder, and no checkpoint",
            file=folder,
            advice=f"Name one: {', '.join(names[:_MOST_SHOWN])}{more}",
        )
    found = os.path.join(folder, names[0])
    output.notes((f"{found} was found in {folder}, which has no checkpoint",))
    return found


def location(arguments: Namespace) -> str | Location:
    """Return the path as given, or with --latest the checkpoint that it picks."""
    path: str = arguments.path
    return locate(path, latest=True) if arguments.latest else path
