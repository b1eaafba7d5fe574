"""Kinds of graphs with more than arithmetic, frozen: tables, switches, sparse and ragged inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import frozen_models
import numpy as np
import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.openvino_graphs import with_uniform_draws

pytestmark = pytest.mark.tensorflow


def session(tf: Any, folder: Path, build: Any) -> str:
    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as running:
        v1.set_random_seed(1)
        build(v1)
        running.run([v1.global_variables_initializer(), v1.tables_initializer()])
        prefix: str = v1.train.Saver().save(running, str(folder / "model"))
    return prefix


def freeze(path: Path | str, folder: Path, outputs: Any = None, **how: Any) -> Any:
    with tfckpt.open(path) as ckpt:
        assert ckpt.meta_graph is not None
        frozen = ckpt.meta_graph.freeze(outputs, values=ckpt, **how)
        frozen.write(folder / "out.pb")
    return frozen


def test_a_table_of_tensorflow_1(tf: Any, tmp_path: Path) -> None:
    def build(v1: Any) -> None:
        words = v1.placeholder(tf.string, [None], name="words")
        content = tf.lookup.KeyValueTensorInitializer(["a", "b"], np.array([1, 0]))
        table = tf.lookup.StaticVocabularyTable(content, 3)
        other = tf.lookup.StaticHashTable(content, -1)
        v1.identity(other.size(), name="unused")
        rows = v1.get_variable("rows", [5, 2])
        v1.identity(v1.gather(rows, table.lookup(words)), name="out")

    prefix = session(tf, tmp_path, build)
    frozen = freeze(prefix, tmp_path, ["out"], keep_tables=True)
    assert len(frozen.initializers) == 1
    run = frozen_models.imported(tf, tmp_path / "out.pb")
    run(list(frozen.initializers), {})
    (got,) = run(["out:0"], {"words:0": np.array(["b", "a"], object)})
    with tfckpt.open(prefix) as ckpt:
        np.testing.assert_array_equal(got, ckpt["rows"][:2])


def test_a_table_of_a_saved_model(tf: Any, tmp_path: Path) -> None:
    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            content = tf.lookup.KeyValueTensorInitializer(["a", "b"], [10, 20])
            self.table = tf.lookup.StaticHashTable(content, -1)
            self.factor = tf.Variable(2)
            self.other = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
        def call(self, words: Any) -> Any:
            return {"ids": self.table.lookup(words) * self.factor}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
        def seen(self, words: Any) -> Any:
            return {"seen": self.other.lookup(words)}

    model = Model()
    signatures = {"serving_default": model.call, "seen": model.seen}
    tf.saved_model.save(model, str(tmp_path / "model"), signatures=signatures)
    frozen = freeze(tmp_path / "model", tmp_path, keep_tables=True)
    run = frozen_models.imported(tf, tmp_path / "out.pb")
    run(list(frozen.initializers), {})
    (got,) = run([frozen.outputs[0].name], {frozen.inputs[0].name: np.array(["b", "c"], object)})
    assert got.tolist() == [40, -2]
    assert not any("left out" in line for line in frozen.changes)
    with pytest.raises(tfckpt.UnsupportedError):
        freeze(tmp_path / "model", tmp_path, signature="seen", keep_tables=True)


@pytest.mark.parametrize("flow", ["switch", "if"])
def test_inference(tf: Any, tmp_path: Path, flow: str) -> None:
    def build(v1: Any) -> None:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        keep = v1.placeholder(tf.float32, name="dropout")
        phase = v1.placeholder_with_default(False, [], "keras_learning_phase")
        if flow == "if":
            v1.enable_control_flow_v2()
        h = v1.cond(phase, lambda: v1.nn.dropout(x, rate=0.5), lambda: x * 2)
        v1.disable_control_flow_v2()
        h = v1.nn.dropout(h, keep) @ v1.get_variable("w", [4, 3])
        v1.nn.softmax(h, name="out")

    prefix = session(tf, tmp_path, build)
    frozen = freeze(prefix, tmp_path, ["out"], inference=True)
    assert {"input 'keras_learning_phase' is always False", "input 'dropout' is always 1.0"} <= set(
        frozen.changes
    )
    assert [each.name for each in frozen.inputs] == ["x:0"]
    assert {node.op for node in frozen.nodes.values()}.isdisjoint({"If", "StatelessIf", "Switch"})
    x = np.random.default_rng(1).normal(size=(2, 4)).astype(np.float32)
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as running:
        tf.compat.v1.train.import_meta_graph(f"{prefix}.meta").restore(running, prefix)
        theirs = running.run("out:0", {"x:0": x, "dropout:0": 1})
    (ours,) = frozen_models.imported(tf, tmp_path / "out.pb")(["out:0"], {"x:0": x})
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_normal_numbers(tf: Any, tmp_path: Path) -> None:
    prefix = session(
        tf,
        tmp_path,
        lambda v1: v1.add(v1.random_normal([20000, 2]), v1.get_variable("w", [2]), name="out"),
    )
    with tfckpt.open(prefix) as ckpt:
        assert ckpt.meta_graph is not None
        frozen = ckpt.meta_graph.freeze(["out"], values=ckpt)
        with_uniform_draws(frozen).write(tmp_path / "out.pb")
        mean = ckpt["w"]
    (got,) = frozen_models.imported(tf, tmp_path / "out.pb")(["out:0"], {})
    np.testing.assert_allclose(got.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(got.T), np.eye(2), atol=0.05)
    np.testing.assert_allclose(((got - mean) ** 4).mean(0), 3, atol=0.4)


class Inputs:
    """Signatures of sparse and of ragged tensors."""

    @staticmethod
    def sparse(tf: Any) -> Any:
        return tf.SparseTensorSpec([None, 6], tf.float32), tf.sparse.from_dense(
            np.eye(3, 6, dtype=np.float32)
        )

    @staticmethod
    def ragged(tf: Any) -> Any:
        rows = [[1.0, 2], [], [3]]
        return tf.RaggedTensorSpec([None, None], tf.float32), tf.ragged.constant(rows)


@pytest.mark.parametrize("kind", ["sparse", "ragged"])
def test_composite_inputs(tf: Any, tmp_path: Path, kind: str) -> None:
    spec, value = getattr(Inputs, kind)(tf)

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.w = tf.Variable(np.arange(12, dtype=np.float32).reshape(6, 2))

        @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
        def __call__(self, given: Any) -> Any:
            if kind == "sparse":
                return {"out": tf.sparse.sparse_dense_matmul(given, self.w)}
            return {"out": tf.reduce_sum(given, 1) * self.w[0, 1]}

    model = Model()
    tf.saved_model.save(
        model, str(tmp_path / "model"), signatures={"serving_default": model.__call__}
    )
    frozen = freeze(tmp_path / "model", tmp_path)
    parts = tf.nest.flatten(value, expand_composites=True)
    function = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    names = sorted(function.structured_input_signature[1])
    given = dict(zip(names, parts, strict=True))
    (theirs,) = function(**given).values()
    fed = {each.name: given[each.alias].numpy() for each in frozen.inputs}
    assert len(fed) == len(parts)
    run = frozen_models.imported(tf, tmp_path / "out.pb")
    (ours,) = run([each.name for each in frozen.outputs], fed)
    np.testing.assert_array_equal(ours, theirs)
