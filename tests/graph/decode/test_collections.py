"""Signatures, collections and contexts, put together byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import writers as w
from graphs import (
    FLOAT,
    INT,
    arg,
    collection,
    info,
    meta_bytes,
    node,
    op,
    read,
    signature,
    text,
)

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.decode.collections import CondContext, QueueRunner, WhileContext


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
