"""Graphs that TensorFlow makes here and now, described by TensorFlow and by the package."""

from __future__ import annotations

import importlib
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow_graphs import comparable, model, ours, shape_of

import tfckpt_reader as tfckpt
from tfckpt_reader.protobuf import message_class

pytestmark = pytest.mark.tensorflow


KINDS = [(False, False), (True, False), (True, True)]


@pytest.fixture(scope="module", params=KINDS, ids=["ref", "resource", "functional"])
def saved(
    tf: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, str, dict[str, Any]]:
    """The graph, where it was saved, and the values of its variables."""
    resource, control_flow_v2 = request.param
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session() as session:
        v1.set_random_seed(1)
        model(tf, resource=resource, control_flow_v2=control_flow_v2)
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        saver = v1.train.Saver(max_to_keep=7, sharded=resource)
        path = saver.save(session, str(tmp_path_factory.mktemp("graph") / "model"))
        values = {}
        for variable in v1.global_variables():
            piece = variable._get_save_slice_info()
            name = variable.op.name if piece is None else f"{piece.full_name}|{variable.op.name}"
            values[name] = session.run(variable)
    return graph, path, values


def test_operations_and_tensors(tf: Any, saved: tuple[Any, str, Any]) -> None:
    graph, path, _ = saved
    meta = tfckpt.read_meta_graph(path + ".meta")
    theirs = graph.get_operations()
    assert [op.name for op in meta.operations] == [op.name for op in theirs]
    assert meta.problems == ()
    for their in theirs:
        mine = meta.operation(their.name)
        assert mine.type == their.type
        assert mine.device == their.device
        assert mine.inputs == tuple(tensor.name for tensor in their.inputs)
        assert sorted(mine.control_inputs) == sorted(op.name for op in their.control_inputs)
        assert meta.output_count(mine) == len(their.outputs)
        for tensor in their.outputs:
            found = meta.tensor(tensor.name)
            assert found.dtype == tensor.dtype.as_datatype_enum
            assert found.shape == shape_of(tensor), tensor.name
            assert {op.name for op in meta.consumers(tensor.name)} == {
                op.name for op in tensor.consumers()
            }


def test_attributes(tf: Any, saved: tuple[Any, str, Any]) -> None:
    graph, path, _ = saved
    meta = tfckpt.read_meta_graph(path + ".meta")
    compared = 0
    for their in graph.get_operations():
        attrs = meta.operation(their.name).attrs
        assert set(their.node_def.attr) <= set(attrs)
        for name in their.node_def.attr:
            if name != "_output_shapes":
                assert ours(attrs[name]) == comparable(tf, their.get_attr(name)), (their, name)
                compared += 1
    assert compared > 500


def test_variables(tf: Any, saved: tuple[Any, str, dict[str, Any]]) -> None:
    graph, path, values = saved
    v1 = tf.compat.v1
    with tfckpt.open(path) as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        assert meta.compare_keys(ckpt) == ((), ())
        with graph.as_default():
            lists = {
                "global_variables": v1.global_variables(),
                "trainable_variables": v1.trainable_variables(),
                "local_variables": v1.local_variables(),
            }
        for attribute, theirs in lists.items():
            names = [
                variable.name
                if variable._get_save_slice_info() is None
                else variable._get_save_slice_info().full_name
                for variable in theirs
            ]
            found = getattr(meta, attribute)
            assert [variable.name for variable in found] == list(dict.fromkeys(names))
        for variable in meta.local_variables:
            assert variable.checkpoint_key is None
        for variable in meta.global_variables:
            pieces = [
                value for name, value in values.items() if name.startswith(f"{variable.name}|")
            ]
            expected = np.concatenate(pieces) if pieces else values[variable.name.partition(":")[0]]
            np.testing.assert_array_equal(variable.value(), expected)
            assert variable.shape == expected.shape
            assert str(variable.dtype) == str(expected.dtype)
            assert variable.initializer or pieces


def test_saver_and_collections(tf: Any, saved: tuple[Any, str, Any]) -> None:
    _, path, _ = saved
    message = tf.compat.v1.MetaGraphDef.FromString(Path(path + ".meta").read_bytes())
    meta = tfckpt.read_meta_graph(path + ".meta")
    assert meta.saver is not None
    assert meta.saver.max_to_keep == 7 == message.saver_def.max_to_keep
    assert meta.saver.save_tensor_name == message.saver_def.save_tensor_name
    assert {name: len(values) for name, values in meta.collections.items()} == {
        name: len(getattr(values, values.WhichOneof("kind")).value)
        for name, values in message.collection_def.items()
    }
    assert set(meta.functions) == {f.signature.name for f in message.graph_def.library.function}
    for function in message.graph_def.library.function:
        mine = meta.functions[function.signature.name]
        assert [op.name for op in mine.operations] == [node.name for node in function.node_def]
        assert mine.results == dict(function.ret)
        for name in mine.results.values():
            tensor = mine.tensor(name)
            known = tensor.operation is None or tensor.operation.type in meta.definitions
            assert known == (tensor.index is not None)


def test_subgraph(tf: Any, saved: tuple[Any, str, Any]) -> None:
    graph, path, _ = saved
    meta = tfckpt.read_meta_graph(path + ".meta")
    util = tf.compat.v1.graph_util.extract_sub_graph
    for name in ("logits", "done", "save/restore_all"):
        theirs = util(graph.as_graph_def(), [name])
        mine = {op.name for op in meta.subgraph([name])}
        assert mine == {node.name for node in theirs.node}


@pytest.mark.parametrize("as_text", [False, True])
def test_a_graph_alone(tf: Any, saved: tuple[Any, str, Any], tmp_path: Path, as_text: bool) -> None:
    graph, path, _ = saved
    name = "graph.pbtxt" if as_text else "graph.pb"
    tf.io.write_graph(graph.as_graph_def(), str(tmp_path), name, as_text=as_text)
    whole, alone = tfckpt.read_meta_graph(path), tfckpt.read_meta_graph(tmp_path / name)
    assert [(op.name, op.type, op.inputs) for op in alone.operations] == [
        (op.name, op.type, op.inputs) for op in whole.operations
    ]
    for op in alone.operations:
        for key in op.attrs:
            if key != "_output_shapes":
                assert ours(op.attrs[key]) == ours(whole.operation(op.name).attrs[key])


def test_text_meta_graph(tf: Any, saved: tuple[Any, str, Any], tmp_path: Path) -> None:
    graph, _, _ = saved
    export = tf.compat.v1.train.export_meta_graph
    for as_text in (False, True):
        with graph.as_default():
            export(str(tmp_path / f"{as_text}.meta"), as_text=as_text)
    binary, text = (tfckpt.read_meta_graph(tmp_path / f"{t}.meta") for t in (False, True))
    assert text.op_counts == binary.op_counts
    assert dict(text.collections) == dict(binary.collections)
    assert [v.name for v in text.global_variables] == [v.name for v in binary.global_variables]
    assert set(text.ops) == set(binary.ops)


def test_saved_model(tf: Any, tmp_path: Path) -> None:
    class Inner(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.list = [tf.Variable([1.0, 2.0], name="one"), tf.Variable(3, trainable=False)]
            self.dict = {"a/b.c": tf.Variable([[5.0]], name="odd")}
            self.again = self.list[0]

    module = Inner()
    module.me = module

    spec = tf.TensorSpec([None, 2], tf.float32, name="x")
    call = tf.function(lambda x: {"y": x * module.list[0]}, input_signature=[spec])
    module.call = call
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"f": call})
    expected = {variable.name: variable.numpy() for variable in module.variables}
    with tfckpt.open(tmp_path / "m") as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        assert meta.compare_keys(ckpt) == ((), ())
        assert len(meta.global_variables) == len(expected)
        for variable in meta.global_variables:
            np.testing.assert_array_equal(variable.value(), expected[variable.name])
        assert {v.name for v in meta.trainable_variables} == {
            variable.name for variable in module.trainable_variables
        }
        loaded = tf.saved_model.load(str(tmp_path / "m")).signatures["f"]
        signature = meta.signatures["f"]
        assert list(signature.inputs) == list(loaded.structured_input_signature[1])
        assert list(signature.outputs) == list(loaded.structured_outputs)
        assert signature.inputs["x"].shape == (None, 2)


def fields_of(descriptor: Any) -> dict[str, int]:
    return {field.name: field.number for field in descriptor.fields}


SAME: dict[str, dict[str, tuple[str, ...]]] = {
    "tensorflow.core.protobuf.meta_graph_pb2": {
        "MetaGraphDef": ("TextMetaGraph",),
        "SignatureDef": ("Signature", "TextSignature"),
        "TensorInfo": ("TensorInfo",),
        "CollectionDef": ("Collection",),
        "AssetFileDef": ("Asset",),
    },
    "tensorflow.core.framework.graph_pb2": {"GraphDef": ("Graph", "TextGraph")},
    "tensorflow.core.framework.node_def_pb2": {"NodeDef": ("Node", "TextNode")},
    "tensorflow.core.framework.attr_value_pb2": {
        "AttrValue": ("AttrValue", "TextAttrValue"),
        "NameAttrList": ("Function", "TextFunction"),
    },
    "tensorflow.core.framework.tensor_pb2": {"TensorProto": ("TextTensor",)},
    "tensorflow.core.framework.op_def_pb2": {"OpDef": ("Op", "TextOp")},
    "tensorflow.core.framework.function_pb2": {"FunctionDef": ("FunctionDef", "TextFunctionDef")},
    "tensorflow.core.framework.variable_pb2": {
        "VariableDef": ("Variable",),
        "SaveSliceInfoDef": ("SliceInfo",),
    },
    "tensorflow.core.protobuf.saver_pb2": {"SaverDef": ("Saver",)},
    "tensorflow.core.protobuf.saved_model_pb2": {"SavedModel": ("TextSavedModel",)},
    "tensorflow.core.protobuf.saved_object_graph_pb2": {
        "SavedObject": ("SavedObject",),
        "SavedVariable": ("SavedVariable",),
    },
    "tensorflow.core.protobuf.trackable_object_graph_pb2": {
        "TrackableObjectGraph": ("TrackedObjects",),
        "TrackableObjectGraph.TrackableObject": ("TrackedObjects.Object",),
        "TrackableObjectGraph.TrackableObject.ObjectReference": ("TrackedObjects.Object.Child",),
        "TrackableObjectGraph.TrackableObject.SerializedTensor": ("TrackedObjects.Object.Value",),
        "TrackableObjectGraph.TrackableObject.SlotVariableReference": (
            "TrackedObjects.Object.Slot",
        ),
        "RegisteredSaver": ("TrackedObjects.Object.Saver",),
    },
}


def test_field_numbers_are_tensorflows(tf: Any) -> None:
    for module, messages in SAME.items():
        for their, names in messages.items():
            expected = fields_of(attrgetter(their)(importlib.import_module(module)).DESCRIPTOR)
            for name in names:
                found = fields_of(message_class(name).DESCRIPTOR)
                assert found.items() <= expected.items(), name
    types = importlib.import_module("tensorflow.core.framework.types_pb2")
    mine = message_class("TextTensor").DESCRIPTOR.fields_by_name["dtype"].enum_type
    assert {v.name: v.number for v in mine.values} == dict(types.DataType.items())
