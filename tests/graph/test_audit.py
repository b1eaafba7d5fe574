"""Ops that are not TensorFlow's own, and those that reach out of a graph."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from described import DESCRIBED
from graphs import function, meta_bytes, node, text
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.audit import custom_ops, own_ops, unusual_ops
from tfckpt_reader.graph.freeze import op_outputs


def read(tmp_path: Path, nodes: list[bytes], **more: Any) -> tfckpt.MetaGraph:
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes, **more))
    return tfckpt.read_meta_graph(tmp_path / "x.meta")


def test_custom_ops(tmp_path: Path) -> None:
    """In the graph and in functions; a function of the file is no custom op."""
    library = [function("f", text(3, node("a", "Other")), text(3, node("b", "MatMul")))]
    nodes = [node("x", "Placeholder"), node("y", "Zzz"), node("z", "Zzz"), node("call", "f")]
    graph = read(tmp_path, nodes, library=library)
    assert custom_ops(graph) == {"Other": 1, "Zzz": 2}


def test_ops_with_effects_outside_the_graph(tmp_path: Path) -> None:
    library = [function("f", text(3, node("a", "EagerPyFunc")))]
    nodes = [
        node("name", "Const"),
        node("read", "ReadFile", ["name"]),
        node("rows", "TFRecordDatasetV2", ["name"]),
        node("write", "WriteFile", ["name", "read"]),
        node("told", "PrintV2", ["read"]),
        node("assets", "InitializeTableFromTextFileV2", ["name"]),
    ]
    found = unusual_ops(read(tmp_path, nodes, library=library))
    assert {name: count for name, (count, _) in found.items()} == dict.fromkeys(
        ["EagerPyFunc", "PrintV2", "ReadFile", "TFRecordDatasetV2", "WriteFile"], 1
    )
    assert found["EagerPyFunc"][1] == "calls Python code, which is not in the file"
    assert found["WriteFile"][1] == "writes files"


def test_ops_of_a_saver_are_not_unusual(tmp_path: Path) -> None:
    nodes = [
        node("file", "Const"),
        node("save", "SaveV2", ["file"]),
        node("done", "Identity", ["file", "^save"]),
        node("restore", "RestoreV2", ["file"]),
        node("all", "NoOp", ["^restore"]),
    ]
    saver = text(3, text(1, "file:0") + text(2, "done:0") + text(3, "all"))
    assert unusual_ops(read(tmp_path, nodes, more=saver)) == {}
    alone = unusual_ops(read(tmp_path, nodes))
    assert {name: count for name, (count, _) in alone.items()} == {"RestoreV2": 1, "SaveV2": 1}
    hidden = [*nodes, node("more", "SaveV2", ["file"])]
    assert {
        name: n for name, (n, _) in unusual_ops(read(tmp_path, hidden, more=saver)).items()
    } == {"SaveV2": 1}
    lost = text(3, text(2, "gone:0") + text(3, "all"))
    assert set(unusual_ops(read(tmp_path, nodes, more=lost))) == {"RestoreV2", "SaveV2"}


@pytest.mark.parametrize("folder", ["saved_model", "saved_model_tf1", "saved_model_keras"])
def test_plain_models_have_none(folder: str) -> None:
    graph = tfckpt.read_meta_graph(FIXTURES / folder)
    assert (custom_ops(graph), unusual_ops(graph)) == ({}, {})


def test_real_graphs() -> None:
    if not DESCRIBED:
        pytest.skip("the corpus of real checkpoints is not here")
    graphs = {path.parent.name: tfckpt.read_meta_graph(path) for path, _ in DESCRIBED}
    custom = {name: list(custom_ops(graph)) for name, graph in graphs.items()}
    assert {name: ops for name, ops in custom.items() if ops} == {
        "v2_tf130_ffn_rank5_int__google_ffn": [
            "LoadFromVolumeStore", "ParseVolumeStoreInputExample", "SSTableReaderV2",
        ],
    }  # fmt: skip
    unusual = {name: list(unusual_ops(graph)) for name, graph in graphs.items()}
    assert {name: ops for name, ops in unusual.items() if ops} == {
        "v2_2shards_tfx_taxi__tensorflow_tfx": ["TFRecordReaderV2"],
        "v2_tf130_ffn_rank5_int__google_ffn": ["PyFunc", "PyFuncStateless"],
    }


@pytest.mark.tensorflow
def test_the_list_is_tensorflows() -> None:
    tf = importlib.import_module("tensorflow")
    version, names = own_ops()
    if tf.__version__ != version:
        pytest.skip(f"the list is of TensorFlow {version}, not {tf.__version__}")
    sys.path.insert(0, str(FIXTURES))
    try:
        make_ops = importlib.import_module("make_ops")
    finally:
        sys.path.remove(str(FIXTURES))
    assert sorted(names) == make_ops.own_ops()
    folder = Path(op_outputs.__file__).parent
    lines = (folder / "op_outputs.txt").read_text("ascii").splitlines()
    assert lines == make_ops.op_outputs()
