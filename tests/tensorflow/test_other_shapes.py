"""Graphs and checkpoints that disagree about shapes or dtypes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow


def found(path: Path) -> list[tuple[str, str | None]]:
    report = tfckpt.verify(path)
    assert report.ok
    return [(problem.code, problem.tensor) for problem in report.problems]


def saved(tf: Any, prefix: Path, rows: int, kind: str) -> Any:
    """Save one variable by TensorFlow 1's Saver; return what restores it."""
    v1, graph = tf.compat.v1, tf.Graph()
    dtype = tf.float64 if kind == "float64" else tf.float32
    with graph.as_default(), v1.Session() as session:
        partitioner = v1.fixed_size_partitioner(2) if kind == "partitioned" else None
        initial: Any = v1.zeros_initializer()
        shape: Any = (rows, 4)
        if kind == "any shape":
            initial, shape = tf.zeros((rows, 4)), None
        v1.get_variable(
            "w", shape, dtype, initial,
            use_resource=kind == "resource", partitioner=partitioner,
            validate_shape=kind != "any shape",
        )  # fmt: skip
        v1.get_variable("other", (), initializer=v1.zeros_initializer())
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(reshape=kind == "reshape")
        saver.save(session, str(prefix))

    def restore(path: Path) -> None:
        with graph.as_default(), v1.Session() as session:
            saver.restore(session, str(path))

    return restore


@pytest.mark.parametrize(
    "kind", ["plain", "resource", "partitioned", "float64", "reshape", "any shape"]
)
def test_savers(tf: Any, kind: str, tmp_path: Path) -> None:
    base = "plain" if kind == "float64" else kind
    saved(tf, tmp_path / "a", 6, base)
    assert found(tmp_path / "a") == []
    restore = saved(tf, tmp_path / "b", 6 if kind in ("float64", "reshape") else 8, kind)
    restore(tmp_path / "b")
    assert found(tmp_path / "b") == []
    shutil.copy(tmp_path / "b.meta", tmp_path / "a.meta")
    if kind in ("reshape", "any shape"):
        restore(tmp_path / "a")
        assert found(tmp_path / "a") == []
        return
    assert found(tmp_path / "a") == [("TFC506", "w")]
    if kind == "resource":  # a variable then has a shape that its graph does not know
        restore(tmp_path / "a")
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            restore(tmp_path / "a")


@pytest.mark.parametrize("change", ["shape", "dtype", "none"])
def test_saved_models(tf: Any, change: str, tmp_path: Path) -> None:
    for name, rows in (("a", 29), ("b", 39 if change == "shape" else 29)):
        module = tf.Module()
        dtype = np.float64 if (name, change) == ("b", "dtype") else np.float32
        module.v = tf.Variable(np.ones((rows, 8), dtype))
        module.n = tf.Variable(3)
        tf.saved_model.save(module, str(tmp_path / name))
    for name in ("saved_model.pb", "fingerprint.pb"):
        shutil.copy(tmp_path / "b" / name, tmp_path / "a" / name)
    (tmp_path / "a" / "fingerprint.pb").unlink()
    key = "v/.ATTRIBUTES/VARIABLE_VALUE"
    assert found(tmp_path / "b") == []
    assert found(tmp_path / "a") == ([] if change == "none" else [("TFC506", key)])
    if change != "none":
        with pytest.raises(Exception, match=r"(?i)shape|dtype"):
            tf.saved_model.load(str(tmp_path / "a"))
