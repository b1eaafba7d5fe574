"""A parser for the part of DOT that the package writes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from graphs import node

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[A-Za-z_][A-Za-z_0-9]*|[{}\[\]=,;])', re.ASCII)
_IN_LABEL = re.compile(r"\\(.)|([^\\]+)", re.DOTALL)


class Drawing(NamedTuple):
    """A drawing in DOT, parsed."""

    boxes: dict[str, dict[str, str]]  # id -> attributes
    edges: dict[tuple[str, str, bool], str]  # ids from, to, dashed -> label


def tokens(dot: str) -> Iterator[str]:
    assert dot.isascii()
    place = 0
    while dot[place:].strip():
        match = _TOKEN.match(dot, place)
        assert match, dot[place : place + 50]
        yield match[1]
        place = match.end()


def label(quoted: str) -> str:
    """Return the text that Graphviz shows for a quoted string."""
    meanings = {"n": "\n", "\\": "\\", '"': '"'}
    parts = [meanings[m[1]] if m[1] else m[2] for m in _IN_LABEL.finditer(quoted[1:-1])]
    return html.unescape("".join(parts))


def parsed(dot: str) -> Drawing:
    """Read the part of DOT that is needed: no ports, no subgraphs, no HTML."""
    words = list(tokens(dot))
    assert words[:2] == ["digraph", "{"]
    assert words[-1] == "}"
    drawing, statement = Drawing({}, {}), list[str]()
    for word in words[2:-1]:
        statement.append(word)
        if word == ";":
            _add(drawing, statement[:-1])
            statement = []
    assert not statement
    return drawing


def _add(drawing: Drawing, words: list[str]) -> None:
    if words[1] == "=":
        return
    cut = words.index("[") if "[" in words else len(words)
    inside = words[cut + 1 : -1]
    assert all(word in ",=" for word in inside[1::2])
    attributes = dict(zip(inside[::4], inside[2::4], strict=True))
    if cut == 1:
        drawing.boxes[words[0]] = attributes
        return
    source, arrow, target = words[:cut]
    assert arrow == "->"
    key = source, target, attributes.get("style") == "dashed"
    assert key not in drawing.edges
    drawing.edges[key] = attributes.get("label", '"1"')[1:-1]


def drawn(dot: str) -> tuple[list[str], dict[tuple[str, str, bool], str]]:
    """The texts in the boxes, and between which of them the edges are."""
    boxes, edges = parsed(dot)
    boxes.pop("node")  # defaults
    texts = {name: label(box["label"]).replace("\n", ": ", 1) for name, box in boxes.items()}
    named = {
        (texts[a].split(":")[0], texts[b].split(":")[0], c): n for (a, b, c), n in edges.items()
    }
    return list(texts.values()), named


NODES = [
    node("in/x", "Placeholder"),
    node("in/y", "Placeholder"),
    node("w", "Const"),
    node("deep/er/mul", "Mul", ["in/x", "in/y:1", "in/x", "^w"]),
    node("deep/er/add", "Add", ["deep/er/mul", "w", "^w", "^in/x"]),
    node("deep/out", "Neg", ["deep/er/add", "gone", "^lost"]),
    node("in/x", "Again", ["deep/out"]),
    node("back", "Loop", ["deep/out", "back"]),
]
