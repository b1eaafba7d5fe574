"""Event files that TensorFlow reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from event_files import NAME
from tensorflow_graphs import model

import tfckpt_reader as tfckpt


@pytest.mark.tensorflow
def test_tensorflow_reads_it(tf: Any, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        model(tf, resource=True, control_flow_v2=True)
        expected = v1.train.export_meta_graph(str(tmp_path / "x.meta")).graph_def
    tfckpt.write_event_file(tfckpt.read_meta_graph(tmp_path / "x.meta"), tmp_path)
    version, graph = v1.train.summary_iterator(str(tmp_path / NAME))
    assert version.file_version == "brain.Event:2"
    found = v1.GraphDef.FromString(graph.graph_def)
    assert len(found.node) > 100
    assert found.node == expected.node
    assert found.library == expected.library
