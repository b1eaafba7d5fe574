"""DOT: boxes and edges, against counts made here; the text, against a parser of the language."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from commands import NASTY
from dot_reader import NODES, drawn, label, parsed
from event_files import GRAPHS, function
from graphs import meta_bytes, node, read
from hypothesis import given
from hypothesis import strategies as st

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.render.dot import MOST_BOXES, Picture, collapsed
from tfckpt_reader.text import printable

each_file = pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.parent.name)


def test_boxes_and_edges(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes(NODES))
    outside = ["gone: missing", "lost: missing"]
    texts, edges = drawn(tfckpt.to_dot(meta, depth=1))
    assert texts == ["in: 2 x Placeholder", "w: Const", "deep: 3 nodes", "back: Loop", *outside]
    assert edges == {
        ("in", "deep", False): "3", ("in", "deep", True): "1",
        ("w", "deep", False): "1", ("w", "deep", True): "2",
        ("gone", "deep", False): "1", ("lost", "deep", True): "1",
        ("deep", "back", False): "1",
    }  # fmt: skip
    texts, edges = drawn(tfckpt.to_dot(meta, depth=2))
    single = ["in/x: Placeholder", "in/y: Placeholder", "w: Const", "deep/er: 2 nodes"]
    assert texts == [*single, "deep/out: Neg", "back: Loop", *outside]
    assert edges["in/x", "deep/er", False] == "2"
    assert ("in/x", "in/x", False) not in edges
    assert tfckpt.to_dot(meta) == tfckpt.to_dot(meta, depth=3) == tfckpt.to_dot(meta, depth=10**30)


def test_subgraph_of_outputs(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes(NODES))
    texts, _ = drawn(tfckpt.to_dot(meta, outputs=["deep/er/mul:0"]))
    assert [line.split(":")[0] for line in texts] == ["in/x", "in/y", "w", "deep/er/mul"]
    with pytest.raises(tfckpt.TensorNotFoundError, match="Nearest: deep/out"):
        tfckpt.to_dot(meta, outputs=["out"])
    with pytest.raises(ValueError, match="0 or more, not -1"):
        tfckpt.to_dot(meta, depth=-1)


def test_names_that_differ_by_a_number_are_one_at_depth_0(tmp_path: Path) -> None:
    names = ["conv_1/a", "conv/b", "conv_12/a/b", "conv2", "conv2_x", "pool_3", "_7"]
    meta = read(tmp_path, meta_bytes([node(name, f"Op{i}") for i, name in enumerate(names)]))
    texts, _ = drawn(tfckpt.to_dot(meta, depth=0))
    assert texts == [
        "conv_1 ... conv_12: 3 nodes", "conv2: Op3", "conv2_x: Op4", "pool_3: Op5", "_7: Op6",
    ]  # fmt: skip


def test_default_depth_is_readable(tmp_path: Path) -> None:
    def depth(names: list[str]) -> tuple[int, int]:
        picture = collapsed(read(tmp_path, meta_bytes([node(name, "A") for name in names])))
        return picture.depth, len(picture.boxes)

    few = [f"a/b/{i}" for i in range(MOST_BOXES)]
    assert depth(few) == (3, MOST_BOXES)
    assert depth([*few, "a/b/more"]) == (2, 1)
    assert depth([f"a_{i}" for i in range(MOST_BOXES + 1)]) == (0, 1)
    assert depth([f"a{i}" for i in range(MOST_BOXES + 1)]) == (0, MOST_BOXES + 1)
    assert depth(["a", "/" * 100_000]) == (32, 2)
    assert depth([]) == (0, 0)


def test_a_function_has_arguments(tmp_path: Path) -> None:
    inside = [node("neg", "Neg", ["x"]), node("out", "Add", ["neg:y:0", "x", "lost:y:0", "^neg"])]
    meta = read(tmp_path, meta_bytes([], library=[function(*inside)]))
    texts, edges = drawn(tfckpt.to_dot(meta.functions["f"]))
    assert texts == ["neg: Neg", "out: Add", "x: argument", "lost: missing"]
    assert list(edges) == [
        ("x", "neg", False), ("neg", "out", False), ("x", "out", False), ("lost", "out", False),
        ("neg", "out", True),
    ]  # fmt: skip


def test_names_without_nodes_have_few_boxes(tmp_path: Path) -> None:
    def drawing(number: int) -> tuple[list[str], dict[tuple[str, str, bool], str]]:
        takes = [f"gone{i}" for i in range(number)]
        nodes = [node("a/x", "A", takes), node("b", "B", ["gone0", "gone1", "^only"])]
        return drawn(tfckpt.to_dot(read(tmp_path, meta_bytes(nodes))))

    texts, edges = drawing(MOST_BOXES - 3)
    assert len(texts) == MOST_BOXES
    assert set(edges.values()) == {"1"}
    texts, edges = drawing(MOST_BOXES - 2)
    last = MOST_BOXES - 3
    assert texts == [
        "a/x: A",
        "b: B",
        f"gone0 ... gone{last}: {last + 1} x missing",
        "only: missing",
    ]
    name = f"gone0 ... gone{last}"
    assert edges == {
        (name, "a/x", False): str(last + 1), (name, "b", False): "2", ("only", "b", True): "1",
    }  # fmt: skip


def expected(meta: tfckpt.MetaGraph, depth: int) -> tuple[Counter[str], Counter[tuple[str, ...]]]:
    """Nodes per scope, and inputs from scope to scope, of a graph without defects."""
    scopes = {op.name: "/".join(op.name.split("/")[:depth]) for op in meta.operations}
    inputs: Counter[tuple[str, ...]] = Counter()
    for op in meta.operations:
        for source in [*(i.rpartition(":")[0] for i in op.inputs), *op.control_inputs]:
            if scopes[source] != scopes[op.name]:
                inputs[scopes[source], scopes[op.name]] += 1
    return Counter(scopes.values()), inputs


@each_file
def test_real_graphs(path: Path) -> None:
    meta = tfckpt.read_meta_graph(path)
    for depth in (1, 2, 5):
        picture = collapsed(meta, depth)
        nodes, inputs = expected(meta, picture.depth)
        assert sum(box.members for box in picture.boxes) == picture.nodes == len(meta)
        several = {box.name: box.members for box in picture.boxes if box.kind == "scope"}
        assert several == {name: count for name, count in nodes.items() if count > 1}
        assert len(picture.boxes) == len(nodes)
        assert inputs_between(picture, list(nodes)) == inputs
    dot = tfckpt.to_dot(meta)
    assert dot == tfckpt.to_dot(tfckpt.read_meta_graph(path))
    texts, _ = drawn(dot)
    assert len(texts) <= MOST_BOXES
    picture = collapsed(meta)
    if picture.depth < picture.deepest:
        assert len(collapsed(meta, picture.depth + 1).boxes) > MOST_BOXES


def inputs_between(picture: Picture, scopes: list[str]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for edge in picture.edges:
        found[scopes[edge.source], scopes[edge.target]] += edge.inputs
    return found


ODD = [
    *NASTY,
    'q"uote',
    "back\\slash",
    "\\N\\G\\l",
    "&amp;&#65;",
    "<b>x</b>",
    "ü\u4e2d",
    "->;{}[]",
    "",
]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3))
def test_names_have_no_meaning_in_dot(
    tmp_path_factory: pytest.TempPathFactory, more: list[str]
) -> None:
    names = list(dict.fromkeys(name.replace("/", "|") for name in [*ODD, *more]))
    data = meta_bytes([node(name.encode(), "A") for name in names])
    boxes, _ = parsed(tfckpt.to_dot(read(tmp_path_factory.mktemp("odd"), data)))
    boxes.pop("node")
    assert [label(box["label"]) for box in boxes.values()] == [f"{printable(n)}\nA" for n in names]


def test_graphviz_shows_the_names_as_they_are(tmp_path: Path) -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    names = [name for name in ODD if name]
    data = meta_bytes([node(name.encode(), "A", ["gone"]) for name in names])
    dot = tfckpt.to_dot(read(tmp_path, data))
    done = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    svg = ET.fromstring(done.stdout)  # noqa: S314 - made by Graphviz, here and now
    texts = [each.text or "" for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    shown = [text.replace("\xa0", " ") for text in texts]
    assert set(shown) >= {printable(name) for name in names}


def test_long_names_are_cut(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes([node("x" * 100_000, "A" * 100_000)]))
    assert len(tfckpt.to_dot(meta)) < 1000
    assert collapsed(meta).boxes[0].name == "x" * 100_000
