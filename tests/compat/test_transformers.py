"""The loaders of transformers, unmodified, through `compat`: the models hold the same numbers.

The record was made by the same script with TensorFlow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import transformers_models
from transformers_models import MODELS, RECORD

import tfckpt_reader as tfckpt

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.skipif(
        find_spec("torch") is None or find_spec("transformers") is None,
        reason="PyTorch and transformers are not installed",
    ),
]


def test_models_hold_the_same_numbers(tmp_path: Path) -> None:
    out = tmp_path / "parameters.json"
    script = transformers_models.__file__
    command = [sys.executable, "-m", "tfckpt_reader.compat", "--force", script, str(out)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, capture_output=True, check=True, env=environment)
    assert json.loads(out.read_text()) == json.loads(RECORD.read_text())


@pytest.mark.parametrize("model", MODELS)
def test_every_variable_is_in_the_model(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their names and transpositions: the elements of each variable are a parameter's."""
    from tfckpt_reader.compat import stand_in

    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
        monkeypatch.delitem(sys.modules, name)
    for name, module in stand_in.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    parameters = {
        np.sort(value, None).tobytes() for value in transformers_models.load(model).values()
    }
    with tfckpt.open(transformers_models.FOLDER / model / "model.ckpt") as ckpt:
        for name, array in ckpt.items():
            is_slot = name == "global_step" or "adam_m" in name or "_slot_" in name
            assert (np.sort(array, None).tobytes() in parameters) is not is_slot, name
