"""The command ``graph``: a picture of a graph, for TensorBoard or Graphviz; or its nodes."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.notation import size_text
from tfckpt_reader.cli.path_argument import GRAPH, graph_file
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.meta_graph import MetaGraph, read_meta_graph
from tfckpt_reader.graph.render import write_event_file
from tfckpt_reader.graph.render.dot import MOST_BOXES, Picture, collapsed, drawn
from tfckpt_reader.text import count_of, nearest, quoted

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from tfckpt_reader.graph.functions import Function

_MOST_FUNCTIONS = 10
"""Functions listed in an error, if none has a name like the given one."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``graph``."""
    add = parser.add_argument
    add("path", metavar="PATH", help=GRAPH)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--tensorboard", metavar="LOGDIR", help="write an event file for TensorBoard")
    dot = "print the graph for Graphviz, with a box per name scope"
    form.add_argument("--dot", action="store_true", help=dot)
    form.add_argument("--pb", metavar="OUT.pb", help="write the nodes, with variables, to a file")
    depth = "name components to keep; 0 keeps one, and merges conv and conv_1"
    default = "(default: as many as stay readable)"
    add("--depth", type=int, metavar="N", help=f"with --dot: {depth} {default}")
    add("--function", metavar="NAME", help="with --dot: draw this function")
    only = "only what this tensor or operation depends on; may be repeated"
    add("--subgraph", action="append", default=[], metavar="OUT", help=only)


def run(arguments: Namespace) -> int:
    """Draw a graph, or write it."""
    if not arguments.dot and (arguments.depth is not None or arguments.function is not None):
        raise ValueError("--depth and --function need --dot: TensorBoard opens scopes on a click")
    meta = read_meta_graph(graph_file(arguments))
    if arguments.dot:
        _print_dot(meta, arguments)
    elif arguments.pb is not None:
        _write_pb(meta, arguments)
    else:
        _write_event_file(meta, arguments)
    return 0


def _print_dot(meta: MetaGraph, arguments: Namespace) -> None:
    whole = meta if arguments.function is None else _function(meta, arguments.function)
    picture = collapsed(whole, arguments.depth, arguments.subgraph)
    if arguments.json:
        output.print_json({"path": meta.file, **asdict(picture)})
        return
    if arguments.depth is None:
        output.print_notes(_depth_notes(picture))
    if whole is meta and meta.libraries:
        more = "--function NAME draws one, tfckpt meta --json lists their names"
        output.print_notes([f"the nodes of functions are not drawn: {more}"])
    output.print_lines(*drawn(picture).splitlines())


def _function(meta: MetaGraph, name: str) -> Function:
    if name not in meta.functions:
        names = list(meta.functions)
        listed = nearest(name, names) or names[:_MOST_FUNCTIONS]
        raise TensorNotFoundError(
            f"there is no function {quoted(name)}",
            file=meta.file,
            advice=f"There is: {', '.join(listed) or 'none'}",
        )
    return meta.functions[name]


def _depth_notes(picture: Picture) -> Iterator[str]:
    """Yield notes about a depth chosen by this program."""
    if picture.depth < picture.deepest:
        yield (
            f"name scopes are drawn to depth {picture.depth} of {picture.deepest} "
            f"(boxes: {len(picture.boxes):,}); --depth N shows more or less"
        )
    if len(picture.boxes) > MOST_BOXES:
        yield f"{len(picture.boxes):,} boxes are many to read; --subgraph OUT draws what OUT needs"


def _write_pb(meta: MetaGraph, arguments: Namespace) -> None:
    nodes = meta.write_graph(arguments.pb, outputs=arguments.subgraph)
    if arguments.json:
        output.print_json({"path": meta.file, "out": arguments.pb, "nodes": nodes})
        return
    output.print_lines(f"wrote {arguments.pb}: {count_of(nodes, 'node')}")


def _write_event_file(meta: MetaGraph, arguments: Namespace) -> None:
    done = write_event_file(meta, arguments.tensorboard, outputs=arguments.subgraph)
    if arguments.json:
        facts = asdict(done)
        output.print_json({"path": meta.file, "event_file": facts.pop("path"), **facts})
        return
    amount = f"{count_of(done.nodes, 'node')}, {count_of(done.functions, 'function')}"
    output.print_lines(
        f"wrote {done.path}: {amount}, {size_text(done.nbytes)}",
        f"view it with: tensorboard --logdir {shlex.quote(arguments.tensorboard)}",
    )
