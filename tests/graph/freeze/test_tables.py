"""Lookup tables of frozen graphs: kept on request, with what fills them."""

from __future__ import annotations

from pathlib import Path

import pytest
from freezing import STRING, frozen, inputs, ops, x
from graphs import attr, dtype_attr, function, node, text

import tfckpt_reader as tfckpt


def table(name: str, op: str = "HashTableV2") -> bytes:
    return node(name, op, [], dtype_attr(STRING, "key_dtype"), dtype_attr(1, "value_dtype"))


def const(name: str, dtype: int) -> bytes:
    return node(name, "Const", [], dtype_attr(dtype))


def fill(name: str, of: str) -> bytes:
    return node(name, "InitializeTableV2", [of, "keys", "values"])


FOUND = [
    node("word", "Placeholder", [], dtype_attr(STRING)),
    const("keys", STRING),
    const("values", 1),
    const("default", 1),
    node("y", "LookupTableFindV2", ["t", "word", "default"]),
]


def test_a_table_is_kept_with_what_fills_it(tmp_path: Path) -> None:
    nodes = [table("t"), table("other"), fill("fill", "t"), fill("fill_other", "other"), *FOUND]
    with pytest.raises(tfckpt.UnsupportedError, match="uses a lookup table") as caught:
        frozen(tmp_path, nodes, "y")
    assert "--keep-tables" in str(caught.value)
    graph = frozen(tmp_path, nodes, "y", keep_tables=True)
    assert graph.initializers == ("fill",)
    assert set(graph.nodes) == {"t", "fill", "y", "word", "keys", "values", "default"}
    assert [end.name for end in graph.inputs] == ["word:0"]
    assert frozen(tmp_path, [x()], "x", keep_tables=True).initializers == ()


def test_a_function_fills_a_table(tmp_path: Path) -> None:
    """As in a SavedModel of TensorFlow 2."""
    inner = [
        node("fill", "LookupTableImportV2", ["handle", "k", "v"]),
        const("k", STRING),
        const("v", 1),
        node("done", "Const", ["^fill"], dtype_attr(1)),
    ]
    result = text(4, text(1, "out") + text(2, "done:output:0"))
    own = function("f", *(text(3, each) for each in inner), result, arguments=["handle"])
    called = text(3, node("again", "f", ["handle"]))
    around = function(
        "g", called, text(4, text(1, "out") + text(2, "again:out:0")), arguments=["handle"]
    )
    init = node("init", "StatefulPartitionedCall", ["t"], attr("f", text(10, text(1, "g"))))
    graph = frozen(
        tmp_path, [table("t"), init, *FOUND], "y", keep_tables=True, library=[own, around]
    )
    assert graph.initializers == ("init/again/fill",)
    assert inputs(graph, "init/again/fill")[0] == "t"
    assert "init" not in graph.nodes
    assert set(ops(graph).values()).isdisjoint({"StatefulPartitionedCall", "f", "g"})


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([table("t")], "nothing in the graph fills the lookup table 't'"),
        (
            [table("t"), node("fill", "InitializeTableFromTextFileV2", ["t", "keys"])],
            "fills a lookup table from a file",
        ),
        ([table("t", "AnonymousHashTable"), fill("fill", "t")], "makes anew for each run"),
        (
            [table("t"), fill("fill", "t"), node("keys", "RestoreV2", ["word"])],
            "reads or writes checkpoints",
        ),
    ],
)
def test_tables_that_nothing_can_fill(nodes: list[bytes], problem: str, tmp_path: Path) -> None:
    others = FOUND if b"RestoreV2" not in nodes[-1] else [n for n in FOUND if b"keys" not in n]
    with pytest.raises(tfckpt.UnsupportedError, match=problem):
        frozen(tmp_path, [*nodes, *others], "y", keep_tables=True)
