"""A graph in the language of Graphviz: the look of boxes and edges.

https://graphviz.org/doc/info/lang.html

Names occur only in labels, where they have no meaning to Graphviz: within quotes, with quotes,
backslashes and ampersands escaped, and with character references for all but ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.graph.render.scopes import Box, Edge, Picture, collapsed
from tfckpt_reader.text import count_of, printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.graph.graph import Graph

_STYLES = {
    "scope": "shape=box, style=rounded",
    "node": "shape=ellipse",
    "argument": "shape=box",
    "missing": "shape=ellipse, style=dashed, color=red",
}
"""Kind of a box -> its style."""
_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\", "&": "&amp;"})


def to_dot(graph: Graph, *, depth: int | None = None, outputs: Iterable[str] = ()) -> str:
    """Return a graph as the text of a Graphviz file, a box per name scope.

    A box shows its number of nodes, an edge its number of inputs, if more than one. Control inputs
    are dashed; names in inputs absent from the graph are dashed and red.

    Args:
        graph: A graph, or a function of it.
        depth: Components of names to keep; 1 keeps ``a`` of ``a/b/c``. 0 keeps as much as 1, but
            joins ``conv``, ``conv_1`` and ``conv_2``. Default: the greatest depth with at most 60
            boxes, if one exists.
        outputs: Tensors or operations: only the nodes they depend on are drawn. Default: all.

    Raises:
        ValueError: `depth` is negative.
        TensorNotFoundError: the graph lacks one of `outputs`.
        CheckpointError: a node is damaged.
    """
    return drawn(collapsed(graph, depth, outputs))


def drawn(picture: Picture) -> str:
    """Return a picture as the text of a Graphviz file."""
    title = f"{count_of(picture.nodes, 'node')}, name scopes to depth {picture.depth}"
    boxes = [
        f'  n{number} [label="{_label(box)}", {_STYLES[box.kind]}];'
        for number, box in enumerate(picture.boxes)
    ]
    first = ["digraph {", f'  label="{title}";', '  node [fontname="sans-serif"];']
    return "\n".join([*first, *boxes, *map(_edge, picture.edges), "}", ""])


def _edge(edge: Edge) -> str:
    label = [f'label="{edge.inputs:,}"'] if edge.inputs > 1 else []
    style = ["style=dashed"] if edge.is_control else []
    attributes = f" [{', '.join([*label, *style])}]" if label or style else ""
    return f"  n{edge.source} -> n{edge.target}{attributes};"


def _label(box: Box) -> str:
    """Return the two lines in a box: its name and its contents."""
    noun = box.op or ("" if box.kind == "scope" else box.kind)
    inside = noun if box.members == 1 else f"{box.members:,} x {noun}"
    if not noun:
        inside = count_of(box.members, "node")
    return rf"{_escaped(box.name)}\n{_escaped(inside)}"


def _escaped(text: str) -> str:
    shown = printable(shortened(text)).translate(_ESCAPES)
    return shown.encode("ascii", "xmlcharrefreplace").decode("ascii")
