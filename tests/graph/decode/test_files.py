"""Files with a graph in them: their forms, their text, and damage anywhere in them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import writers as w
from graphs import (
    FLOAT,
    attr,
    collection,
    dtype_attr,
    everything,
    facts,
    function,
    info,
    meta_bytes,
    node,
    read,
    signature,
    text,
)
from hypothesis import given
from hypothesis import strategies as st
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.decode.collections import AnyValue, Asset
from tfckpt_reader.graph.decode.files import _TOO_LARGE

META = FIXTURES / "saver_tf1" / "model.ckpt-1.meta"
SLICED = FIXTURES / "sliced" / "saver.meta"


def test_two_gigabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.meta"
    with path.open("wb") as file:
        file.truncate(_TOO_LARGE)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="larger than a protobuf message"):
        tfckpt.read_meta_graph(path)


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
