"""The command ``meta``: what a graph file says, on lines or as JSON.

Rank 15: prints what the layers below say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.described import (
    kinds,
    operation_facts,
    operation_lines,
    signature_facts,
    signature_lines,
    summary_facts,
    summary_lines,
    variable_facts,
    variable_lines,
)
from tfckpt_reader.errors import CheckpointNotFoundError, count_of, printable
from tfckpt_reader.folder import SAVED_MODEL_FILES
from tfckpt_reader.graph.meta_graph import MetaGraph, read_meta_graph
from tfckpt_reader.graph.parts import graph_file_of
from tfckpt_reader.locate import locate
from tfckpt_reader.selection import select

if TYPE_CHECKING:
    from argparse import Namespace

_ENDS = (".meta", ".pb", ".pbtxt")


def meta(arguments: Namespace) -> int:
    """Describe a graph: 0, or 1 if the summary found something wrong with it."""
    graph = read_meta_graph(_graph_file(arguments))
    document: dict[str, Any] = {"path": graph.file}
    code = 0
    if arguments.op is not None:
        facts = operation_facts(graph, graph.operation(arguments.op))
        lines = operation_lines(facts)
        document |= facts
    elif arguments.ops is not None:
        lines, document["operations"] = _operations(graph, arguments.ops)
    elif arguments.variables or arguments.trainable:
        only = arguments.trainable
        found = graph.trainable_variables if only else graph.global_variables
        document["variables"] = variable_facts(found)
        lines = variable_lines(found)
    elif arguments.signatures:
        document["signatures"] = signature_facts(graph)
        lines = signature_lines(graph)
    else:
        document |= summary_facts(graph)
        lines = summary_lines(document)
        code = 1 if document["problems"] else 0
    if arguments.json:
        output.say_json(document)
    else:
        output.say(*map(printable, lines))
    return code


def _graph_file(arguments: Namespace) -> str:
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


def _operations(graph: MetaGraph, glob: str) -> tuple[list[str], list[dict[str, str]]]:
    names = set(select([operation.name for operation in graph.operations], [glob]))
    found = [operation for operation in graph.operations if operation.name in names]
    width = max((len(operation.type) for operation in found), default=0)
    lines = [f"{operation.type:<{width}}  {operation.name}" for operation in found]
    lines.append(f"{count_of(len(found), 'operation')} of {kinds(len({o.type for o in found}))}")
    return lines, [{"name": each.name, "type": each.type} for each in found]
