"""Stored nodes, and connections between nodes: against plain walks over all pairs."""

from __future__ import annotations

from array import array
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import writers as w
from graphs import attr, dtype_attr, meta_bytes, node, read, text
from hypothesis import given
from hypothesis import strategies as st

import tfckpt_reader as tfckpt
from tfckpt_reader.encoding.wire_format import split_fields
from tfckpt_reader.graph.connectivity import Edges, on_cycles
from tfckpt_reader.graph.decode.node_store import StoredNodes
from tfckpt_reader.protobuf import parse

COUNT = 7
EDGES = st.sets(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=14)


def reach(edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """All pairs with a way from the first to the second, by Warshall's algorithm."""
    found = set(edges)
    for middle, a, b in product(range(COUNT), repeat=3):
        if (a, middle) in found and (middle, b) in found:
            found.add((a, b))
    return found


@given(EDGES)
def test_cycles(edges: set[tuple[int, int]]) -> None:
    found = reach(edges)
    circles = {n for n in range(COUNT) if (n, n) in found}
    between = {
        n
        for n in range(COUNT)
        if any((a, n) in found for a in circles) and any((n, b) in found for b in circles)
    }
    sources = [[a for a, b in edges if b == number] for number in range(COUNT)]
    assert on_cycles(sources) == sorted(circles | between)


@given(EDGES, st.sets(st.integers(0, COUNT - 1)))
def test_edges(edges: set[tuple[int, int]], cut: set[int]) -> None:
    def of(pairs: set[tuple[int, int]]) -> list[list[int]]:
        return [sorted(b for a, b in pairs if a == number) for number in range(COUNT)]

    def listed(edges: Edges) -> list[list[int]]:
        assert [list(edges[number]) for number in range(COUNT)] == [list(each) for each in edges]
        return [list(each) for each in edges]

    ends = array("I", [0])
    for each in of(edges):
        ends.append(ends[-1] + len(each))
    found = Edges(ends, array("I", [b for each in of(edges) for b in each]))
    assert len(found) == COUNT
    assert listed(found) == of(edges)
    assert listed(found.reversed()) == of({(b, a) for a, b in edges})
    assert listed(found.without(cut)) == of({(a, b) for a, b in edges if a not in cut})


@given(EDGES, st.sets(st.integers(0, COUNT - 1), max_size=3), st.sets(st.integers(0, COUNT - 1)))
def test_needed_nodes(
    tmp_path_factory: pytest.TempPathFactory,
    edges: set[tuple[int, int]],
    given_ones: set[int],
    wanted: set[int],
) -> None:
    """Given operations are walls; output 1 of a given operation is not its output 0."""
    nodes = []
    for b in range(COUNT):
        inputs = [f"{a}:1" if a < b else f"^{a}" for a in range(COUNT) if (a, b) in edges]
        nodes.append(node(str(b), "Custom", inputs))
    meta = read(tmp_path_factory.mktemp("links"), meta_bytes(nodes))

    def needed(walls: set[int]) -> list[str]:
        ways = reach({(a, b) for a, b in edges if b not in walls})
        behind = {n for n in range(COUNT) if any((n, b) in ways for b in wanted)}
        return [str(n) for n in sorted(wanted | behind)]

    def names(inputs: list[str]) -> list[str]:
        return [op.name for op in meta.subgraph([str(n) for n in wanted], inputs)]

    assert names([str(n) for n in given_ones]) == needed(given_ones)
    assert names([f"{n}:2" for n in given_ones]) == needed(set())


def test_a_given_tensor_is_not_its_operation(tmp_path: Path) -> None:
    nodes = [
        node("source", "Custom"),
        node("split", "Custom", ["source"]),
        node("both", "Custom", ["split:0", "split:1"]),
        node("second", "Custom", ["split:1"]),
        node("after", "Custom", ["^split"]),
    ]
    meta = read(tmp_path, meta_bytes(nodes))

    def names(outputs: list[str], inputs: list[str]) -> list[str]:
        return [op.name for op in meta.subgraph(outputs, inputs)]

    assert names(["second"], ["split:1"]) == ["split", "second"]
    assert names(["both"], ["split:1"]) == ["source", "split", "both"]
    assert names(["both"], ["split:1", "split:0"]) == ["split", "both"]
    assert names(["both"], ["split"]) == ["split", "both"]
    assert names(["after"], ["split:0"]) == ["source", "split", "after"]
    assert names(["split:1"], ["split:1"]) == ["split"]
    with pytest.raises(tfckpt.TensorNotFoundError, match="'spilt'"):
        names(["both"], ["spilt:1"])


def stored(nodes: list[bytes]) -> StoredNodes:
    data = memoryview(b"".join(text(1, each) for each in nodes))
    (spans,), _ = split_fields(data, (1,), 1 << 20)
    return StoredNodes(data, spans, 1, "f.meta")


def test_nodes_in_windows() -> None:
    """A window holds a megabyte; a larger node has its own, without attributes."""
    big = attr("value", text(8, w.int_field(1, 1) + text(4, bytes(3 << 20))))
    nodes = [node(f"n{i}", f"Op{i}", [f"n{i - 1}"], dtype_attr(1)) for i in range(40_000)]
    for at in (0, 7, 20_000):
        nodes.insert(at, node(f"big{at}", "Const", ["^n3"], big))
    found = stored(nodes)
    heads = list(found.headers())
    assert len(heads) == len(found) == 40_003
    expected = iter(range(40_000))
    for number, head in enumerate(heads):
        if number in (0, 7, 20_000):
            assert (head.name, list(head.attr)) == (b"big%d" % number, [])
            assert [entry.key for entry in found.header(number, whole=True).attr] == [b"value"]
        else:
            i = next(expected)
            assert (head.name, head.op, len(head.attr)) == (b"n%d" % i, b"Op%d" % i, 1)
        if number % 5000 == 0:
            assert found.header(number).name == head.name


def test_nodes_that_contain(tmp_path: Path) -> None:
    nodes = [node(name, "NoOp", ["abc"] * (name == "c")) for name in ("a", "xabcx", "ab", "c")]
    found = stored(nodes).containing(b"abc")
    assert [head.name for head in found.headers()] == [b"xabcx", b"c"]
    assert list(found.header(1).input) == [b"abc"]


@pytest.mark.parametrize("bad", [b"\x0a\x7f", b"\x0a\x01a\x2a\x02\x0a\x05", b"\xff" * 20])
@pytest.mark.parametrize("at", [0, 1, 500, 999])
def test_a_bad_node_is_named(tmp_path: Path, bad: bytes, at: int) -> None:
    nodes = [node(f"n{i}", "NoOp") for i in range(1000)]
    nodes[at] = bad
    meta = read(tmp_path, meta_bytes(nodes))

    def everything() -> list[Any]:
        return [meta.operations, meta.op_counts, meta.problems, meta.consumers("n1")]

    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        everything()
    assert (caught.value.structure, caught.value.file) == (f"node {at}", str(tmp_path / "x.meta"))


def test_a_node_with_too_many_inputs() -> None:
    nodes = StoredNodes(memoryview(text(3, b"") * (1 << 20)), array("Q", [0, 2 << 20]), 1, "f")
    assert len(nodes.header(0).input) == 1 << 20
    nodes = StoredNodes(
        memoryview(text(3, b"") * (1 + (1 << 20))), array("Q", [0, 2 + (2 << 20)]), 1, "f"
    )
    with pytest.raises(tfckpt.UnsupportedError, match="node 0: has more fields"):
        nodes.header(0)


def test_attributes_of_all_outputs_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Saver's restore op has as many as there are variables."""
    asked: list[str] = []

    def counted(name: str, data: Any) -> Any:
        asked.append(name)
        return parse(name, data)

    monkeypatch.setattr("tfckpt_reader.graph.decode.operation.parse", counted)
    monkeypatch.setattr("tfckpt_reader.graph.decode.node_store.parse", counted)
    types = attr("T", text(1, text(6, b"\x01" * 3000)))
    shapes = b"".join(text(7, text(2, w.int_field(1, i))) for i in range(3000))
    nodes = [node("r", "IdentityN", [], types, attr("_output_shapes", text(1, shapes)))]
    meta = read(tmp_path, meta_bytes([*nodes, node("other", "NoOp")]))
    assert [meta.tensor(f"r:{i}").shape for i in range(3000)] == [(i,) for i in range(3000)]
    assert len(asked) < 20


def test_protobuf_parses_once_per_megabyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing each node by itself takes ten times as long."""
    asked: list[str] = []

    def counted(name: str, data: Any) -> Any:
        asked.append(name)
        return parse(name, data)

    monkeypatch.setattr("tfckpt_reader.graph.decode.node_store.parse", counted)
    nodes = [node(f"n{i}", "Custom", [f"n{i - 1}"] * bool(i), dtype_attr(1)) for i in range(60_000)]
    meta = read(tmp_path, meta_bytes(nodes))
    megabytes = sum(map(len, nodes)) // (1 << 20) + 1
    assert asked == []
    assert meta.op_counts == {"Custom": 60_000}
    assert len(asked) <= megabytes
    assert meta.operation("n7").inputs == ("n6:0",)
    assert len(asked) <= 2 * megabytes + 1
    assert [op.name for op in meta.consumers("n8")] == ["n9"]
    assert meta.problems == ()
    assert len(meta.operations) == 60_000
    assert len(asked) <= 6 * megabytes + 2
    assert len(meta.operations[9].attrs) == 1
    assert len(asked) <= 6 * megabytes + 3
