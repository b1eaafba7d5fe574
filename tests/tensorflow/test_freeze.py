"""Frozen graphs in TensorFlow: it imports them, and gives what the original session gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import frozen_models
import numpy as np
import pytest
import saved_models

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
@pytest.mark.parametrize("model", frozen_models.MODELS, ids=lambda model: model.__name__)
def test_a_frozen_graph_gives_the_same(
    tf: Any, tmp_path: Path, model: Any, resource: bool, version: int
) -> None:
    prefix, outputs, feeds, run = frozen_models.saved(
        tf, model, tmp_path, resource=resource, version=version
    )
    placed = {"given": {"training": False}} if model is frozen_models.conv else {}
    hows: list[Any] = [{}, {"fold_defaults": True}, placed]
    for how in hows:
        with tfckpt.open(prefix) as ckpt:
            meta = ckpt.meta_graph
            assert meta is not None
            frozen = meta.freeze(outputs, values=ckpt, **how)
            frozen.write(tmp_path / "out.pb")
            assert (tmp_path / "out.pb").read_bytes() == frozen.to_bytes()
        again = frozen_models.imported(tf, tmp_path / "out.pb")
        for batch in (1, 3):
            fed = feeds(batch)
            for ours, theirs in zip(again(outputs, fed), run(fed), strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("make", saved_models.MODELS, ids=lambda make: make.__name__)
def test_a_frozen_saved_model_gives_the_same(tf: Any, tmp_path: Path, make: Any) -> None:
    shapes = make(tf, tmp_path / "model")
    with tfckpt.open(tmp_path / "model") as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        frozen = meta.freeze(values=ckpt)
        frozen.write(tmp_path / "out.pb")
    function = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    run = frozen_models.imported(tf, tmp_path / "out.pb")
    assert all(node.op not in ("VarHandleOp", "ReadVariableOp") for node in frozen.nodes.values())
    for batch in (1, 4):
        arrays = saved_models.inputs(shapes, batch)
        theirs = function(**{name: tf.constant(array) for name, array in arrays.items()})
        fed = {each.name: arrays[each.alias] for each in frozen.inputs}
        ours = run([each.name for each in frozen.outputs], fed)
        assert len(ours) == len(theirs)
        for end, value in zip(frozen.outputs, ours, strict=True):
            np.testing.assert_allclose(value, theirs[end.alias].numpy(), rtol=1e-5, atol=1e-6)


def test_a_meta_file_written_again(tf: Any, tmp_path: Path) -> None:
    prefix, outputs, feeds, run = frozen_models.saved(
        tf, frozen_models.dropout, tmp_path, resource=True
    )
    tfckpt.read_meta_graph(f"{prefix}.meta").write(tmp_path / "again.meta")
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        saver = tf.compat.v1.train.import_meta_graph(str(tmp_path / "again.meta"))
        saver.restore(session, prefix)
        fed = feeds(2)
        for ours, theirs in zip(session.run(outputs, fed), run(fed), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_moving_averages(tf: Any, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        w = v1.get_variable("w", [2], initializer=v1.ones_initializer(), use_resource=False)
        averages = tf.train.ExponentialMovingAverage(0.5)
        apply = averages.apply([w])
        v1.multiply(w, 2.0, name="out")
        session.run(v1.global_variables_initializer())
        session.run(v1.assign(w, [3.0, 5.0]))
        session.run(apply)
        theirs = session.run(averages.average(w)) * 2
        prefix = v1.train.Saver().save(session, str(tmp_path / "model"))
    with tfckpt.open(prefix) as ckpt:
        assert ckpt.meta_graph is not None
        ckpt.meta_graph.freeze(["out"], values=ckpt, average=True).write(tmp_path / "out.pb")
    (ours,) = frozen_models.imported(tf, tmp_path / "out.pb")(["out:0"], {})
    np.testing.assert_array_equal(ours, theirs)
