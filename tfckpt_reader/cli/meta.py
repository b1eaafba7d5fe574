"""The command ``meta``: the contents of a graph file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.interface import (
    interface_facts,
    interface_lines,
    signature_facts,
    signature_lines,
    variable_facts,
    variable_lines,
)
from tfckpt_reader.cli.describe.operation import is_damaged, operation_facts, operation_lines
from tfckpt_reader.cli.describe.summary import problem_lines, summary_facts, summary_lines
from tfckpt_reader.cli.path_argument import GRAPH, graph_file
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.meta_graph import MetaGraph, read_meta_graph
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``meta``."""
    parser.add_argument("path", metavar="PATH", help=GRAPH)
    add = parser.add_mutually_exclusive_group().add_argument
    ops = "list all operations, or those like GLOB"
    add("--ops", nargs="?", const="*", metavar="GLOB", help=ops)
    add("--op", metavar="NAME", help="describe one operation")
    add("--variables", action="store_true", help="list the variables")
    add("--signatures", action="store_true", help="list inputs and outputs")
    parser.add_argument("--trainable", action="store_true", help="list the trainable variables")


def run(arguments: Namespace) -> int:
    """Describe a graph: 0, or 1 if it has problems."""
    if arguments.trainable and (arguments.op or arguments.ops or arguments.signatures):
        raise ValueError("--trainable is about variables: leave out the other option")
    graph = read_meta_graph(graph_file(arguments))
    facts, lines, sound = _description(graph, arguments)
    if arguments.json:
        output.print_json({"path": graph.file, **facts})
    else:
        output.print_lines(*lines)
    return 0 if sound else 1


def _description(graph: MetaGraph, arguments: Namespace) -> tuple[dict[str, Any], list[str], bool]:
    """Return the facts selected by the options, their lines, and whether all is sound."""
    if arguments.op is not None:
        facts = operation_facts(graph, graph.operation(arguments.op))
        return facts, operation_lines(facts), not is_damaged(facts)
    if arguments.ops is not None:
        operations, lines = _operations(graph, arguments.ops)
        return {"operations": operations}, lines, True
    if arguments.variables or arguments.trainable:
        only = arguments.trainable
        variables = graph.trainable_variables if only else graph.global_variables
        if only and not graph.lists_variables:
            output.print_notes(("the file does not list its variables: any may be trainable",))
        return {"variables": variable_facts(variables)}, variable_lines(variables), True
    if arguments.signatures:
        return {"signatures": signature_facts(graph)}, signature_lines(graph), True
    facts = {**summary_facts(graph), **interface_facts(graph)}
    problems = facts["problems"]
    lines = [*summary_lines(facts), *interface_lines(facts), *problem_lines(problems)]
    return facts, lines, not problems


def _operations(graph: MetaGraph, glob: str) -> tuple[list[dict[str, str]], list[str]]:
    names = set(select([operation.name for operation in graph.operations], [glob]))
    chosen = [operation for operation in graph.operations if operation.name in names]
    if not chosen and glob != "*":
        raise TensorNotFoundError(f"no operation matches {glob}", file=graph.file)
    width = max((len(operation.type) for operation in chosen), default=0)
    lines = [f"{operation.type:<{width}}  {operation.name}" for operation in chosen]
    kinds = count_of(len({operation.type for operation in chosen}), "kind")
    lines.append(f"{count_of(len(chosen), 'operation')} of {kinds}")
    return [{"name": each.name, "type": each.type} for each in chosen], lines
