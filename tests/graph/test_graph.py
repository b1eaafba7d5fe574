"""Graphs put together byte by byte: what is known of tensors, and what is wrong with a graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import writers as w
from graphs import (
    FLOAT,
    attr,
    collection,
    dtype_attr,
    function,
    meta_bytes,
    node,
    read,
    signature,
    text,
)

import tfckpt_reader as tfckpt
from tfckpt_reader.cli.describe.operation import operation_facts


def test_outputs_and_dtypes_come_from_the_definitions(tmp_path: Path) -> None:
    nodes = [
        node("split", "Split", [], dtype_attr(9, "T"), attr("num_split", w.int_field(3, 3))),
        node("n", "IdentityN", [], attr("T", text(1, text(6, bytes([1, 7, 10]))))),
        node("two", "Two", [], attr("N", w.int_field(3, 2))),
        node("default", "Default"),
        node("custom", "NobodyKnows"),
        node("nothing", "NoOp"),
        node("unsaid", "Split"),
        node("many", "Split", [], dtype_attr(1, "T"), attr("num_split", w.int_field(3, 1 << 62))),
    ]
    meta = read(tmp_path, meta_bytes(nodes))
    assert [str(meta.tensor(f"n:{i}").dtype) for i in range(3)] == ["float32", "string", "bool"]
    assert [str(meta.tensor(f"two:{i}").dtype) for i in range(3)] == ["float32"] * 2 + ["int32"]
    assert str(meta.tensor("split:2").dtype) == "int64"
    assert str(meta.tensor("default").dtype) == "int64"
    assert meta.tensor("custom:7").dtype is None
    assert meta.tensor("unsaid:7").dtype is None
    counts = {each.name: meta.output_count(each) for each in meta.operations}
    assert counts == {
        "split": 3, "n": 3, "two": 3, "default": 1,
        "custom": None, "nothing": 0, "unsaid": None, "many": None,
    }  # fmt: skip
    for name in ("split:3", "n:3", "two:9", "nothing", "default:1", "absent:0"):
        with pytest.raises(tfckpt.TensorNotFoundError):
            meta.tensor(name)


def test_consumers_and_subgraph(tmp_path: Path) -> None:
    nodes = [
        node("in", "Placeholder", [], dtype_attr(1)),
        node("w", "Const", [], dtype_attr(1)),
        node("init", "NoOp"),
        node("a", "Custom", ["in", "w:0", "^init"]),
        node("b", "Custom", ["a", "a:0", "a:1"]),
        node("aside", "Custom", ["a:1"]),
    ]
    meta = read(tmp_path, meta_bytes(nodes))
    assert meta.operation("a").inputs == ("in:0", "w:0")
    assert meta.operation("a").control_inputs == ("init",)
    assert [each.name for each in meta.consumers("a")] == ["b"]
    assert [each.name for each in meta.consumers("a:1")] == ["b", "aside"]
    assert meta.consumers("b:0") == ()

    def names(*arguments: Any, **more: Any) -> list[str]:
        return [each.name for each in meta.subgraph(*arguments, **more)]

    assert names(["b:0"]) == ["in", "w", "init", "a", "b"]
    assert names(["b"], inputs=["a"]) == ["a", "b"]
    assert names(["aside", "w"]) == ["in", "w", "init", "a", "aside"]
    with pytest.raises(tfckpt.TensorNotFoundError, match="Nearest: aside"):
        names(["asid"])


def test_an_output_has_one_name(tmp_path: Path) -> None:
    """TensorFlow reads the digits behind a colon as a number, too."""
    meta = read(tmp_path, meta_bytes([node("a", "Custom"), node("b", "Custom", ["a:00", "a:1"])]))
    assert meta.operation("b").inputs == ("a:0", "a:1")
    assert [each.name for each in meta.consumers("a")] == ["b"]
    assert [each.name for each in meta.subgraph(["b"], inputs=["a:0", "a:01"])] == ["a", "b"]


def test_what_is_not_there_is_not_looked_for_at_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find what is like it takes a walk over all names, and there may be many of both."""
    asked: list[str] = []

    def nearest(name: str, _: Sequence[str]) -> list[str]:
        asked.append(name)
        return []

    monkeypatch.setattr("tfckpt_reader.graph.graph.nearest", nearest)
    strings = w.int_field(1, 7) + text(2, text(2, w.int_field(1, 1))) + text(8, "key")
    nodes = [
        node("key", "Const", [], attr("value", text(8, strings))),
        node("save", "SaveV2", ["gone", "key", "gone", "gone"]),
    ]
    more = collection("variables", *(text(1, f"gone{i}:0") for i in range(9)))
    meta = read(tmp_path, meta_bytes(nodes, more=more))
    assert len(meta.global_variables) == 9
    assert [each.key for each in meta.saved] == ["key"]
    facts = operation_facts(meta, meta.operation("save"))
    assert [each["dtype"] for each in facts["inputs"]] == [None] * 4
    assert asked == []
    with pytest.raises(tfckpt.TensorNotFoundError):
        meta.operation("gone")
    assert asked == ["gone"]


def test_errors_say_of_what_they_are(tmp_path: Path) -> None:
    """The file, and what in it: also of what is asked for later, or stands in something else."""
    damaged = text(8, b"\x0a\x7f")
    call = text(10, text(1, "f") + text(2, text(1, "k") + text(2, damaged)))
    big = attr("big", text(2, bytes(1 << 20)))
    nodes = [
        node("calls", "A", [], attr("f", call), attr("list", text(1, text(9, call[2:])))),
        node("large", "A", [], text(5, b"\x0a\x7f"), big),
    ]
    more = signature(text(4, text(1, "x") + text(2, w.int_field(1, FLOAT) + text(4, b"abc"))))
    more += text(4, text(1, "mine") + text(2, b"\x0a\x7f"))
    meta = read(tmp_path, meta_bytes(nodes, more=more))
    attrs = meta.operation("calls").attrs
    for ask, what in (
        (lambda: attrs["f"].attrs["k"], "function 'f': attribute 'k'"),
        (lambda: attrs["list"][0].attrs["k"], "function 'f': attribute 'k'"),
        (lambda: meta.operation("large").attrs, "node 1"),
        (lambda: meta.signatures["s"].defaults, "tensor 'x'"),
        (lambda: meta.collections["mine"], "collection 'mine'"),
        (lambda: meta.collections.kind("mine"), "collection 'mine'"),
        (lambda: meta.collections.count("mine"), "collection 'mine'"),
    ):
        with pytest.raises(tfckpt.CorruptCheckpointError, match=what) as caught:
            ask()
        assert caught.value.file == str(tmp_path / "x.meta")


def test_problems(tmp_path: Path) -> None:
    nodes = [
        node("p", "Placeholder", [], dtype_attr(1)),
        node("twice", "NoOp"),
        node("twice", "Custom"),
        node("lost", "Custom", ["nowhere", "^nobody", "p:9"]),
        node("a", "Custom", ["b"]),
        node("b", "Custom", ["a"]),
        node("self", "Custom", ["self"]),
        node("behind", "Custom", ["b"]),
        node("liar", "Split", [], attr("T", text(8, b"\xff"))),
        node("asks", "Custom", ["liar:1"]),
    ]
    library = [function("f", text(3, node("n", "Custom", ["gone:x:0"])))]
    meta = read(tmp_path, meta_bytes(nodes, library=library))
    assert len(meta.problems) == 7
    for part in (
        "node 'twice' is there 2 times",
        "node 'lost' has an input that names nothing: 'nowhere'",
        "names nothing: 'nobody'",
        "node 'lost' has the input 'p:9', but node 'p' has no such output",
        "a cycle that is no while loop goes through 3 nodes, such as 'a'",
        "node 'liar': attribute 'T'",
        "function 'f': node 'n' has an input that names nothing: 'gone'",
    ):
        assert sum(part in problem for problem in meta.problems) == 1, part
    assert len(meta.subgraph(["behind"])) == 3


def test_names_may_be_empty(tmp_path: Path) -> None:
    meta = read(
        tmp_path, meta_bytes([node("", "Custom", ["", "^", ":1", "^^"]), node("a", "", [":0"])])
    )
    assert [each.name for each in meta.operations] == ["", "a"]
    assert meta.operations[0].inputs == (":0", ":1")
    assert [each.name for each in meta.consumers("")] == ["", "a"]
    assert [each.name for each in meta.subgraph(["a"])] == ["", "a"]
    assert meta.problems == (
        "node '' has an input that names nothing: '^'",
        "a cycle that is no while loop goes through 1 node, such as ''",
    )


def test_a_length_is_a_number(tmp_path: Path) -> None:
    """Neither a flag nor a dtype."""
    wrong = {"flag": w.int_field(5, 1), "type": w.int_field(6, 2), "less": w.int_field(3, -1)}
    nodes = [node(name, "Split", [], attr("num_split", value)) for name, value in wrong.items()]
    meta = read(tmp_path, meta_bytes(nodes))
    assert [meta.output_count(operation) for operation in meta.operations] == [None] * 3


def test_while_loops_are_no_cycles(tmp_path: Path) -> None:
    nodes = [
        node("enter", "Custom"),
        node("merge", "Custom", ["enter", "next"]),
        node("next", "NextIteration", ["merge"]),
    ]
    assert read(tmp_path, meta_bytes(nodes)).problems == ()


def test_problems_are_not_without_end(tmp_path: Path) -> None:
    nodes = [node(f"n{i}", "Custom", ["gone"]) for i in range(3000)]
    assert len(read(tmp_path, meta_bytes(nodes)).problems) == 1001


def test_a_chain_of_any_length(tmp_path: Path) -> None:
    nodes = [node(f"n{i}", "Custom", [f"n{i - 1}"] if i else []) for i in range(20_000)]
    meta = read(tmp_path, meta_bytes(nodes))
    assert len(meta.subgraph(["n19999"])) == 20_000
    assert meta.problems == ()


def test_nodes_of_two_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would cost hundreds of bytes."""
    monkeypatch.setattr("tfckpt_reader.graph.meta_graph.MOST_NODES", 10)
    assert len(read(tmp_path, meta_bytes([b""] * 10)).operations) == 10
    with pytest.raises(tfckpt.UnsupportedError, match="at most 10"):
        read(tmp_path, meta_bytes([b""] * 11))
    monkeypatch.setattr("tfckpt_reader.graph.functions.MOST_NODES", 10)
    two = [function(name, text(3, b"") * 5) for name in "fg"]
    assert len(read(tmp_path, meta_bytes([], library=two)).functions) == 2
    with pytest.raises(tfckpt.UnsupportedError, match=r"function 1: .*at most 5"):
        _ = read(
            tmp_path, meta_bytes([], library=[*two[:1], function("g", text(3, b"") * 6)])
        ).functions


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes([node(b"\xff\n", "NoOp")]))
    assert meta.operations[0].name == "\udcff\n"
    assert meta.operation("\udcff\n").type == "NoOp"
