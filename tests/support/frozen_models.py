"""Models of TensorFlow 1 to freeze: each builds a graph and gives its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Feeds: TypeAlias = "dict[str, np.ndarray[Any, Any]]"
Model: TypeAlias = "Callable[[Any, int], tuple[list[str], Callable[[int], Feeds]]]"
"""Takes TensorFlow and a seed; returns outputs, and feeds for a batch size."""


def _rows(name: str, *shape: int) -> Callable[[int], Feeds]:
    rng = np.random.default_rng(1)
    return lambda batch: {name: rng.normal(size=(batch, *shape)).astype(np.float32)}


def _dense(v1: Any, x: Any, units: int, name: str, **how: Any) -> Any:
    with v1.variable_scope(name, **how):
        w = v1.get_variable("w", [x.shape[-1], units], initializer=v1.random_normal_initializer())
        b = v1.get_variable("b", [units], initializer=v1.random_normal_initializer())
        return v1.matmul(x, w) + b


def dense(tf: Any, *, resource: bool) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    h = v1.nn.relu(_dense(v1, x, 5, "one", use_resource=resource), name="h")
    with tf.control_dependencies([v1.assert_equal(tf.shape(h)[1], 5)]):
        h = v1.identity(h)
    h = v1.check_numerics(v1.Print(h, [h]), "bad")
    v1.identity(_dense(v1, h, 3, "two", use_resource=resource), name="out")
    return ["out:0"], _rows("x:0", 4)


def conv(tf: Any, *, resource: bool) -> Any:
    """Convolution and batch norm, switched by a placeholder with a default value."""
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    training = v1.placeholder_with_default(False, [], name="training")
    with v1.variable_scope("net", use_resource=resource):
        f = v1.get_variable("f", [3, 3, 3, 4], initializer=v1.random_normal_initializer())
        y = v1.nn.conv2d(x, f, 1, "SAME")
        mean = v1.get_variable("mean", [4], initializer=v1.random_normal_initializer())
        var = v1.get_variable("var", [4], initializer=v1.random_uniform_initializer(1, 2))

        def update() -> Any:
            batch_mean, batch_var = v1.nn.moments(y, [0, 1, 2])
            with tf.control_dependencies([v1.assign(mean, batch_mean), v1.assign(var, batch_var)]):
                return v1.identity(batch_mean), v1.identity(batch_var)

        used = v1.cond(training, update, lambda: (v1.identity(mean), v1.identity(var)))
        z = v1.nn.batch_normalization(y, *used, None, None, 1e-3)
    v1.reduce_mean(v1.nn.relu(z), [1, 2], name="out")
    return ["out:0"], _rows("x:0", 8, 8, 3)


def loop(tf: Any, *, resource: bool) -> Any:
    """A recurrent net by while loop, its weights read inside."""
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 5, 3], name="x")
    with v1.variable_scope("cell", use_resource=resource):
        w = v1.get_variable("w", [5, 2], initializer=v1.random_normal_initializer())
    steps = v1.transpose(x, [1, 0, 2])

    def body(i: Any, h: Any) -> Any:
        inputs = v1.concat([steps[i], h], 1)
        return i + v1.constant(1), v1.tanh(v1.matmul(inputs, w))

    state = v1.zeros([v1.shape(x)[0], 2])
    _, h = v1.while_loop(lambda i, _: i < v1.shape(steps)[0], body, [v1.constant(0), state])
    v1.identity(h, name="out")
    return ["out:0"], _rows("x:0", 5, 3)


def embedding(tf: Any, *, resource: bool) -> Any:
    v1 = tf.compat.v1
    ids = v1.placeholder(tf.int64, [None, 3], name="ids")
    with v1.variable_scope("e", use_resource=resource):
        table = v1.get_variable("table", [7, 4], initializer=v1.random_normal_initializer())
    v1.identity(v1.nn.embedding_lookup(table, ids), name="out")
    rng = np.random.default_rng(2)
    return ["out:0"], lambda batch: {"ids:0": rng.integers(0, 7, (batch, 3))}


def partitioned(tf: Any, *, resource: bool) -> Any:
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 7], name="x")
    split = v1.fixed_size_partitioner(3)
    with v1.variable_scope("p", use_resource=resource, partitioner=split):
        w = v1.get_variable("w", [7, 4], initializer=v1.random_normal_initializer())
    v1.matmul(x, v1.convert_to_tensor(w), name="out")
    return ["out:0"], _rows("x:0", 7)


def dropout(tf: Any, *, resource: bool) -> Any:
    """Dropout behind a placeholder with a default, in a graph with its training."""
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    labels = v1.placeholder(tf.float32, [None, 2], name="labels")
    keep = v1.placeholder_with_default(1.0, [], name="keep")
    h = v1.nn.dropout(_dense(v1, x, 6, "one", use_resource=resource), rate=1 - keep)
    logits = v1.identity(_dense(v1, h, 2, "two", use_resource=resource), name="logits")
    loss = v1.losses.softmax_cross_entropy(labels, logits)
    v1.train.AdamOptimizer().minimize(loss)
    v1.nn.softmax(logits, name="out")
    return ["out:0", "logits:0"], _rows("x:0", 4)


def pipeline(tf: Any, *, resource: bool) -> Any:
    """A model on its own input pipeline."""
    v1 = tf.compat.v1
    data = v1.data.Dataset.from_tensors((np.ones(4, np.float32), np.int32(1))).repeat().batch(2)
    x, _ = v1.data.make_one_shot_iterator(data).get_next()
    v1.identity(_dense(v1, x, 3, "one", use_resource=resource), name="out")
    return ["out:0"], _rows("IteratorGetNext:0", 4)


MODELS = [dense, conv, loop, embedding, partitioned, dropout, pipeline]


def saved(tf: Any, model: Any, folder: Path, *, resource: bool, version: int = 2) -> Any:
    """Save a model; return its prefix, outputs, feeds, and a function that runs the session."""
    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    graph = tf.Graph()
    with graph.as_default():
        v1.set_random_seed(3)
        outputs, feeds = model(tf, resource=resource)
        saver = v1.train.Saver(write_version=version)
        session = v1.Session(graph=graph, config=_unoptimised(v1))
        session.run(v1.global_variables_initializer())
        prefix = saver.save(session, str(folder / "model"))
    return prefix, outputs, feeds, lambda fed: session.run(outputs, fed)


def _unoptimised(v1: Any) -> Any:
    """A session that computes the nodes as they are: folding constants changes last digits."""
    config = v1.ConfigProto()
    config.graph_options.optimizer_options.opt_level = -1
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def imported(tf: Any, path: Path) -> Callable[[list[str], Feeds], list[Any]]:
    """Import a frozen graph into TensorFlow; return a function from outputs and feeds to values."""
    v1 = tf.compat.v1
    definition = v1.GraphDef.FromString(path.read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        v1.import_graph_def(definition, name="")
    session = v1.Session(graph=graph, config=_unoptimised(v1))
    run: Callable[[list[str], Feeds], list[Any]] = session.run
    return run
