"""Graphs put together byte by byte: what is known of tensors, and what is wrong with a graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.parts import _TOO_LARGE
from tfckpt_reader.graph.special_ops import custom_ops, unusual_ops

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
META = FIXTURES / "saver_tf1" / "model.ckpt-1.meta"
SLICED = FIXTURES / "sliced" / "saver.meta"
FLOAT, INT = 1, 3


def text(number: int, value: str | bytes) -> bytes:
    return w.bytes_field(number, value.encode() if isinstance(value, str) else value)


def attr(name: str, value: bytes) -> bytes:
    return text(5, text(1, name) + text(2, value))


def node(name: str | bytes, op: str, inputs: Sequence[str] = (), *attrs: bytes) -> bytes:
    return text(1, name) + text(2, op) + b"".join(text(3, i) for i in inputs) + b"".join(attrs)


def arg(name: str, **fields: Any) -> bytes:
    numbers = {"type": 3, "type_attr": 4, "number_attr": 5, "type_list_attr": 6}
    return text(1, name) + b"".join(
        w.int_field(numbers[key], value) if isinstance(value, int) else text(numbers[key], value)
        for key, value in fields.items()
    )


def op(name: str, *outputs: bytes, more: bytes = b"") -> bytes:
    return text(1, name) + b"".join(text(3, output) for output in outputs) + more


OPS = [
    op("Placeholder", arg("output", type_attr="dtype")),
    op("Const", arg("output", type_attr="dtype")),
    op("Split", arg("output", type_attr="T", number_attr="num_split")),
    op("IdentityN", arg("output", type_list_attr="T")),
    op("Two", arg("first", type=FLOAT, number_attr="N"), arg("second", type=INT)),
    op("Default", arg("y", type_attr="T"), more=text(4, text(1, "T") + text(3, w.int_field(6, 9)))),
    op("NoOp"),
]


def meta_bytes(
    nodes: Sequence[bytes], *, library: Sequence[bytes] = (), more: bytes = b""
) -> bytes:
    info = text(2, b"".join(text(1, each) for each in OPS))
    functions = text(2, b"".join(text(1, each) for each in library)) if library else b""
    graph = b"".join(text(1, each) for each in nodes) + functions
    return text(1, info) + text(2, graph) + more


def read(tmp_path: Path, data: bytes, name: str = "x.meta") -> tfckpt.MetaGraph:
    (tmp_path / name).write_bytes(data)
    return tfckpt.read_meta_graph(tmp_path / name)


def dtype_attr(number: int, name: str = "dtype") -> bytes:
    return attr(name, w.int_field(6, number))


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


def test_attributes(tmp_path: Path) -> None:
    shape = text(2, w.int_field(1, 2)) + text(2, w.int_field(1, -1)) + text(2, b"")
    tensor = w.int_field(1, FLOAT) + text(2, text(2, w.int_field(1, 3))) + w.fixed32_field(5, 0)
    call = text(1, "f") + text(2, text(1, "k") + text(2, w.int_field(3, 5)))
    attrs = {
        "s": text(2, b"\xff"), "i": w.int_field(3, -1), "b": w.int_field(5, 1),
        "type": w.int_field(6, 101), "shape": text(7, shape), "unknown": text(7, w.int_field(3, 1)),
        "tensor": text(8, tensor), "func": text(10, call), "none": b"", "empty": text(1, b""),
        "hole": text(9, "T"),
        "list": text(1, text(2, b"a") + text(2, b"")), "shapes": text(1, text(7, shape)),
    }  # fmt: skip
    data = node("x", "Custom", [], *(attr(key, value) for key, value in attrs.items()))
    found = read(tmp_path, meta_bytes([data])).operation("x").attrs
    assert list(found) == list(attrs)
    assert (found["s"], found["i"], found["b"], str(found["type"])) == (
        b"\xff", -1, True, "float32_ref",
    )  # fmt: skip
    assert (found["shape"], found["unknown"], found["none"]) == ((2, None, 0), None, None)
    assert (found["empty"], found["list"], found["shapes"]) == ([], [b"a", b""], [(2, None, 0)])
    assert found["hole"] == "T"
    assert (found["func"].name, dict(found["func"].attrs)) == ("f", {"k": 5})
    np.testing.assert_array_equal(found["tensor"], np.zeros(3, np.float32))


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


def function(name: str, *parts: bytes, arguments: Sequence[str] = ()) -> bytes:
    signature = text(1, name) + b"".join(text(2, arg(a, type=FLOAT)) for a in arguments)
    return text(1, signature + text(3, arg("out", type=FLOAT))) + b"".join(parts)


def test_functions(tmp_path: Path) -> None:
    inner = [
        node("two", "Two", ["x"], attr("N", w.int_field(3, 2))),
        node("call", "f", ["two:first:1", "two:second:0", "^two"]),
    ]
    body = [text(3, each) for each in inner] + [text(4, text(1, "out") + text(2, "call:out:0"))]
    library = [function("f", *body, arguments=["x"])]
    meta = read(tmp_path, meta_bytes([node("y", "f", [])], library=library))
    f = meta.functions["f"]
    assert (list(f.arguments), f.results) == (["x"], {"out": "call:out:0"})
    assert f.operation("call").inputs == ("two:first:1", "two:second:0")
    assert (f.tensor("two:first:1").index, f.tensor("two:second:0").index) == (1, 2)
    assert str(f.tensor("two:second").dtype) == "int32"
    assert f.tensor("x").operation is None
    assert [each.name for each in f.consumers("x")] == ["two"]
    assert [each.name for each in f.subgraph(["call"])] == ["two", "call"]
    assert str(meta.tensor("y:0").dtype) == "float32"
    assert meta.problems == f.problems == ()
    for name in ("two:first:2", "two:third:0", "z", "two:first:a", "two:first:" + "9" * 5000):
        with pytest.raises(tfckpt.TensorNotFoundError):
            f.tensor(name)


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
        "node 'lost' has the input 'p:9', but node 'p' has 1 output",
        "3 nodes lie on a cycle that is no while loop, such as 'a'",
        "node 'liar': attribute 'T'",
        "function 'f': node 'n' has an input that names nothing: 'gone'",
    ):
        assert sum(part in problem for problem in meta.problems) == 1, part
    assert len(meta.subgraph(["behind"])) == 3


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
    monkeypatch.setattr("tfckpt_reader.graph.graph.MOST_NODES", 10)
    assert len(read(tmp_path, meta_bytes([b""] * 10)).operations) == 10
    meta = read(tmp_path, meta_bytes([b""] * 11))
    assert len(meta) == 11
    with pytest.raises(tfckpt.UnsupportedError, match="more nodes"):
        _ = meta.operations


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes([node(b"\xff\n", "NoOp")]))
    assert meta.operations[0].name == "\udcff\n"
    assert meta.operation("\udcff\n").type == "NoOp"


@pytest.mark.parametrize(
    "tensor",
    [
        w.int_field(1, 1) + text(2, text(2, w.int_field(1, 1 << 40))) + text(4, b"1234"),
        w.int_field(1, 1) + text(2, text(2, w.int_field(1, -5))),
        w.int_field(1, 1) + text(2, text(2, w.int_field(1, 1))) + text(5, b"12345678"),
        w.int_field(1, 7)
        + text(2, text(2, w.int_field(1, 1 << 50)))
        + text(8, b"a")
        + text(8, b""),
        text(2, b"\xff"),
    ],
)
def test_a_constant_that_lies(tensor: bytes, tmp_path: Path) -> None:
    nodes = [node("liar", "Const", [], dtype_attr(1), attr("value", text(8, tensor)))]
    meta = read(tmp_path, meta_bytes(nodes))
    with pytest.raises(tfckpt.CheckpointError, match=r"x\.meta: .*node 'liar': attribute 'value'"):
        meta.operation("liar").attrs["value"]
    with pytest.raises(tfckpt.CheckpointError) as caught:
        meta.tensor("liar:0")
    assert caught.value.file == str(tmp_path / "x.meta")


def test_two_gigabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.meta"
    with path.open("wb") as file:
        file.truncate(_TOO_LARGE)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="larger than a protobuf message"):
        tfckpt.read_meta_graph(path)


def facts(meta: tfckpt.MetaGraph) -> list[Any]:
    """All that can be asked of a graph."""
    found: list[Any] = [repr(meta), meta.saver, meta.savers, meta.assets, dict(meta.signatures)]
    found += [sorted(meta.ops), sorted(meta.functions), meta.op_counts, meta.tags, meta.problems]
    found += [dict(meta.collections.items()), meta.inputs, meta.outputs]
    found += [custom_ops(meta), unusual_ops(meta)]
    for operation in meta.operations:
        found += [operation.name, operation.type, operation.inputs, operation.control_inputs]
        found += [{key: str(value) for key, value in operation.attrs.items()}]
    return found


@pytest.mark.parametrize("path", [META, SLICED], ids=["saver", "sliced"])
def test_text_says_the_same(path: Path, tmp_path: Path) -> None:
    """Protobuf's own text form of the file, made through the messages for text."""
    from google.protobuf import text_format

    from tfckpt_reader._protos import parse

    message = parse("TextMetaGraph", path.read_bytes())
    (tmp_path / path.name).write_text(text_format.MessageToString(message), "utf-8")
    expected, found = tfckpt.read_meta_graph(path), tfckpt.read_meta_graph(tmp_path / path.name)
    assert len(found) > 0
    assert facts(found) == facts(expected)


def test_a_frozen_graph_is_told_from_a_meta_graph(tmp_path: Path) -> None:
    nodes = [node("a", "Placeholder", [], dtype_attr(1)), node("b", "Custom", ["a"])]
    frozen = read(tmp_path, b"".join(text(1, each) for each in nodes), "frozen.pb")
    assert [each.name for each in frozen.operations] == ["a", "b"]
    assert frozen.tensor("b:0").dtype is None
    meta = read(tmp_path, meta_bytes(nodes), "graph.pb")
    assert [each.name for each in meta.operations] == ["a", "b"]
    saved = read(tmp_path, w.int_field(1, 1) + text(2, meta_bytes(nodes)), "other.pb")
    assert [each.name for each in saved.operations] == ["a", "b"]


def test_one_of_several_graphs(tmp_path: Path) -> None:
    def graph(tag: str) -> bytes:
        return text(2, text(1, text(4, tag)) + text(2, text(1, node(tag, "NoOp"))))

    (tmp_path / "saved_model.pb").write_bytes(w.int_field(1, 1) + graph("train") + graph("serve"))
    assert tfckpt.read_meta_graph(tmp_path).tags == {"serve"}
    assert tfckpt.read_meta_graph(tmp_path, tags=["train"]).operations[0].name == "train"
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="There is: train; serve"):
        tfckpt.read_meta_graph(tmp_path, tags=["gpu"])


def test_paths(tmp_path: Path) -> None:
    prefix = META.with_suffix("")
    assert len(tfckpt.read_meta_graph(prefix)) == len(tfckpt.read_meta_graph(META))
    for path in (tmp_path, tmp_path / "no.meta", tmp_path / "no"):
        with pytest.raises(tfckpt.CheckpointNotFoundError):
            tfckpt.read_meta_graph(path)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="this file is empty"):
        read(tmp_path, b"")


JUNK = [b"\xff" * 40, b"\x0a\x7f", b"node {", b"meta_info_def { x", b"\x12\x02\x0a\x05", b"\x0b"]


@pytest.mark.parametrize("data", JUNK)
@pytest.mark.parametrize("name", ["x.meta", "x.pb", "saved_model.pb"])
def test_junk(data: bytes, name: str, tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointError) as caught:
        facts(read(tmp_path, data, name))
    assert caught.value.file == str(tmp_path / name)


@given(st.integers(0, 1 << 20), st.integers(0, 255), st.booleans())
def test_damage_anywhere(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: bool
) -> None:
    """One byte changed, and the end cut off or not: an answer or one of our errors."""
    bad = bytearray(SLICED.read_bytes())
    at %= len(bad)
    bad[at] = byte
    if cut:
        del bad[at:]
    with suppress(tfckpt.CheckpointError):
        facts(read(tmp_path_factory.mktemp("damage"), bytes(bad)))
