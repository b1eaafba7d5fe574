"""The PATH argument of the commands that are about graphs.

Rank 14: knows no command.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.folder import SAVED_MODEL_FILES
from tfckpt_reader.graph.parts import graph_file_of
from tfckpt_reader.locate import locate

if TYPE_CHECKING:
    from argparse import Namespace

_ENDS = (".meta", ".pb", ".pbtxt")


def graph_file(arguments: Namespace) -> str:
    """Return the file that a path means: the graph itself, or that beside a checkpoint."""
    path: str = arguments.path
    is_graph = path.endswith(_ENDS) and not os.path.isdir(path)
    if is_graph or any(os.path.isfile(os.path.join(path, name)) for name in SAVED_MODEL_FILES):
        return path
    location = locate(path, latest=arguments.latest)
    output.notes(location.notes)
    found = graph_file_of(location.prefix)
    if found is None:
        raise CheckpointNotFoundError(
            "there is no graph beside this checkpoint",
            file=f"{location.prefix}.meta",
            advice="Copy the .meta file too; checkpoints of TensorFlow 2 have none",
        )
    return found
