"""The command ``meta``: what a graph file says, on lines or as JSON.

Prints what the layers below say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.graph import (
    kinds,
    problem_lines,
    summary_facts,
    summary_lines,
    variable_facts,
    variable_lines,
)
from tfckpt_reader.cli.describe.interface import (
    interface_facts,
    interface_lines,
    signature_facts,
    signature_lines,
)
from tfckpt_reader.cli.describe.operation import is_damaged, operation_facts, operation_lines
from tfckpt_reader.cli.paths import graph_file
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.meta_graph import MetaGraph, read_meta_graph
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of, printable

if TYPE_CHECKING:
    from argparse import Namespace


def meta(arguments: Namespace) -> int:
    """Describe a graph: 0, or 1 if something was found to be wrong with it."""
    if arguments.trainable and (arguments.op or arguments.ops or arguments.signatures):
        raise ValueError("--trainable is about variables: leave out the other option")
    graph = read_meta_graph(graph_file(arguments))
    document: dict[str, Any] = {"path": graph.file}
    code = 0
    if arguments.op is not None:
        facts = operation_facts(graph, graph.operation(arguments.op))
        lines = operation_lines(facts)
        code = 1 if is_damaged(facts) else 0
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
        document |= {**summary_facts(graph), **interface_facts(graph)}
        lines = [*summary_lines(document), *interface_lines(document)]
        lines += problem_lines(document["problems"])
        code = 1 if document["problems"] else 0
    if arguments.json:
        output.say_json(document)
    else:
        output.say(*map(printable, lines))
    return code


def _operations(graph: MetaGraph, glob: str) -> tuple[list[str], list[dict[str, str]]]:
    names = set(select([operation.name for operation in graph.operations], [glob]))
    found = [operation for operation in graph.operations if operation.name in names]
    if not found and glob != "*":
        raise TensorNotFoundError(f"no operation matches {glob}", file=graph.file)
    width = max((len(operation.type) for operation in found), default=0)
    lines = [f"{operation.type:<{width}}  {operation.name}" for operation in found]
    lines.append(f"{count_of(len(found), 'operation')} of {kinds(len({o.type for o in found}))}")
    return lines, [{"name": each.name, "type": each.type} for each in found]
