"""Frozen graphs in OpenVINO: they give what TensorFlow gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import frozen_models
import numpy as np
import pytest
import saved_models

from tfckpt_reader.frameworks.openvino import load_model

pytestmark = pytest.mark.tensorflow


@pytest.fixture(autouse=True)
def _openvino() -> None:
    pytest.importorskip("openvino")


def assert_close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fold", [False, True], ids=["", "folded"])
@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
@pytest.mark.parametrize("model", frozen_models.MODELS, ids=lambda model: model.__name__)
def test_a_graph_of_tensorflow_1(
    tf: Any, tmp_path: Path, model: Any, resource: bool, fold: bool
) -> None:
    prefix, outputs, feeds, run = frozen_models.saved(tf, model, tmp_path, resource=resource)
    loaded = load_model(prefix, outputs, fold_defaults=fold)
    for batch in (1, 3):
        fed = feeds(batch)
        results = loaded(fed)
        assert list(results) == outputs
        for ours, theirs in zip(results.values(), run(fed), strict=True):
            assert_close(ours, theirs)


@pytest.mark.parametrize("make", saved_models.MODELS, ids=lambda make: make.__name__)
def test_a_saved_model(tf: Any, tmp_path: Path, make: Any) -> None:
    shapes = make(tf, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    function = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    for batch in (1, 4):
        arrays = saved_models.inputs(shapes, batch)
        theirs = function(**{name: tf.constant(array) for name, array in arrays.items()})
        results = loaded(arrays)
        assert len(results) == len(theirs)
        for end in loaded.outputs:
            assert_close(results[end.name], theirs[end.alias].numpy())
