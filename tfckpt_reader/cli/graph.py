"""The command ``graph``: a picture of a graph, for TensorBoard or Graphviz.

Prints what the layers below say.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.paths import graph_file
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.meta_graph import MetaGraph, read_meta_graph
from tfckpt_reader.graph.render import write_event_file
from tfckpt_reader.graph.render.dot import drawn
from tfckpt_reader.graph.render.scopes import MOST_BOXES, Picture, collapsed
from tfckpt_reader.text import count_of, nearest, printable

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from tfckpt_reader.graph.functions import Function

_SHOWN = 10
"""Functions that are named where none is like the one that was asked for."""


def graph(arguments: Namespace) -> int:
    """Draw a graph."""
    if not arguments.dot and (arguments.depth is not None or arguments.function is not None):
        raise ValueError("--depth and --function are for --dot: TensorBoard has all of it to click")
    meta = read_meta_graph(graph_file(arguments))
    if arguments.dot:
        _print_dot(meta, arguments)
    else:
        _write_event_file(meta, arguments)
    return 0


def _print_dot(meta: MetaGraph, arguments: Namespace) -> None:
    whole = meta if arguments.function is None else _function(meta, arguments.function)
    picture = collapsed(whole, arguments.depth, arguments.subgraph)
    if arguments.json:
        output.say_json({"path": meta.file, **asdict(picture)})
        return
    if arguments.depth is None:
        output.notes(_about(picture))
    if whole is meta and meta.libraries:
        more = "--function NAME draws one, tfckpt meta --json lists their names"
        output.notes([f"what functions do is not drawn: {more}"])
    output.say(*drawn(picture).splitlines())


def _function(meta: MetaGraph, name: str) -> Function:
    if name not in meta.functions:
        names = list(meta.functions)
        raise TensorNotFoundError(
            f"there is no function {name!r}",
            file=meta.file,
            advice=f"There is: {', '.join(nearest(name, names) or names[:_SHOWN]) or 'none'}",
        )
    return meta.functions[name]


def _about(picture: Picture) -> Iterator[str]:
    """Yield what the person who let us choose the depth should know."""
    if picture.depth < picture.deepest:
        yield (
            f"name scopes are drawn to depth {picture.depth} of {picture.deepest} "
            f"(boxes: {len(picture.boxes):,}); --depth N shows more or less"
        )
    if len(picture.boxes) > MOST_BOXES:
        yield f"{len(picture.boxes):,} boxes are many to read; --subgraph OUT draws what OUT needs"


def _write_event_file(meta: MetaGraph, arguments: Namespace) -> None:
    done = write_event_file(meta, arguments.tensorboard, outputs=arguments.subgraph)
    if arguments.json:
        document = asdict(done)
        output.say_json({"path": meta.file, "event_file": document.pop("path"), **document})
        return
    amount = f"{count_of(done.nodes, 'node')}, {count_of(done.functions, 'function')}"
    output.say(
        printable(f"wrote {done.path}: {amount}, {output.size_text(done.nbytes)}"),
        printable(f"look at it with: tensorboard --logdir {shlex.quote(arguments.tensorboard)}"),
    )
