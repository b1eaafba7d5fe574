"""Dtypes and shapes of what a graph saves, without decoding the rest of it.

Knows no checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.meta_graph import load
from tfckpt_reader.graph.saved_keys import kinds_of_saved

if TYPE_CHECKING:
    from tfckpt_reader.graph.saved_keys import Kind

_SAVE = (b"ave", b"ariable", b"VarHandleOp")
"""One is in the bytes of each node of a Saver, whose name, op, inputs or function contain Save or
save, and of each variable."""


def read_saved_kinds(path: str) -> dict[str, Kind]:
    """Return the keys saved by the graph in a file, each with its dtype and shape as far as known.

    Decodes only nodes that may save, and those of variables. Keys given by other nodes are left
    out: the purpose is to find keys absent from a checkpoint.

    Raises:
        CheckpointError: as for `read_meta_graph`.
    """
    graph = load(path, texts=_SAVE)
    has_objects = graph.lists_variables and "variables" not in graph.collections
    variables = graph.global_variables if has_objects else ()
    objects = {each.checkpoint_key: (each.dtype, each.shape) for each in variables}
    return kinds_of_saved(graph, graph.saved, objects)
