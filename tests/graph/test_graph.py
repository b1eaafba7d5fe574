"""Graphs put together byte by byte: what is known of tensors, and what is wrong with a graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from graphs import (
    FLOAT,
    INT,
    arg,
    attr,
    dtype_attr,
    function,
    info,
    meta_bytes,
    node,
    op,
    read,
    signature,
    text,
)
from hypothesis import given
from hypothesis import strategies as st
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.cli.describe.operation import operation_facts
from tfckpt_reader.graph.audit import custom_ops, unusual_ops
from tfckpt_reader.graph.decode.collections import AnyValue, Asset
from tfckpt_reader.graph.decode.files import _TOO_LARGE
from tfckpt_reader.graph.decode.tf1_values import CondContext, QueueRunner, WhileContext

META = FIXTURES / "saver_tf1" / "model.ckpt-1.meta"
SLICED = FIXTURES / "sliced" / "saver.meta"


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


@pytest.mark.parametrize("version", [15, 21, 22, 27])
def test_no_dimensions_may_mean_that_the_rank_is_unknown(version: int, tmp_path: Path) -> None:
    """Of variables of the first kind always, of placeholders in old graphs; as TensorFlow says."""
    scalar = attr("shape", text(7, b""))
    nodes = [node(op, op, [], scalar) for op in ("Placeholder", "Variable", "VariableV2")]
    nodes.append(node("known", "Variable", [], attr("shape", text(7, text(2, w.int_field(1, 2))))))
    graph = text(2, b"".join(text(1, each) for each in nodes) + text(4, w.int_field(1, version)))
    meta = read(tmp_path, graph)
    shapes = [meta.tensor(operation.name).shape for operation in meta.operations]
    assert shapes == [None if version < 22 else (), None, (), (2,)]


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
    assert [each.name for each in f.subgraph(["call", "x"], inputs=["two:first:1", "x"])] == [
        "two",
        "call",
    ]
    assert [each.name for each in f.subgraph(["x"])] == []
    for name in ("two:first:2", "two:third:0", "z", "two:first:a", "two:first:" + "9" * 5000):
        with pytest.raises(tfckpt.TensorNotFoundError):
            f.tensor(name)


def test_shapes_of_arguments(tmp_path: Path) -> None:
    shape = text(7, text(2, w.int_field(1, -1)) + text(2, w.int_field(1, 3)))
    shapes = text(1, "_input_shapes") + text(2, text(1, shape + text(7, w.int_field(3, 1))))
    library = [function("f", text(5, shapes), arguments=["a", "b", "c"])]
    library.append(function("g", text(5, text(1, "_input_shapes") + text(2, b"")), arguments=["a"]))
    meta = read(tmp_path, meta_bytes([], library=library))
    found = meta.functions["f"].arguments.values()
    assert [tensor.shape for tensor in found] == [(None, 3), None, None]
    assert meta.functions["g"].tensor("a").shape is None


def test_problems_of_functions(tmp_path: Path) -> None:
    inner = [
        node("two", "Two", ["x"], attr("N", w.int_field(3, 2))),
        node("a", "Custom", ["two:first:2", "two:second:1", "two:third:0", "two", "two:first"]),
        node("b", "Custom", ["c:y:0"]),
        node("c", "Custom", ["b:y:0", "^gone"]),
    ]
    results = {"r": "two:first:1", "s": "two:first:2", "t": "lost:y:0", "u": "x"}
    body = [text(3, each) for each in inner]
    body += [text(4, text(1, name) + text(2, of)) for name, of in results.items()]
    f = read(tmp_path, meta_bytes([], library=[function("f", *body, arguments=["x"])])).functions[
        "f"
    ]
    assert f.problems == (
        "node 'a' has the input 'two:first:2', but node 'two' has no such output",
        "node 'a' has the input 'two:second:1', but node 'two' has no such output",
        "node 'a' has the input 'two:third:0', but node 'two' has no such output",
        "node 'a' has the input 'two', but node 'two' has no such output",
        "node 'c' has an input that names nothing: 'gone'",
        "a cycle that is no while loop goes through 2 nodes, such as 'b'",
        "result 's' is 'two:first:2', but node 'two' has no such output",
        "result 't' names nothing: 'lost:y:0'",
    )


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    """A call is a name: nothing follows it round and round."""
    loop = [function("f", text(3, node("n", "g"))), function("g", text(3, node("n", "f")))]
    loop.append(function("h", text(3, node("n", "h"))))
    call = attr("f", text(10, text(1, "f")))
    saver = text(3, text(2, "call:0"))
    meta = read(
        tmp_path, meta_bytes([node("call", "PartitionedCall", [], call)], library=loop, more=saver)
    )
    assert meta.problems == ()
    assert meta.saved == ()
    assert [op.type for op in meta.functions["h"].operations] == ["h"]


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


def everything(meta: tfckpt.MetaGraph) -> list[Any]:
    """Facts, and what is worked out of them."""
    found = facts(meta)
    for operation in meta.operations:
        found += [meta.output_count(operation), meta.subgraph([operation.name])]
        with suppress(tfckpt.TensorNotFoundError):
            found += [meta.tensor(name) for name in operation.inputs]
    for name, each in meta.functions.items():
        found += [name, each.arguments, each.operations, each.problems, dict(each.attrs)]
    found += [meta.saved, meta.global_variables, meta.compare_keys([])]
    return found


@pytest.mark.parametrize("path", [META, SLICED], ids=["saver", "sliced"])
def test_text_says_the_same(path: Path, tmp_path: Path) -> None:
    """Protobuf's own text form of the file, made through the messages for text."""
    from google.protobuf import text_format

    from tfckpt_reader.protobuf import parse

    message = parse("TextMetaGraph", path.read_bytes())
    (tmp_path / path.name).write_text(text_format.MessageToString(message), "utf-8")
    expected, found = tfckpt.read_meta_graph(path), tfckpt.read_meta_graph(tmp_path / path.name)
    assert len(found) > 0
    assert facts(found) == facts(expected)


def test_signatures(tmp_path: Path) -> None:
    """Dense, sparse and composite tensors, and what an input is when it is not given."""
    rows = text(3, text(2, w.int_field(1, -1)))
    spec = text(1, w.int_field(1, 3) + text(3, "RaggedTensorSpec"))
    ragged = text(5, spec + text(2, info("r/flat:0", INT)) + text(2, info("r/rows:0", 9, rows)))
    sparse = text(4, text(1, "v:0") + text(2, "i:0") + text(3, "d:0"))
    default = w.int_field(1, FLOAT) + text(2, b"") + w.fixed32_field(5, 0x40000000)
    inputs = {"x": info("x:0", FLOAT, text(3, b"")), "s": w.int_field(2, 7) + sparse, "r": ragged}
    more = signature(
        *(text(1, text(1, alias) + text(2, value)) for alias, value in inputs.items()),
        text(2, text(1, "y") + text(2, info("y:0", INT))),
        text(3, "predict"),
        text(4, text(1, "x") + text(2, default)),
    )
    found = read(tmp_path, meta_bytes([], more=more)).signatures["s"]
    assert (found.name, found.method_name) == ("s", "predict")
    x, s, r = (found.inputs[alias] for alias in inputs)
    assert (x.name, str(x.dtype), x.shape, x.sparse, x.components) == (
        "x:0",
        "float32",
        (),
        None,
        (),
    )
    assert (s.name, str(s.dtype), s.shape, s.sparse) == ("", "string", None, ("v:0", "i:0", "d:0"))
    assert (r.name, r.composite) == ("", "RaggedTensorSpec")
    parts = [(part.name, str(part.dtype), part.shape) for part in r.components]
    assert parts == [("r/flat:0", "int32", None), ("r/rows:0", "int64", (None,))]
    assert found.outputs["y"].name == "y:0"
    assert {alias: array.tolist() for alias, array in found.defaults.items()} == {"x": 2.0}


@pytest.mark.parametrize("number", [-1, 99, 1 << 30])
def test_numbers_that_nobody_has_given_a_name(number: int, tmp_path: Path) -> None:
    """Of dtypes and of a Saver's version, in the binary and in the text form."""
    ops = text(1, op("A", arg("y", type=number)))
    inputs = text(1, text(1, "x") + text(2, info("a:0", number)))
    objects = text(1, text(7, w.int_field(1, number) + text(6, "v")))
    binary = text(1, text(2, ops)) + text(2, text(1, node("a", "A")))
    binary += text(3, w.int_field(7, number)) + signature(inputs) + text(7, objects)
    plain = """
        meta_info_def { stripped_op_list { op { name: "A" output_arg { name: "y" type: N } } } }
        graph_def { node { name: "a" op: "A" } }
        saver_def { version: N }
        signature_def { key: "s" value { inputs { key: "x" value { name: "a:0" dtype: N } } } }
        object_graph_def { nodes { variable { name: "v" dtype: N } } }
    """.replace(" N ", f" {number} ")
    for data in (binary, plain.encode()):
        meta = read(tmp_path, data)
        assert meta.saver is not None
        assert meta.saver.version == str(number)
        dtypes = [meta.tensor("a").dtype, meta.signatures["s"].inputs["x"].dtype]
        dtypes += [each.dtype for each in meta.global_variables]
        assert [each is not None and int(each) for each in dtypes] == [number] * 3


def test_tensors_within_tensors_end(tmp_path: Path) -> None:
    for depth, sound in ((20, True), (70, False), (20_000, False)):
        tensor = info("x:0", FLOAT)
        for _ in range(depth):
            tensor = text(5, text(2, tensor))
        meta = read(
            tmp_path, meta_bytes([], more=signature(text(1, text(1, "x") + text(2, tensor))))
        )
        if sound:
            assert len(meta.signatures["s"].inputs["x"].components) == 1
        else:
            with pytest.raises(tfckpt.CorruptCheckpointError):
                _ = meta.signatures


@pytest.mark.parametrize("sides", [(9, 0, 0), (3, 3, 3), (2, 0, 7), (0, 0, 9)])
def test_tensors_of_a_signature_are_counted(
    sides: tuple[int, int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What composite ones are made of, too: there may be one in two bytes."""

    def entries(field: int, count: int, value: bytes) -> list[bytes]:
        return [text(field, text(1, f"x{i}") + text(2, value)) for i in range(count)]

    inputs, outputs, defaults = sides
    parts = entries(1, inputs, text(5, b"\x12\x00")) + entries(4, defaults, b"")
    meta = read(tmp_path, meta_bytes([], more=signature(*parts, *entries(2, outputs, b""))))
    count = 2 * inputs + outputs + defaults
    monkeypatch.setattr("tfckpt_reader.graph.decode.signatures.MOST_TENSORS", count - 1)
    with pytest.raises(tfckpt.UnsupportedError, match="more tensors than are listed here"):
        _ = meta.signatures
    monkeypatch.setattr("tfckpt_reader.graph.decode.signatures.MOST_TENSORS", count)
    assert len(meta.signatures["s"].inputs) == inputs


def collection(name: str, *values: bytes) -> bytes:
    return text(4, text(1, name) + text(2, text(2, b"".join(text(1, v) for v in values))))


def test_collections_of_messages(tmp_path: Path) -> None:
    """What TensorFlow registers a kind of message for, and what it does not."""
    runner = (
        text(1, "q")
        + text(2, "e1")
        + text(2, "e2")
        + text(3, "c")
        + text(4, "d")
        + text(5, b"\x0b\x01")
    )
    values = text(1, "a:0") + text(2, text(1, "out") + text(2, "in"))
    loop = text(1, "w") + w.int_field(2, 10) + w.int_field(3, 1) + text(8, "x") + text(9, values)
    loop += text(10, "n") + text(11, "m") + text(5, "p") + text(6, "fp") + text(7, "fb")
    cond = text(1, "c") + text(2, "pred") + text(3, "pivot") + w.int_field(4, 1) + text(5, values)
    more = collection("queue_runners", runner)
    more += collection("cond_context", cond + text(6, text(2, loop)) + text(6, b""))
    more += collection("while_context", loop) + collection("mine", b"\xff")
    found = read(tmp_path, meta_bytes([], more=more)).collections
    inner = WhileContext(
        "w", 10, True, False, "p", "fp", "fb", ("n",), ("x",), "m", ("a:0",), {"out": "in"}, ()
    )
    assert found["queue_runners"] == [QueueRunner("q", ("e1", "e2"), "c", "d", (11, 1))]
    assert found["while_context"] == [inner]
    assert found["cond_context"] == [
        CondContext("c", "pred", "pivot", 1, ("a:0",), {"out": "in"}, (inner,))
    ]
    assert found["mine"] == [b"\xff"]


def test_contexts_within_contexts_end(tmp_path: Path) -> None:
    for depth, sound in ((20, True), (70, False), (20_000, False)):
        loop = b""
        for _ in range(depth):
            loop = text(12, text(2, loop))
        found = read(tmp_path, meta_bytes([], more=collection("while_context", loop))).collections
        if sound:
            assert len(found["while_context"][0].nested) == 1
        else:
            with pytest.raises(tfckpt.CorruptCheckpointError, match="collection 'while_context'"):
                _ = found["while_context"]


SPELLED_OUT = """
# [type.googleapis.com/a.B] {
collection_def {
  key: "a"
  value { any_list {
    value { [type.googleapis.com/tensorflow.AssetFileDef] {
      tensor_info { name: "path:0" dtype: DT_STRING }
      filename: "[x/y] {\\"[x/y]"
    } }
    value { [ type.googleapis.com/some.Other ]: < a: [1, 2] b { [x.y/z] { c: 'it"s' } } > }
    value { type_url: "u" value: "\\001" }
  } }
}
meta_info_def { any_info { [x/y] { a: "" } } tags: "t" }
saver_def { version: V2 }
"""


def test_messages_spelled_out_in_text(tmp_path: Path) -> None:
    """As `MessageToString` of TensorFlow's own program has them."""
    meta = read(tmp_path, SPELLED_OUT.encode())
    assert meta.collections["a"] == [
        Asset('[x/y] {"[x/y]', "path:0"),
        AnyValue("type.googleapis.com/some.Other", None),
        AnyValue("u", b"\1"),
    ]
    assert meta.tags == {"t"}
    assert meta.saver is not None


def test_strings_without_end_in_text(tmp_path: Path) -> None:
    """Each of a million is looked at once."""
    with pytest.raises(tfckpt.CorruptCheckpointError, match="text form"):
        read(tmp_path, b'meta_info_def { tags: "' + b'\\"' * 1_000_000)


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


def small_graph() -> bytes:
    """A bit of everything, in little more than a kilobyte."""
    tensor = w.int_field(1, FLOAT) + text(2, text(2, w.int_field(1, 2))) + text(5, bytes(8))
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1), attr("shape", text(7, w.int_field(3, 1)))),
        node("c", "Const", [], dtype_attr(1), attr("value", text(8, tensor))),
        node("two", "Two", ["x", "^c"], attr("N", w.int_field(3, 2))),
        node("call", "f", ["two:1"], attr("f", text(10, text(1, "f")))),
    ]
    body = [text(3, node("n", "Two", ["x"])), text(4, text(1, "out") + text(2, "n:second:0"))]
    more = text(3, text(2, "call:0") + w.int_field(7, 2)) + signature(
        text(1, text(1, "x") + text(2, info("x:0", FLOAT))), text(3, "predict")
    )
    more += collection("variables", text(1, "c:0")) + collection("while_context", text(1, "w"))
    more += text(7, text(1, text(1, w.int_field(1, 1) + text(2, "v"))) + text(1, text(7, b"")))
    return meta_bytes(nodes, library=[function("f", *body, arguments=["x"])], more=more)


def test_cut_or_changed_at_every_byte(tmp_path: Path) -> None:
    good = small_graph()
    assert facts(read(tmp_path, good))[-1]
    for at in range(len(good)):
        for bad in (
            good[:at],
            good[:at] + bytes([good[at] ^ 0x80]) + good[at + 1 :],
            good[:at] + bytes([good[at] ^ 0x01]) + good[at + 1 :],
        ):
            with suppress(tfckpt.CheckpointError):
                everything(read(tmp_path, bad))
