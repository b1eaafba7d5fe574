"""Event files: read back by TensorBoard, without TensorFlow, and byte by byte."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import writers as w
from described import DESCRIBED
from event_files import GRAPHS, NAME, function, nodes_in, records, values
from graphs import attr, meta_bytes, node, read, text
from hypothesis import given
from hypothesis import strategies as st
from project import FIXTURES

import tfckpt_reader as tfckpt

LIMIT = 1024


# For each folder given: what TensorBoard's loader and its plugin for graphs find there, compared
# with the GraphDef beside it, from which the large attributes are taken away as announced.
TENSORBOARD = """
import json, os, sys
sys.modules["tensorflow"] = None
from tensorboard.backend.event_processing import data_provider, event_file_loader
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.compat import tf
from tensorboard.compat.proto import graph_pb2
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.graph.graphs_plugin import GraphsPlugin

assert tf.__version__ == "stub", "this must work without TensorFlow"
limit = int(sys.argv[1])

def shown(node):
    large = [k for k, v in node.attr.items() if v.ByteSize() > limit and k != "_output_shapes"]
    for key in large:
        del node.attr[key]
    return sorted(large)

def told(node):
    return sorted(s.decode() for s in node.attr.pop("_too_large_attrs").list.s)

def compare(mine, theirs):
    assert len(mine) == len(theirs)
    left_out = 0
    for a, b in zip(mine, theirs):
        names = shown(b)
        assert ("_too_large_attrs" in a.attr) == bool(names), a.name
        if names:
            assert told(a) == names
        assert a == b, (a, b)
        left_out += len(names)
    return left_out

for folder in sys.argv[2:]:
    (file,) = [name for name in os.listdir(folder) if "tfevents" in name]
    first, second, _ = event_file_loader.EventFileLoader(os.path.join(folder, file)).Load()
    assert first.file_version == "brain.Event:2" and second.HasField("graph_def")
    mine = graph_pb2.GraphDef.FromString(second.graph_def)
    theirs = graph_pb2.GraphDef.FromString(open(os.path.join(folder, "graph"), "rb").read())
    left_out = compare(mine.node, theirs.node)
    assert len(mine.library.function) == len(theirs.library.function)
    for a, b in zip(mine.library.function, theirs.library.function):
        left_out += compare(a.node_def, b.node_def)
        del a.node_def[:], b.node_def[:]
        assert a == b
    assert mine.library.gradient == theirs.library.gradient

    found = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(folder).Reload()
    provider = data_provider.MultiplexerDataProvider(found, folder)
    plugin = GraphsPlugin(TBContext(data_provider=provider))
    info = plugin.info_impl(RequestContext(), experiment="")
    assert info["."]["run_graph"], info
    body, kind = plugin.graph_impl(RequestContext(), ".", None, False, "")
    assert kind == "text/x-protobuf" and body.count("\\nnode {") >= len(mine.node) - 1
    print(json.dumps([len(mine.node), len(mine.library.function), left_out]))
"""


def tensorboard(*folders: Path) -> list[list[int]]:
    """Nodes, functions and attributes left out, as TensorBoard sees them, for each folder."""
    if importlib.util.find_spec("tensorboard") is None:
        pytest.skip("TensorBoard is not installed")
    # Its own reading of protobuf is not what is tried here.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PROTOCOL_BUFFERS")}
    done = subprocess.run(
        [sys.executable, "-c", TENSORBOARD, str(LIMIT), *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def graph_of(path: Path) -> bytes:
    """The GraphDef in a file: field 2 of a MetaGraphDef, which is field 2 of a SavedModel."""
    data = path.read_bytes()
    if path.name == "saved_model.pb":
        (data,) = values(data, 2)
    (graph,) = values(data, 2)
    return graph


def test_tensorboard_reads_every_graph(tmp_path: Path) -> None:
    folders, expected = [], []
    for number, path in enumerate(GRAPHS):
        folder = tmp_path / str(number)
        meta = tfckpt.read_meta_graph(path)
        done = tfckpt.write_event_file(meta, folder)
        assert (done.path, done.nbytes) == (str(folder / NAME), (folder / NAME).stat().st_size)
        assert (done.nodes, done.functions) == (len(meta), len(meta.functions))
        (folder / "graph").write_bytes(graph_of(path))
        folders.append(folder)
        expected.append([done.nodes, done.functions])
    seen = tensorboard(*folders)
    assert [each[:2] for each in seen] == expected
    if DESCRIBED:
        assert sum(each[2] for each in seen) > 0, "nothing was too large: nothing was tried"


LARGE = attr("value", text(8, w.int_field(1, 1) + text(4, bytes(LIMIT))))
SHAPES = attr("_output_shapes", text(1, text(7, text(2, w.int_field(1, 7))) * LIMIT))
SMALL = attr("T", w.int_field(6, 1))
PLAIN = node("plain", "Neg", ["c", "^gone"], attr("s", text(2, bytes(LIMIT - 3))))


def test_large_attributes_are_left_out_by_name(tmp_path: Path) -> None:
    constant = node("c", "Const", [], SMALL, LARGE, SHAPES, attr("a", text(2, bytes(2 * LIMIT))))
    library = [function(node("inside", "Const", [], LARGE), PLAIN)]
    data = meta_bytes([constant, PLAIN], library=library)
    done = tfckpt.write_event_file(read(tmp_path, data), tmp_path)
    first, second = nodes_in(tmp_path / NAME)
    assert second == PLAIN
    names = attr("_too_large_attrs", text(1, text(2, "value") + text(2, "a")))
    assert first == node("c", "Const", [], SMALL, SHAPES, names)
    assert (done.nodes, done.functions) == (2, 1)
    (tmp_path / "graph").write_bytes(graph_of(tmp_path / "x.meta"))
    assert tensorboard(tmp_path) == [[2, 1, 3]]


def test_the_file_holds_only_the_graph(tmp_path: Path) -> None:
    meta = tfckpt.read_meta_graph(FIXTURES / "saver_tf1" / "model.ckpt-1.meta")
    tfckpt.write_event_file(meta, tmp_path / "a" / "b")
    version, graph = records(tmp_path / "a" / "b" / NAME)
    assert version == text(3, "brain.Event:2")
    assert [number for number, _ in w.split_fields(graph)] == [4]
    before = (tmp_path / "a" / "b" / NAME).read_bytes()
    tfckpt.write_event_file(meta, str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b" / NAME).read_bytes() == before
    assert os.listdir(tmp_path / "a" / "b") == [NAME]


def test_text_and_binary_make_the_same_file(tmp_path: Path) -> None:
    plain = 'node { name: "a/x" op: "NoOp" }\nnode { name: "b" op: "Neg" input: "a/x" }\n'
    (tmp_path / "g.pbtxt").write_text(plain, "utf-8")
    tfckpt.write_event_file(tfckpt.read_meta_graph(tmp_path / "g.pbtxt"), tmp_path)
    assert nodes_in(tmp_path / NAME) == [node("a/x", "NoOp"), node("b", "Neg", ["a/x"])]


def test_subgraph_of_an_output(tmp_path: Path) -> None:
    nodes = [node("a", "A"), node("b", "B", ["a:1", "^c"]), node("a", "Again"), node("c", "C")]
    meta = read(tmp_path, meta_bytes([*nodes, node("d", "D", ["b"])]))
    tfckpt.write_event_file(meta, tmp_path, outputs=["b:0"])
    assert nodes_in(tmp_path / NAME) == [nodes[0], nodes[1], nodes[3]]
    with pytest.raises(tfckpt.TensorNotFoundError, match="'e'"):
        tfckpt.write_event_file(meta, tmp_path / "new", outputs=["b", "e"])
    assert not (tmp_path / "new").exists()


def test_odd_graphs_that_tensorboard_shows(tmp_path: Path) -> None:
    nodes = [node("a", "A", ["b", "gone:3"]), node("b", "B", ["a"]), node("a", "Again", ["a"])]
    tfckpt.write_event_file(read(tmp_path, meta_bytes(nodes)), tmp_path)
    assert nodes_in(tmp_path / NAME) == nodes
    tfckpt.write_event_file(read(tmp_path, meta_bytes([])), tmp_path)
    assert nodes_in(tmp_path / NAME) == []


UTF8 = "names in UTF-8"


@pytest.mark.parametrize(
    ("bad", "where", "why"),
    [
        (node(b"a\xff", "Neg"), "node 1", UTF8),
        (node("", "Neg"), "node 1", UTF8),
        (node("/a", "Neg"), "node 1", UTF8),
        (node("a", "Neg") + text(3, b"\xff"), "node 1", UTF8),
        (node("a", "Neg") + text(2, b"\xff"), "node 1", UTF8),
        (node("a", "Neg") + text(5, text(1, b"\xff")), "node 1", UTF8),
        (node("a", "Neg", [], LARGE) + text(4, b"\xff"), "node 1", UTF8),
        (b"\xff", "node 1", "not the protobuf message"),
        (b"\x0b" * (LIMIT + 1), "node 1", "unknown wire type"),
    ],
)  # fmt: skip
def test_nodes_that_tensorboard_cannot_show_are_refused(
    bad: bytes, where: str, why: str, tmp_path: Path
) -> None:
    meta = read(tmp_path, meta_bytes([PLAIN, bad]))
    with pytest.raises(tfckpt.CheckpointError, match=why) as caught:
        tfckpt.write_event_file(meta, tmp_path / "logs")
    assert (caught.value.file, caught.value.structure) == (str(tmp_path / "x.meta"), where)
    assert not (tmp_path / "logs").exists()
    meta = read(tmp_path, meta_bytes([PLAIN], library=[function(bad)]))
    with pytest.raises(tfckpt.CheckpointError) as caught:
        tfckpt.write_event_file(meta, tmp_path / "logs")
    assert caught.value.structure == "node of a function"


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes([PLAIN]))
    with pytest.raises(NotADirectoryError, match="is no folder"):
        tfckpt.write_event_file(meta, tmp_path / "x.meta")
    with pytest.raises(OSError, match=r"x\.meta"):
        tfckpt.write_event_file(meta, tmp_path / "x.meta" / "logs")
    (tmp_path / "logs" / NAME).mkdir(parents=True)
    with pytest.raises(OSError, match=NAME):
        tfckpt.write_event_file(meta, tmp_path / "logs")
    assert os.listdir(tmp_path / "logs") == [NAME]


WHOLE = meta_bytes([node("c", "Const", [], SMALL, LARGE), PLAIN], library=[function(PLAIN)])


@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_damage_gives_a_file_or_an_error_of_ours(
    place: int, value: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    data = WHOLE[:place] if cut else WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :]
    with suppress(tfckpt.CheckpointError):
        meta = read(folder, data)
        assert tfckpt.to_dot(meta).endswith("}\n")
        done = tfckpt.write_event_file(meta, folder)
        assert len(nodes_in(folder / NAME)) == done.nodes
