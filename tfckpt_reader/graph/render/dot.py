"""A graph in the language of Graphviz.

Decides how boxes and edges look. https://graphviz.org/doc/info/lang.html

Names stand in labels only, where nothing in them can mean anything: within quotes, with quotes,
backslashes and ampersands escaped. Whatever is not ASCII is written as a character reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.render.scopes import Box, Edge, Picture, collapsed
from tfckpt_reader.text import count_of, printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfckpt_reader.graph.graph import Graph

_STYLES = {
    "scope": "shape=box, style=rounded",
    "node": "shape=ellipse",
    "argument": "shape=box",
    "missing": "shape=ellipse, style=dashed, color=red",
}
"""Kind of a box -> how it looks."""
_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\", "&": "&amp;"})


def to_dot(graph: Graph, *, depth: int | None = None, outputs: Iterable[str] = ()) -> str:
    """Return a graph as the text of a file for Graphviz, a box per name scope.

    A box says how many nodes are in it, an edge how many inputs it stands for, if not one. Dashed
    edges are control inputs; what inputs name and the graph has not got is dashed and red.

    Args:
        graph: A graph, or a function of it.
        depth: How many parts of names to keep; of ``a/b/c`` 1 keeps ``a``. 0 keeps as much as 1,
            but takes ``conv``, ``conv_1`` and ``conv_2`` for one. Default: as much as makes no
            more than 60 boxes, if that can be.
        outputs: Tensors or operations: only what they need is drawn. Default: everything.

    Raises:
        ValueError: `depth` is negative.
        TensorNotFoundError: one of `outputs` is not there.
        CheckpointError: a node cannot be decoded.
    """
    return drawn(collapsed(graph, depth, outputs))


def drawn(picture: Picture) -> str:
    """Return a picture as the text of a file for Graphviz."""
    return "".join(f"{line}\n" for line in _lines(picture))


def _lines(picture: Picture) -> Iterator[str]:
    yield "digraph {"
    yield f'  label="{count_of(picture.nodes, "node")}, name scopes to depth {picture.depth}";'
    yield '  node [fontname="sans-serif"];'
    for number, box in enumerate(picture.boxes):
        yield f'  n{number} [label="{_label(box)}", {_STYLES[box.kind]}];'
    yield from map(_edge, picture.edges)
    yield "}"


def _edge(edge: Edge) -> str:
    label = [f'label="{edge.inputs:,}"'] if edge.inputs > 1 else []
    style = ["style=dashed"] if edge.is_control else []
    attributes = f" [{', '.join([*label, *style])}]" if label or style else ""
    return f"  n{edge.source} -> n{edge.target}{attributes};"


def _label(box: Box) -> str:
    """Return what is written into a box: a line for its name, a line for what is in it."""
    what = box.op or ("" if box.kind == "scope" else box.kind)
    inside = what if box.members == 1 else f"{box.members:,} x {what}"
    if not what:
        inside = count_of(box.members, "node")
    return rf"{_escaped(box.name)}\n{_escaped(inside)}"


def _escaped(text: str) -> str:
    shown = printable(shortened(text)).translate(_ESCAPES)
    return shown.encode("ascii", "xmlcharrefreplace").decode("ascii")
