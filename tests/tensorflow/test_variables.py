"""Variables that TensorFlow lists and saves here and now, against those of the graph files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow_graphs import shape_of

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.variables import Variable

pytestmark = pytest.mark.tensorflow
LISTS = ["global", "trainable", "local", "model", "moving_average"]


def build(v1: Any, tf: Any, *, resource: bool) -> Any:
    """Variables of every kind that a Saver of TensorFlow 1 knows; return the averages."""
    keys = v1.GraphKeys
    with v1.variable_scope("s", use_resource=resource):
        rows = v1.get_variable("rows", [6, 4], partitioner=v1.fixed_size_partitioner(3))
        columns = v1.get_variable(
            "columns", [6, 4], partitioner=v1.fixed_size_partitioner(2, axis=1)
        )
        vector, scalar = v1.get_variable("vector", [5]), v1.get_variable("scalar", [])
        both = [keys.GLOBAL_VARIABLES, keys.MODEL_VARIABLES]
        v1.get_variable("model", [2], collections=both, trainable=False)
        v1.get_variable("dynamic", initializer=tf.zeros([3]), validate_shape=False)
        v1.metrics.mean(vector)
    v1.get_variable("bytes", initializer=tf.constant([1, -2], tf.int8), trainable=False)
    averages = tf.train.ExponentialMovingAverage(0.9)
    with tf.control_dependencies([averages.apply([vector, scalar])]):
        loss = tf.reduce_sum(vector) * scalar
        for parts in (rows, columns):
            loss += tf.reduce_sum(tf.convert_to_tensor(parts))
        step = v1.train.get_or_create_global_step()
        v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, global_step=step)
    return averages


def piece_of(variable: Any) -> Any:
    return variable._get_save_slice_info()


def by_name(variables: Sequence[Any]) -> dict[str, list[Any]]:
    """Name as we have it -> the variable, or its pieces."""
    found: dict[str, list[Any]] = {}
    for variable in variables:
        piece = piece_of(variable)
        name = variable.name if piece is None else piece.full_name
        found.setdefault(name, []).append(variable)
    return found


def whole(pieces: Sequence[Any], session: Any) -> Any:
    """The value of a variable, put together here if it is in pieces."""
    if piece_of(pieces[0]) is None:
        return session.run(pieces[0])
    value = np.zeros(piece_of(pieces[0]).full_shape, pieces[0].dtype.base_dtype.as_numpy_dtype)
    for variable in pieces:
        info = piece_of(variable)
        place = zip(info.var_offset, info.var_shape, strict=True)
        value[tuple(slice(start, start + size) for start, size in place)] = session.run(variable)
    return value


def check(mine: Variable, theirs: Sequence[Any], session: Any, renamed: Mapping[str, str]) -> None:
    first = theirs[0]
    assert mine.dtype == first.dtype.base_dtype.as_datatype_enum
    assert mine.initializer == first.initializer.name
    assert mine.device == first.device
    value = whole(theirs, session)
    assert mine.shape == (shape_of(first) if len(theirs) == 1 else value.shape)
    if len(theirs) > 1:
        assert mine.pieces == tuple(variable.name for variable in theirs)
    key = mine.name.removesuffix(":0")
    assert mine.checkpoint_key == renamed.get(key, key)
    found = mine.value()
    assert found.dtype == value.dtype
    assert found.tobytes() == value.tobytes()


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sharded", [False, True])
def test_savers(tf: Any, resource: bool, version: int, sharded: bool, tmp_path: Path) -> None:
    """Each list as TensorFlow has it, each value bit for bit, under its key."""
    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    with tf.Graph().as_default(), v1.Session() as session:
        build(v1, tf, resource=resource)
        everything = v1.global_variables()
        session.run(v1.variables_initializer([v for v in everything if "Moving" not in v.name]))
        session.run(v1.variables_initializer([v for v in everything if "Moving" in v.name]))
        session.run(v1.local_variables_initializer())
        saver = v1.train.Saver(write_version=version, sharded=sharded)
        path = saver.save(session, str(tmp_path / "m"))
        with tfckpt.open(path) as ckpt:
            meta = ckpt.meta_graph
            assert meta is not None
            assert meta.compare_keys(ckpt) == ((), ())
            assert meta.problems == ()
            for kind in LISTS:
                expected = by_name(getattr(v1, f"{kind}_variables")())
                found = getattr(meta, f"{kind}_variables")
                assert [variable.name for variable in found] == list(expected)
                assert found
                for variable in found:
                    if kind == "local":
                        assert variable.checkpoint_key is None
                    else:
                        check(variable, expected[variable.name], session, {})
            names = [name for name, _ in ckpt.variables(trainable=True)]
            assert names == list(by_name(v1.trainable_variables()))


@pytest.mark.parametrize("version", [1, 2])
def test_a_saver_of_averages(tf: Any, version: int, tmp_path: Path) -> None:
    """The variables are stored under the names of their averages, and others not at all."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        averages = build(v1, tf, resource=True)
        everything = v1.global_variables()
        session.run(v1.variables_initializer([v for v in everything if "Moving" not in v.name]))
        chosen = {
            key: variable
            for key, variable in averages.variables_to_restore().items()
            if piece_of(variable) is None and "Moving" not in variable.name
        }
        path = v1.train.Saver(chosen, write_version=version).save(session, str(tmp_path / "m"))
        renamed = {variable.op.name: key for key, variable in chosen.items()}
        assert renamed["s/vector"] == "s/vector/ExponentialMovingAverage"
        theirs = by_name(everything)
        with tfckpt.open(path) as ckpt:
            meta = ckpt.meta_graph
            assert meta is not None
            assert meta.compare_keys(ckpt) == ((), ())
            saved = [v for v in meta.global_variables if v.checkpoint_key is not None]
            assert {v.checkpoint_key for v in saved} == set(chosen) == set(ckpt)
            for variable in saved:
                check(variable, theirs[variable.name], session, renamed)


def objects(tf: Any) -> Any:
    """A module with lists, dicts, tuples, cycles, slots, and names of every sort."""
    v1 = tf.compat.v1

    class Inner(tf.Module):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            self.w = tf.Variable(tf.random.normal([3, 2]), name="w")

    class Outer(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            words = tf.Variable([b"x", b"\xff\x00"], name="words", trainable=False)
            self.list: list[Any] = [Inner("a"), Inner("b"), [tf.Variable(1.0), words]]
            flags = tf.Variable([True, False], trainable=False)
            self.dict: dict[str, Any] = {"k.1": Inner("c"), "x/y": flags, "": tf.Variable(5)}
            half = tf.Variable(tf.cast([1.5, -2.5], tf.bfloat16))
            self.tuple = (half, tf.Variable(3j, dtype=tf.complex64))
            self.shared, self.me = self.list[0], self
            self.optimizer = v1.train.AdamOptimizer(0.1)
            self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
            self.unknown = tf.Variable(1.0, shape=tf.TensorShape(None))
            self.random = tf.random.Generator.from_seed(1)

        def step(self) -> None:
            weights: list[Any] = [self.list[0].w, self.list[1].w]
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(weights[0]) + tf.reduce_sum(weights[1] ** 2)
            grads = tape.gradient(loss, weights)
            self.optimizer.apply_gradients(zip(grads, weights, strict=True))

    module = Outer()
    module.step()
    module.table.insert(tf.constant(["a"]), tf.constant([1], tf.int64))
    return module


def sharded(tf: Any) -> Any:
    """A variable in two pieces, under one key."""
    kind = importlib.import_module("tensorflow.python.distribute.sharded_variable")
    module = tf.Module()
    parts = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]
    pieces = [tf.Variable(part, name=f"e/part_{n}") for n, part in enumerate(parts)]
    module.embedding = kind.ShardedVariable(pieces, name="e")
    return module


def keras_model(tf: Any) -> Any:
    keras = importlib.import_module("keras")
    layers = [keras.layers.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
    return model


@pytest.mark.parametrize("make", [objects, sharded, keras_model])
def test_objects(tf: Any, make: Any, tmp_path: Path) -> None:
    """The object graph of a SavedModel, joined to its bundle, against TensorFlow's reader."""
    path = str(tmp_path / "m")
    tf.saved_model.save(make(tf), path)
    loader = importlib.import_module("tensorflow.python.saved_model.loader_impl")
    nodes = loader.parse_saved_model(path).meta_graphs[0].object_graph_def.nodes
    theirs = [node.variable for node in nodes if node.HasField("variable")]
    reader = tf.train.load_checkpoint(f"{path}/variables/variables")
    with tfckpt.open(path) as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        assert meta.problems == ()
        assert meta.compare_keys(ckpt) == ((), ())
        trained = meta.trainable_variables
        assert len(meta.global_variables) == len(theirs)
        for mine, their in zip(meta.global_variables, theirs, strict=True):
            name = f"{their.name}:0"
            assert (mine.name, mine.dtype, mine.device) == (name, their.dtype, their.device)
            assert mine.shape == shape_of(tf.TensorSpec(tf.TensorShape(their.shape)))
            assert (mine in trained) == their.trainable
            assert mine.checkpoint_key is not None
            expected = np.asarray(reader.get_tensor(mine.checkpoint_key))
            found = mine.value()
            assert found.shape == expected.shape
            assert found.tolist() == expected.tolist()
        tables = [key for key in ckpt if "table" in key]
        assert len(tables) == (2 if make is objects else 0)
        keys = {variable.checkpoint_key for variable in meta.global_variables}
        assert keys | {*tables, "_CHECKPOINTABLE_OBJECT_GRAPH"} == set(ckpt)


def export_signatures(tf: Any, folder: Path) -> dict[str, Any]:
    """Write SavedModels, binary and text, with dense, sparse and ragged tensors; return these."""
    v1 = tf.compat.v1
    info = v1.saved_model.build_tensor_info
    (folder / "words.txt").write_text("a\n", "utf-8")
    with tf.Graph().as_default(), v1.Session() as session:
        tensors = {
            "x": v1.placeholder(tf.float32, [None, 2], name="x"),
            "s": v1.sparse_placeholder(tf.string, [None, 4], name="s"),
            "r": v1.ragged.placeholder(tf.int32, 1, name="r"),
        }
        infos = {alias: info(tensor) for alias, tensor in tensors.items()}
        signature = v1.saved_model.build_signature_def(infos, {"y": infos["x"]}, "method")
        signature.defaults["x"].CopyFrom(tf.make_tensor_proto([[1.0, 2.0]]))
        asset = tf.constant(str(folder / "words.txt"), name="path")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        v1.get_variable("w", [2])
        session.run(v1.global_variables_initializer())
        more = {"assets_collection": v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)}
        for as_text in (False, True):
            builder = v1.saved_model.Builder(str(folder / str(as_text)))
            builder.add_meta_graph_and_variables(session, ["a", "b"], {"f": signature}, **more)
            builder.save(as_text=as_text)
        v1.train.export_meta_graph(str(folder / "text.meta"), as_text=True)
    return infos


def test_signatures_of_every_kind(tf: Any, tmp_path: Path) -> None:
    """As binary and as text; with an asset, which is a message in a collection."""
    infos = export_signatures(tf, tmp_path)
    for path in (tmp_path / "False", tmp_path / "True"):
        meta = tfckpt.read_meta_graph(path)
        assert meta.tags == {"a", "b"}
        assert {(each.filename, each.tensor_name) for each in meta.assets} == {
            ("words.txt", "path:0")
        }
        found = meta.signatures["f"]
        assert found.method_name == "method"
        x, s, r = (found.inputs[alias] for alias in "xsr")
        assert (x.name, x.shape, str(x.dtype)) == ("x:0", (None, 2), "float32")
        names = ("values", "indices", "dense_shape")
        sparse = infos["s"].coo_sparse
        assert s.sparse == tuple(getattr(sparse, f"{name}_tensor_name") for name in names)
        assert (s.shape, str(s.dtype)) == ((None, 4), "string")
        assert r.composite == "RaggedTensorSpec"
        assert [(each.name, each.dtype) for each in r.components] == [
            (each.name, each.dtype) for each in infos["r"].composite_tensor.components
        ]
        assert found.defaults["x"].tolist() == [[1.0, 2.0]]
    text = tfckpt.read_meta_graph(tmp_path / "text.meta")
    assert set(text.assets) == set(tfckpt.read_meta_graph(tmp_path / "True").assets)
