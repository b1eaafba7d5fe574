"""The package and TensorFlow in one process, imported in either order.

Each case is a process of its own: what was imported before cannot be taken back.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from project import FIXTURES, ROOT

pytestmark = pytest.mark.tensorflow

OURS = "import tfckpt_reader as tfckpt\n"
OURS_IN_USE = OURS + "first = dict(tfckpt.open(paths[0]))\n"
THEIRS = "import tensorflow as tf\n"
THEIRS_IN_USE = THEIRS + "tf.train.load_checkpoint(paths[0]).get_variable_to_shape_map()\n"
ALONE = 'assert "tensorflow" not in sys.modules\n'
HEAD = """
import faulthandler, os, sys
faulthandler.enable()
paths = sys.argv[1:]
"""
COMPARE = """
import numpy as np
from google.protobuf.internal import api_implementation

seen = 0
for path in paths * 2:
    reader = tf.train.load_checkpoint(path)
    with tfckpt.open(path) as ckpt:
        assert set(ckpt) == set(reader.get_variable_to_shape_map())
        for name, array in ckpt.items():
            theirs = np.asarray(reader.get_tensor(name), array.dtype)
            assert theirs.shape == array.shape, name
            if array.dtype == object:
                assert theirs.tolist() == array.tolist(), name
            else:
                assert theirs.tobytes() == array.tobytes(), name
            seen += 1
graph = tf.Graph()
with graph.as_default():
    tf.compat.v1.train.Saver([tf.compat.v1.Variable(1.0)])
assert graph.as_graph_def().node
print(f"backend {api_implementation.Type()}, tensors {seen}.")
"""
PATHS = [
    str(FIXTURES / path)
    for path in (
        "saver_tf1/model.ckpt-1",
        "tf2_checkpoint",
        "strings/model.ckpt",
        "v1_sharded/model.ckpt-?????-of-00002",
    )
]


def run(script: str, *paths: str, backend: str | None = None) -> str:
    """Run a script in a new process; what it printed."""
    env = dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="")
    env.pop("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", None)
    if backend is not None:
        env["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = backend
    done = subprocess.run(
        [sys.executable, "-c", HEAD + script, *paths],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


ORDERS = [
    pytest.param(OURS_IN_USE + ALONE + THEIRS, id="ours-theirs"),
    pytest.param(THEIRS_IN_USE + OURS, id="theirs-ours"),
]


@pytest.mark.parametrize("imports", ORDERS)
def test_both_orders(imports: str) -> None:
    assert "backend upb, tensors 54" in run(imports + COMPARE, *PATHS)


@pytest.mark.parametrize("imports", ORDERS)
def test_both_orders_with_protobuf_in_python(imports: str) -> None:
    """Of protobuf's forms the one that minds a message being there twice most."""
    assert "backend python, tensors 54" in run(imports + COMPARE, *PATHS, backend="python")
