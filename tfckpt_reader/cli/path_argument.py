"""The argument PATH: its help, and the checkpoint or the graph file it stands for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from tfckpt_reader.checkpoint import open_location
from tfckpt_reader.cli import output
from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, CorruptCheckpointError
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.paths.companions import (
    SAVED_MODEL_FILES,
    graph_file_of,
    saved_model_file,
    saved_model_of,
)
from tfckpt_reader.paths.layout import checkpoints_in
from tfckpt_reader.paths.listing import listed_once
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.saver import saver_version
from tfckpt_reader.paths.unchanged import read_unchanged
from tfckpt_reader.storage.filesystem import is_file, is_folder, join, list_names
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.paths.unchanged import Unchanged

_Result = TypeVar("_Result")

CHECKPOINT = "checkpoint: its prefix, any of its files, a folder, or a SavedModel"
GRAPH = "graph: a .meta file, a SavedModel or a frozen graph; or a checkpoint with a .meta file"
_GRAPH_SUFFIXES = (".meta", ".pb", ".pbtxt")
_MOST_NAMES = 10
"""Files listed in an error."""


@listed_once()
def read_checkpoint(arguments: Namespace, read: Callable[[Checkpoint], _Result]) -> _Result:
    """Open the checkpoint PATH and return the result of `read`, from files that did not change."""
    location = locate(arguments.path, latest=arguments.latest)

    def attempt(_: Unchanged) -> _Result:
        with open_location(location) as ckpt:
            return read(ckpt)

    return read_unchanged(location, attempt)


def graph_file(arguments: Namespace) -> str:
    """Return the file with the graph: PATH itself, or the one beside the checkpoint.

    Raises:
        CheckpointNotFoundError: neither is a graph.
    """
    path: str = arguments.path
    is_graph = path.endswith(_GRAPH_SUFFIXES) and not is_folder(path)
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
        graphs = _graphs_in(path)
        if not graphs:
            raise
        return _only(graphs, path)
    output.print_notes(location.notes)
    file = graph_file_of(location.prefix)
    if file is not None:
        return file
    if graphs := _graphs_in(path):
        return _only(graphs, path)
    raise _no_graph(location)


def _no_graph(location: Location) -> CheckpointNotFoundError:
    """Return the error about a checkpoint without a graph."""
    model = saved_model_of(location.prefix)
    if model is not None:
        return CheckpointNotFoundError(
            "the graph of this SavedModel is missing",
            file=join(model, SAVED_MODEL_FILES[0]),
            advice="Copy it too: it lies beside the folder `variables`",
        )
    advice = "Copy the .meta file too"
    with suppress(CheckpointError), open_location(location) as ckpt:
        if OBJECT_GRAPH in ckpt.specs:
            advice = "A checkpoint of objects, as TensorFlow 2 saves them, has none"
    return CheckpointNotFoundError(
        "there is no graph beside this checkpoint", file=f"{location.prefix}.meta", advice=advice
    )


def _graphs_in(path: str) -> list[str]:
    """Return the names of all graphs in a folder; none for a path of another kind."""
    metas = [name for name in list_names(path) if name.endswith(".meta")] if is_folder(path) else []
    return [name for name in metas if saver_version(join(path, name)) is not None] or metas


def _only(names: list[str], folder: str) -> str:
    """Return the .meta file of a folder, if there is only one.

    It can be that of a checkpoint which the state file does not name, or of none.
    """
    if len(names) > 1:
        more = " …" if len(names) > _MOST_NAMES else ""
        none = "" if checkpoints_in(folder) else ", and no checkpoint"
        raise CheckpointNotFoundError(
            f"there are {count_of(len(names), 'graph')} in this folder{none}",
            file=folder,
            advice=f"Name one: {', '.join(names[:_MOST_NAMES])}{more}",
        )
    file = join(folder, names[0])
    output.print_notes((f"{file} is the only graph in {folder}, and was read",))
    return file
