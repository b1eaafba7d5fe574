"""Graphs of `.meta` files and SavedModels, against TensorFlow's answers for real ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from described import DESCRIBED, Facts, each_graph, tensor_facts
from project import CORPUS, FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.decode.collections import VariableDefinition


def test_the_corpus_is_here() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"the corpus of real checkpoints is not at {CORPUS}")
    assert len(DESCRIBED) == 11


@each_graph
def test_versions_and_tags(path: Path, facts: Facts) -> None:
    meta = tfckpt.read_meta_graph(path)
    assert meta.tensorflow_version == facts["tensorflow_version"]
    assert meta.tensorflow_git_version == facts["tensorflow_git_version"]
    assert sorted(meta.tags) == sorted(facts["tags"])
    assert {"producer": meta.producer, "min_consumer": meta.min_consumer} == facts["graph_versions"]
    assert len(meta.ops) == facts["stripped_ops"]
    assert len(meta.functions) == facts["functions"]
    assert len(meta.assets) == facts["assets"] or "saved_model_assets" in meta.collections


def test_one_tag_as_a_string(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x0b\x0a\x07\x22\x05train\x12\x00")
    for tags in ("train", ["train"], {"train"}):
        assert tfckpt.read_meta_graph(tmp_path, tags=tags).tags == {"train"}
    for tags, shown in (("serve", "tags serve"), ([""], "tags ''"), ([], "tags none")):
        with pytest.raises(tfckpt.CheckpointNotFoundError, match=shown) as caught:
            tfckpt.read_meta_graph(tmp_path, tags=tags)
        assert "There is: train" in str(caught.value)


def test_a_graph_is_frozen() -> None:
    meta = tfckpt.read_meta_graph(FIXTURES / "saved_model")
    function = next(iter(meta.functions.values()))
    for thing, names in (
        (meta, ("saver", "tags", "operations", "signatures")),
        (function, ("name",)),
    ):
        for name in names:
            with pytest.raises(AttributeError, match=name):
                setattr(thing, name, None)
    with pytest.raises(AttributeError, match="type"):
        meta.operations[0].type = "NoOp"  # type: ignore[misc]
    with pytest.raises(TypeError):
        meta.operations[0].attrs["T"] = 1  # type: ignore[index]


@each_graph
def test_nodes(path: Path, facts: Facts) -> None:
    meta = tfckpt.read_meta_graph(path)
    names = sorted(operation.name for operation in meta.operations)
    assert len(meta) == len(names) == facts["node_count"]
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == facts["nodes_sorted_sha256"]
    assert meta.op_counts == facts["ops"]
    assert len(meta.op_counts) == facts["op_types"]
    assert meta.problems == ()


@each_graph
def test_every_attribute_and_output(path: Path, facts: Facts) -> None:
    meta = tfckpt.read_meta_graph(path)
    for operation in meta.operations:
        assert len(dict(operation.attrs)) == len(operation.attrs)
        for name in operation.inputs:
            tensor = meta.tensor(name)
            assert operation in meta.consumers(name)
            assert tensor.dtype is not None or tensor.operation is None
        count = meta.output_count(operation)
        assert count is not None
        with pytest.raises(tfckpt.TensorNotFoundError, match="no output"):
            meta.tensor(f"{operation.name}:{count}")


@each_graph
def test_saver(path: Path, facts: Facts) -> None:
    saver, expected = tfckpt.read_meta_graph(path).saver, facts["saver_def"]
    assert (saver is None) == (expected is None)
    if saver is None:
        return
    found = {name: getattr(saver, name) for name in saver.__slots__}
    assert found == {**expected, "version": ("LEGACY", "V1", "V2")[expected["version"]]}


@each_graph
def test_collections(path: Path, facts: Facts) -> None:
    collections = tfckpt.read_meta_graph(path).collections
    found = {
        name: {"kind": collections.kind(name), "count": len(values)}
        for name, values in collections.items()
    }
    assert found == facts["collections"]


def as_oracle(variable: VariableDefinition) -> dict[str, Any]:
    found: dict[str, Any] = {
        "variable_name": variable.variable_name,
        "initializer_name": variable.initializer_name,
        "snapshot_name": variable.snapshot_name,
    }
    if variable.is_resource:
        found["is_resource"] = True
    if variable.slice is not None:
        found["slice"] = {
            "full_name": variable.slice.full_name,
            "full_shape": list(variable.slice.full_shape),
            "var_offset": list(variable.slice.offset),
            "var_shape": list(variable.slice.shape),
        }
    return found


@each_graph
def test_variable_definitions(path: Path, facts: Facts) -> None:
    collections = tfckpt.read_meta_graph(path).collections
    for name, expected in facts["variables"].items():
        known = [set(variable) for variable in expected]
        found = [as_oracle(variable) for variable in collections[name]]
        assert [
            {key: value for key, value in variable.items() if key in keys}
            for variable, keys in zip(found, known, strict=True)
        ] == expected


@each_graph
def test_signatures(path: Path, facts: Facts) -> None:
    meta = tfckpt.read_meta_graph(path)
    assert {
        name: {
            "method": signature.method_name,
            "inputs": tensor_facts(signature.inputs),
            "outputs": tensor_facts(signature.outputs),
        }
        for name, signature in meta.signatures.items()
    } == facts["signatures"]
    for signature in meta.signatures.values():
        for info in signature.inputs.values():
            for name in info.sparse[:1] if info.sparse else (info.name,):
                assert meta.tensor(name).dtype == info.dtype
