"""Frozen graphs in TensorFlow: it imports them, and gives what the original session gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import frozen_models
import numpy as np
import pytest

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
    for fold in (False, True):
        with tfckpt.open(prefix) as ckpt:
            meta = ckpt.meta_graph
            assert meta is not None
            frozen = meta.freeze(outputs, values=ckpt, fold_defaults=fold)
            frozen.write(tmp_path / "out.pb")
            assert (tmp_path / "out.pb").read_bytes() == frozen.to_bytes()
        again = frozen_models.imported(tf, tmp_path / "out.pb")
        for batch in (1, 3):
            fed = feeds(batch)
            for ours, theirs in zip(again(outputs, fed), run(fed), strict=True):
                np.testing.assert_array_equal(ours, theirs)
