"""Names and roles, against TensorFlow's listing, its protos, and the live variables."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.names import Names
from tfckpt_reader.objects.roles import classify

pytestmark = pytest.mark.tensorflow

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


@pytest.fixture(scope="module")
def keras(tf: Any) -> Any:
    _ = tf
    return importlib.import_module("keras")


def attributes(tf: Any, prefix: Path) -> dict[str, str]:
    """Key -> full name, by TensorFlow's own protos."""
    pb2 = importlib.import_module("tensorflow.core.protobuf.trackable_object_graph_pb2")
    data = tf.train.load_checkpoint(str(prefix)).get_tensor(OBJECTS)
    nodes = pb2.TrackableObjectGraph.FromString(data).nodes
    return {a.checkpoint_key: a.full_name for node in nodes for a in node.attributes}


def model_of(keras: Any, kind: str) -> Any:
    layers = keras.layers
    if kind == "conv":
        inputs = keras.Input((6, 6, 2))
        hidden = layers.BatchNormalization()(layers.Conv2D(3, 2)(inputs))
        inner = keras.Sequential([keras.Input((75,)), layers.Dense(2)], name="inner")
        return keras.Model(inputs, inner(layers.Flatten()(hidden)))
    if kind == "words":
        stack = [layers.Embedding(7, 3), layers.LSTM(4), layers.Dense(1)]
        return keras.Sequential([keras.Input((5,), dtype="int32"), *stack])
    return keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(1)])


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "Adam": lambda o: o.Adam(amsgrad=True),
    "AdamW with averages": lambda o: o.AdamW(use_ema=True),
    "SGD": lambda o: o.SGD(momentum=0.9),
    "RMSprop": lambda o: o.RMSprop(centered=True, momentum=0.5),
    "Adagrad": lambda o: o.Adagrad(),
    "Adadelta": lambda o: o.Adadelta(),
    "Adamax": lambda o: o.Adamax(),
    "Nadam": lambda o: o.Nadam(),
    "Ftrl": lambda o: o.Ftrl(),
    "Lion": lambda o: o.Lion(),
    "Lamb": lambda o: o.Lamb(),
    "Adafactor": lambda o: o.Adafactor(),
    "accumulated": lambda o: o.Adam(gradient_accumulation_steps=2),
    "scaled": lambda o: o.LossScaleOptimizer(o.Adam()),
}


@pytest.mark.parametrize("kind", ["conv", "words", "dense"])
@pytest.mark.parametrize("chosen", OPTIMIZERS)
def test_checkpoints_of_keras_3(
    tf: Any, keras: Any, chosen: str, kind: str, tmp_path: Path
) -> None:
    """Each variable has its live path and value; each role is right, and each slot's weight."""
    model, optimizer = model_of(keras, kind), OPTIMIZERS[chosen](keras.optimizers)
    optimizer.build(model.trainable_variables)
    for number, variable in enumerate([*model.variables, *optimizer.variables]):
        if "float" in str(variable.dtype):
            variable.assign(np.full(variable.shape, number / 8, "f"))
    prefix = tmp_path / "ck"
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(prefix))
    with tfckpt.open(prefix) as ckpt:
        assert list(ckpt) == sorted(name for name, _ in tf.train.list_variables(str(prefix)))
        names = {each.key: each.full_name for key in ckpt for each in ckpt.find(key)}
        full_names = attributes(tf, prefix)
        assert names == {OBJECTS: "", **full_names}
        assert {*full_names} == {*ckpt} - {OBJECTS}
        named = ckpt.renamed("full_name")
        for variable in model.variables:
            if not variable.path.endswith("seed_generator_state"):
                assert named[variable.path].tolist() == np.asarray(variable.value).tolist()
        require_roles(ckpt, named, model, optimizer)


def require_roles(ckpt: Any, named: Any, model: Any, optimizer: Any) -> None:
    kinds = {name: ckpt.roles[key].kind for name, key in named.key_of.items()}
    weights = {variable.path for variable in model.trainable_variables}
    assert {name for name, kind in kinds.items() if kind == "weight"} == weights
    held = {key for key, role in ckpt.roles.items() if role.of_optimizer}
    assert len(held) == len(optimizer.variables)
    for key in held:
        role = ckpt.roles[key]
        full_name = ckpt.find(key)[0].full_name
        flat = {path.replace("/", "_"): path for path in weights}
        of = [path for text, path in flat.items() if full_name.endswith(f"/{text}_{role.slot}")]
        if of and role.slot:
            assert role.of == named.key_of[of[0]]
            assert role.kind == ("moving average" if role.slot == "average" else "optimizer slot")
    statistics = {name for name, kind in kinds.items() if kind == "batch-norm statistics"}
    assert statistics == {name for name in kinds if "/moving_" in name}


def test_saved_models_of_keras_3(tf: Any, keras: Any, tmp_path: Path) -> None:
    model = model_of(keras, "conv")
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    for number, variable in enumerate(model.variables):
        variable.assign(np.full(variable.shape, number + 1, "f"))
    tf.saved_model.save(model, str(tmp_path / "saved"))
    model.export(str(tmp_path / "exported"), verbose=False)
    for folder in ("saved", "exported"):
        with tfckpt.open(tmp_path / folder) as ckpt:
            named = ckpt.renamed("full_name")
            for variable in model.variables:
                assert named[variable.path].tolist() == np.asarray(variable.value).tolist()
            weights = {key for key, role in ckpt.roles.items() if role.kind == "weight"}
            paths = {variable.path for variable in model.trainable_variables}
            assert weights == {named.key_of[path] for path in paths}
            keys = {*attributes(tf, tmp_path / folder / "variables/variables")}
            assert keys == {*ckpt} - {OBJECTS}


def test_mixed_precision(tf: Any, keras: Any, tmp_path: Path) -> None:
    layers = [keras.Input((3,)), keras.layers.Dense(4, dtype="mixed_float16", name="d")]
    model = keras.Sequential(layers, name="m")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(momentum=0.9))
    optimizer.build(model.trainable_variables)
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(tmp_path / "ck"))
    with tfckpt.open(tmp_path / "ck") as ckpt:
        named = ckpt.renamed("full_name")
        require_roles(ckpt, named, model, optimizer)
        (scale,) = (key for name, key in named.key_of.items() if name.endswith("dynamic_scale"))
        assert ckpt.roles[scale].kind == "optimizer state"


def test_modules_and_dictionaries(tf: Any, tmp_path: Path) -> None:
    """Names with escapes, lists, tables, and an object under two names."""
    shared = tf.Variable([1.0, 2.0], name="shared")
    root = tf.train.Checkpoint(
        by_name={"a/b": tf.Variable(1.0, name="x"), "a.b": tf.Variable(2.0, name="y")},
        series=[tf.Variable([float(i)], name=f"s{i}") for i in range(3)],
        one=shared,
        other=tf.train.Checkpoint(two=shared),
        table=tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1),
    )
    prefix = root.save(str(tmp_path / "ck"))
    with tfckpt.open(prefix) as ckpt:
        by_path = ckpt.renamed("object_path")
        assert {"by_name/a/b", "by_name/a.b", "series/2", "one", "save_counter"} <= {*by_path}
        (found,) = ckpt.find("other/two")
        assert found.object_paths == ("one", "other/two")
        assert found.full_name == "shared"
        view = tf.train.CheckpointView(prefix)
        graph = ckpt.object_graph
        assert graph is not None
        for number in view.descendants():
            children = {child.local_name: child.node_id for child in graph[number].children}
            assert children == view.children(number)


def slots_of(optimizer: Any, variables: list[Any]) -> Iterator[tuple[str, str]]:
    """Names of the slots of an optimizer of TensorFlow 1, each with the name of its weight."""
    for name in optimizer.get_slot_names():
        for variable in variables:
            slot = optimizer.get_slot(variable, name)
            if slot is not None:
                yield slot.op.name, variable.op.name


TF1: dict[str, Callable[[Any], Any]] = {
    "Adam": lambda t: t.AdamOptimizer(),
    "Momentum": lambda t: t.MomentumOptimizer(0.1, 0.9),
    "RMSProp": lambda t: t.RMSPropOptimizer(0.1, centered=True),
    "Adagrad": lambda t: t.AdagradOptimizer(0.1),
    "Adadelta": lambda t: t.AdadeltaOptimizer(),
    "Ftrl": lambda t: t.FtrlOptimizer(0.1),
    "ProximalAdagrad": lambda t: t.ProximalAdagradOptimizer(0.1),
    "GradientDescent": lambda t: t.GradientDescentOptimizer(0.1),
}


@pytest.mark.parametrize("scope", ["", "train"])
@pytest.mark.parametrize("kind", TF1)
def test_savers_of_tensorflow_1(tf: Any, kind: str, scope: str, tmp_path: Path) -> None:
    """Roles with the .meta file and by names alone, as the optimizer itself has its slots."""
    v1, prefix = tf.compat.v1, str(tmp_path / "model.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        weights = [v1.get_variable(f"net/{n}", [3, 2]) for n in ("kernel", "odd")]
        bias = v1.get_variable("net/bias", [2])
        mean = v1.get_variable("net/bn/moving_mean", [2], trainable=False)
        loss = sum(tf.reduce_sum(each**2) for each in (*weights, bias))
        optimizer = TF1[kind](v1.train)
        with v1.variable_scope(scope) if scope else v1.name_scope(None):
            train = optimizer.minimize(loss, global_step=step)
        average = tf.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([train]):
            average.apply([*weights, bias])
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, prefix)
        expected: dict[str, tuple[str, str | None]]
        expected = {each.op.name: ("weight", None) for each in (*weights, bias)}
        expected[step.op.name] = ("step or counter", None)
        expected[mean.op.name] = ("batch-norm statistics", None)
        expected |= {
            slot: ("optimizer slot", of) for slot, of in slots_of(optimizer, [*weights, bias])
        }
        averages = {average.average_name(each): each.op.name for each in (*weights, bias)}
        expected |= {name: ("moving average", of) for name, of in averages.items()}
    with tfckpt.open(prefix) as ckpt:
        assert list(ckpt) == sorted(name for name, _ in tf.train.list_variables(prefix))
        specs = dict(ckpt.specs)
        for roles in (ckpt.roles, classify(specs, Names(specs, None), {})):
            found = {key: (str(role.kind), role.of) for key, role in roles.items()}
            others = {key: found.pop(key)[0] for key in found.keys() - expected.keys()}
            assert found == expected
            assert set(others.values()) <= {"optimizer state"}


def test_partitioned_variables(tf: Any, tmp_path: Path) -> None:
    v1, prefix = tf.compat.v1, str(tmp_path / "model.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        parts = v1.get_variable(
            "net/kernel", [6, 2], partitioner=v1.fixed_size_partitioner(2), use_resource=False
        )
        loss = sum(tf.reduce_sum(part**2) for part in parts)
        v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, prefix)
    with tfckpt.open(prefix) as ckpt:
        found = {key: (str(role.kind), role.of) for key, role in ckpt.roles.items()}
        assert found == {
            "net/kernel": ("weight", None),
            "net/kernel/Momentum": ("optimizer slot", "net/kernel"),
        }


def test_keras_2(tf: Any, tmp_path: Path) -> None:
    """The Keras 2 inside TensorFlow: slots are in the object graph."""
    keras = importlib.import_module("tensorflow.python.keras.layers")
    models = importlib.import_module("tensorflow.python.keras.models")
    adam = importlib.import_module("tensorflow.python.keras.optimizer_v2.adam")
    stack = [keras.Dense(2, input_shape=(3,)), keras.Dense(1)]
    model, optimizer = models.Sequential(stack), adam.Adam()
    weights = model.trainable_variables
    optimizer.apply_gradients([(tf.ones_like(each), each) for each in weights])
    prefix = str(tmp_path / "ck")
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(prefix)
    with tfckpt.open(prefix) as ckpt:
        named = ckpt.renamed("full_name")
        specs = dict(ckpt.specs)
        hidden = classify(specs, Names(specs, None), {})
        for roles in (ckpt.roles, hidden):
            for weight in weights:
                key = named.key_of[weight.name.removesuffix(":0")]
                assert roles[key].kind == "weight"
                slots = [role for role in roles.values() if role.of == key]
                assert sorted(role.slot for role in slots) == ["m", "v"]
        counts = Counter(str(role.kind) for role in ckpt.roles.values())
        assert (counts["weight"], counts["optimizer slot"], counts["other"]) == (4, 8, 0)
