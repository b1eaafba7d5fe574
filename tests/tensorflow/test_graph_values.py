"""What graph files hold beside their nodes, decoded by TensorFlow's messages and by the package.

The files are those of the corpus, the fixtures, and some that TensorFlow makes here and now.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import CORPUS, FIXTURES
from tensorflow_graphs import comparable, ours, shape_of

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.decode.collections import (
    VARIABLE_COLLECTIONS,
    AnyValue,
    Asset,
    CondContext,
    QueueRunner,
    Saver,
    SliceInfo,
    VariableDefinition,
    WhileContext,
)

pytestmark = pytest.mark.tensorflow

FILES = sorted(
    [
        *FIXTURES.rglob("*.meta"),
        *FIXTURES.rglob("saved_model.pb"),
        *CORPUS.rglob("*.meta"),
        *CORPUS.rglob("saved_model.pb"),
    ]
)
each_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}"
)


def message_of(path: Path) -> Any:
    """The MetaGraphDef in a file, by TensorFlow's messages."""
    protobuf = "tensorflow.core.protobuf"
    if path.suffix == ".meta":
        meta_graph = importlib.import_module(f"{protobuf}.meta_graph_pb2").MetaGraphDef
        return meta_graph.FromString(path.read_bytes())
    saved = importlib.import_module(f"{protobuf}.saved_model_pb2").SavedModel
    (graph,) = saved.FromString(path.read_bytes()).meta_graphs
    return graph


def parsed(module: str, name: str, data: bytes) -> Any:
    return getattr(importlib.import_module(f"tensorflow.core.{module}_pb2"), name).FromString(data)


def as_variable(data: bytes) -> VariableDefinition:
    found = parsed("framework.variable", "VariableDef", data)
    piece = found.save_slice_info_def
    sliced = SliceInfo(
        piece.full_name, tuple(piece.full_shape), tuple(piece.var_offset), tuple(piece.var_shape)
    )
    return VariableDefinition(
        found.variable_name,
        found.initializer_name,
        found.snapshot_name,
        found.initial_value_name,
        found.is_resource,
        found.trainable,
        sliced if found.HasField("save_slice_info_def") else None,
    )


def as_saver(data: bytes) -> Saver:
    found = parsed("protobuf.saver", "SaverDef", data)
    return Saver(
        found.CheckpointFormatVersion.Name(found.version),
        found.max_to_keep,
        found.keep_checkpoint_every_n_hours,
        found.sharded,
        found.filename_tensor_name,
        found.save_tensor_name,
        found.restore_op_name,
    )


def as_runner(data: bytes) -> QueueRunner:
    found = parsed("protobuf.queue_runner", "QueueRunnerDef", data)
    return QueueRunner(
        found.queue_name,
        tuple(found.enqueue_op_name),
        found.close_op_name,
        found.cancel_op_name,
        tuple(found.queue_closed_exception_types),
    )


def as_context(found: Any) -> CondContext | WhileContext:
    nested = tuple(
        as_context(getattr(each, each.WhichOneof("ctxt"))) for each in found.nested_contexts
    )
    values = tuple(found.values_def.values)
    outside = dict(found.values_def.external_values)
    if type(found).__name__ == "CondContextDef":
        return CondContext(
            found.context_name,
            found.pred_name,
            found.pivot_name,
            found.branch,
            values,
            outside,
            nested,
        )
    return WhileContext(
        found.context_name,
        found.parallel_iterations,
        found.back_prop,
        found.swap_memory,
        found.pivot_name,
        found.pivot_for_pred_name,
        found.pivot_for_body_name,
        tuple(found.loop_enter_names),
        tuple(found.loop_exit_names),
        found.maximum_iterations_name,
        values,
        outside,
        nested,
    )


def as_any(found: Any) -> Asset | AnyValue:
    if found.type_url.endswith("/tensorflow.AssetFileDef"):
        asset = parsed("protobuf.meta_graph", "AssetFileDef", found.value)
        return Asset(asset.filename, asset.tensor_info.name)
    return AnyValue(found.type_url, found.value)


CONTROL = "protobuf.control_flow"
AS = {
    "savers": as_saver,
    "queue_runners": as_runner,
    "cond_context": lambda data: as_context(parsed(CONTROL, "CondContextDef", data)),
    "while_context": lambda data: as_context(parsed(CONTROL, "WhileContextDef", data)),
    **dict.fromkeys(VARIABLE_COLLECTIONS, as_variable),
}


def collection_of(name: str, message: Any) -> list[Any]:
    kind = message.WhichOneof("kind")
    values = list(getattr(message, kind).value)
    if kind == "any_list":
        return list(map(as_any, values))
    return list(map(AS[name], values)) if kind == "bytes_list" and name in AS else values


@each_file
def test_collections(tf: Any, path: Path) -> None:
    expected = message_of(path).collection_def
    found = tfckpt.read_meta_graph(path).collections
    assert set(found) == set(expected)
    for name, message in expected.items():
        assert found[name] == collection_of(name, message), name


def value_of(tf: Any, attr: Any) -> Any:
    """The value of an AttrValue, as we give it."""
    kind = attr.WhichOneof("value")
    if kind is None:
        return None
    if kind != "list":
        return one_value(tf, kind, getattr(attr, kind))
    for field, values in attr.list.ListFields():
        return [one_value(tf, field.name, value) for value in values]
    return []


def one_value(tf: Any, kind: str, value: Any) -> Any:
    return value if kind in ("type", "s", "i", "f", "b", "placeholder") else comparable(tf, value)


def nodes_of(path: Path) -> Iterator[tuple[Any, tfckpt.MetaGraph | Any]]:
    """Each node of a file and of its functions, with our graph that it is in."""
    message, meta = message_of(path).graph_def, tfckpt.read_meta_graph(path)
    yield from ((node, meta) for node in message.node)
    for function in message.library.function:
        mine = meta.functions[function.signature.name]
        yield from ((node, mine) for node in function.node_def)


@each_file
def test_attributes(tf: Any, path: Path) -> None:
    compared = 0
    for node, graph in nodes_of(path):
        mine = graph.operation(node.name)
        assert (mine.type, mine.device) == (node.op, node.device)
        assert set(mine.attrs) == set(node.attr)
        for name, value in mine.attrs.items():
            assert ours(value) == value_of(tf, node.attr[name]), (node.name, name)
            compared += 1
    assert compared


@each_file
def test_functions(tf: Any, path: Path) -> None:
    """Bodies as TensorFlow builds graphs of them."""
    message, meta = message_of(path), tfckpt.read_meta_graph(path)
    context = importlib.import_module("tensorflow.python.eager.context").context()
    build = importlib.import_module("tensorflow.python.framework.function_def_to_graph")
    library = message.graph_def.library.function
    for function in library:
        if not context.has_function(function.signature.name):
            context.add_function_def(function)
    assert set(meta.functions) == {function.signature.name for function in library}
    for function in library:
        mine = meta.functions[function.signature.name]
        assert mine.problems == ()
        theirs = build.function_def_to_graph(function)
        for argument in mine.arguments.values():
            tensor = theirs.get_tensor_by_name(f"{argument.name}:0")
            assert argument.dtype == tensor.dtype.as_datatype_enum
            assert argument.shape == shape_of(tensor)
        for op in mine.operations:
            outputs = theirs.get_operation_by_name(op.name).outputs
            if op.type not in meta.definitions:  # the first writers of SavedModels left them out
                assert mine.output_count(op) is None
                continue
            names = [
                f"{op.name}:{output.name}:{number}"
                for output in mine.outputs_of(op) or ()
                for number in range(output.number or 0)
            ]
            assert len(names) == len(outputs) == mine.output_count(op)
            for number, (name, tensor) in enumerate(zip(names, outputs, strict=True)):
                found = mine.tensor(name)
                assert (found.index, found.dtype) == (number, tensor.dtype.as_datatype_enum)
                assert found.shape == shape_of(tensor)


NOT_KNOWN = {"v2_tf130_ffn_rank5_int__google_ffn": "SSTableReaderV2"}
"""Files with an op of somebody's own: TensorFlow cannot import them."""


@each_file
def test_operations_as_imported(tf: Any, path: Path) -> None:
    """`get_operations`, `get_tensor_by_name`; the file may say less of shapes than is inferred."""
    definition, meta = message_of(path).graph_def, tfckpt.read_meta_graph(path)
    own = NOT_KNOWN.get(path.parent.name)
    with tf.Graph().as_default() as graph:
        if own is not None:
            with pytest.raises(tf.errors.NotFoundError, match=own):
                tf.import_graph_def(definition, name="")
            assert meta.op_counts[own] == 1
            return
        tf.import_graph_def(definition, name="")
    assert {op.name for op in meta.operations} == {op.name for op in graph.get_operations()}
    for their in graph.get_operations():
        mine = meta.operation(their.name)
        assert (mine.type, meta.output_count(mine)) == (their.type, len(their.outputs))
        assert mine.inputs == tuple(tensor.name for tensor in their.inputs)
        assert set(mine.control_inputs) == {op.name for op in their.control_inputs}
        for tensor in their.outputs:
            found, shape = meta.tensor(tensor.name), shape_of(tensor)
            assert found.dtype == tensor.dtype.as_datatype_enum
            if found.shape is not None:
                assert len(found.shape) == len(shape)
                for size, inferred in zip(found.shape, shape, strict=True):
                    assert size in (None, inferred)


TYPES = """
float32 float64 int32 uint8 int16 int8 complex64 int64 bool bfloat16 uint16 complex128 float16
uint32 uint64 float8_e5m2 float8_e4m3fn int4 uint4
"""


def constants(tf: Any) -> dict[str, Any]:
    """Tensors of every type, as Python writes them, and compressed as the runtime does."""
    found: dict[str, Any] = {}
    for name in TYPES.split():
        dtype = getattr(tf.dtypes, name, None) or getattr(tf.dtypes.experimental, name)
        for label, values in {"few": [1, 0, 1], "same": [1] * 100, "none": []}.items():
            array = np.array(values).astype(dtype.as_numpy_dtype)
            found[f"{name}_{label}"] = tf.make_tensor_proto(array, dtype)
    found["string"] = tf.make_tensor_proto([[b"a\x00", b""], [b"\xff", b"x" * 300]])
    found["strings"] = tf.make_tensor_proto([b"ab"] * 5)
    return found


def test_constants(tf: Any, tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef()
    protos = constants(tf)
    for name, proto in protos.items():
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = proto.dtype
        node.attr["value"].tensor.CopyFrom(proto)
        short = graph.node.add(name=f"{name}_short", op="Const")
        short.CopyFrom(node)
        short.name = f"{name}_short"
        in_fields(tf, short.attr["value"].tensor)
    (tmp_path / "x.pb").write_bytes(graph.SerializeToString())
    meta = tfckpt.read_meta_graph(tmp_path / "x.pb")
    for node in graph.node:
        expected = tf.make_ndarray(node.attr["value"].tensor)
        found = meta.operation(node.name).attrs["value"]
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape == meta.tensor(node.name).shape
        assert found.tolist() == expected.tolist()


FIELDS = {"float32": "float_val", "float64": "double_val", "int64": "int64_val", "bool": "bool_val"}
FIELDS |= {"int32": "int_val", "uint32": "uint32_val", "uint64": "uint64_val"}


def in_fields(tf: Any, proto: Any) -> None:
    """Store the values in the typed field, the last ones only once if they are the same."""
    field = FIELDS.get(tf.as_dtype(proto.dtype).name)
    if field is None or not proto.tensor_content:
        return
    values = tf.make_ndarray(proto).reshape(-1).tolist()
    while len(values) > 1 and values[-1] == values[-2]:
        values.pop()
    proto.ClearField("tensor_content")
    getattr(proto, field).extend(values)


LEGACY = ["Placeholder", "Variable", "VariableV2", "TemporaryVariable", "PlaceholderV2"]


@pytest.mark.parametrize("version", [15, 21, 22])
def test_shapes_of_old_graphs(tf: Any, version: int, tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = version
    for op in LEGACY:
        for name, sizes in {"scalar": [], "matrix": [None, 3], "unknown": None}.items():
            node = graph.node.add(name=f"{op}_{name}", op=op)
            node.attr["dtype"].type = 1
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(sizes).as_proto())
    (tmp_path / "x.pb").write_bytes(graph.SerializeToString())
    meta = tfckpt.read_meta_graph(tmp_path / "x.pb")
    with tf.Graph().as_default() as theirs:
        tf.import_graph_def(graph, name="")
    for node in graph.node:
        assert meta.tensor(node.name).shape == shape_of(theirs.get_tensor_by_name(f"{node.name}:0"))


def test_an_op_that_tensorflow_does_not_know(tf: Any, tmp_path: Path) -> None:
    """Its definition is in the file: that is all that is needed."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [2], name="x")
        tf.add(tf.split(x, 2, name="split")[0], 1.0, name="sum")
        message = v1.train.export_meta_graph()
    node = message.graph_def.node.add(name="mine", op="MyOp", input=["sum", "^x"])
    node.attr["T"].type = tf.int64.as_datatype_enum
    node.attr["N"].i = 2
    use = message.graph_def.node.add(name="use", op="Identity", input=["mine:2"])
    use.attr["T"].type = tf.bool.as_datatype_enum
    definition = message.meta_info_def.stripped_op_list.op.add(name="MyOp")
    definition.input_arg.add(name="in", type=1)
    definition.output_arg.add(name="many", type_attr="T", number_attr="N")
    definition.output_arg.add(name="one", type=tf.bool.as_datatype_enum)
    path = tmp_path / "x.meta"
    path.write_bytes(message.SerializeToString())
    with tf.Graph().as_default(), pytest.raises(Exception, match="MyOp"):
        v1.train.import_meta_graph(str(path))
    meta = tfckpt.read_meta_graph(path)
    assert meta.problems == ()
    assert meta.op_counts["MyOp"] == 1
    assert [str(meta.tensor(f"mine:{i}").dtype) for i in range(3)] == ["int64", "int64", "bool"]
    assert [op.name for op in meta.consumers("mine:2")] == ["use"]
    assert {op.name for op in meta.subgraph(["use"])} >= {"use", "mine", "sum", "split", "x"}
    for their in graph.get_operations():
        mine = meta.operation(their.name)
        assert mine.inputs == tuple(tensor.name for tensor in their.inputs)
        assert [meta.tensor(t.name).shape for t in their.outputs] == list(
            map(shape_of, their.outputs)
        )
