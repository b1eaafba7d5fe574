"""Checkpoints with iterators of tf.data: sound, readable, and converted without the iterators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow

KEY = "iterator/.ATTRIBUTES/ITERATOR_STATE"
Pipeline = Callable[[Any, Any], Any]
PIPELINES: dict[str, Pipeline] = {
    "map": lambda _, d: d.map(lambda x: x * 2),
    "map, parallel": lambda _, d: d.map(lambda x: x * 2, num_parallel_calls=4),
    "batch": lambda _, d: d.batch(4),
    "shuffle": lambda _, d: d.shuffle(16),
    "repeat": lambda _, d: d.take(5).shuffle(3).repeat(),
    "prefetch": lambda _, d: d.batch(4).prefetch(3),
    "interleave": lambda tf, d: d.interleave(tf.data.Dataset.range, cycle_length=4),
    "cache": lambda _, d: d.take(2).cache().repeat(),
    "zip": lambda tf, d: tf.data.Dataset.zip((d, d.map(lambda x: tf.cast(x, tf.float16)))),
    "window": lambda _, d: d.window(5).shuffle(4),
    "datasets": lambda tf, d: d.map(tf.data.Dataset.range).shuffle(4),
    "strings": lambda tf, d: d.map(tf.strings.as_string).shuffle(8),
    "ragged": lambda tf, d: d.map(tf.range).ragged_batch(4).shuffle(4),
    "sparse": lambda tf, d: d.map(lambda x: tf.sparse.from_dense(tf.one_hot(x, 4))).shuffle(8),
    "optional": lambda tf, d: d.map(tf.experimental.Optional.from_value).shuffle(8),
    "group": lambda _, d: d.group_by_window(lambda x: x % 3, lambda _, of: of.batch(4), 8),
    "sample": lambda tf, d: tf.data.Dataset.sample_from_datasets([d, d], [0.5, 0.5]),
    "large elements": lambda tf, d: d.map(lambda _: tf.zeros((300, 300))).shuffle(4),
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_iterators(tf: Any, pipeline: str, tmp_path: Path) -> None:
    iterator = iter(PIPELINES[pipeline](tf, tf.data.Dataset.range(100)))
    for _ in range(3):
        next(iterator)
    checkpoint = tf.train.Checkpoint(iterator=iterator, v=tf.Variable([1.0, 2.0]))
    prefix = checkpoint.write(str(tmp_path / "ckpt"))
    checkpoint.read(prefix).assert_consumed()
    report = tfckpt.verify(prefix, level="values")
    assert report.problems == ()
    with tfckpt.open(prefix) as ckpt:
        found = ckpt[KEY]
    assert {type(element) for element in found} == {tfckpt.Variant}
    for suffix in (".npz", ".safetensors", "/"):
        done = tfckpt.convert(prefix, f"{tmp_path}/out{suffix}")
        assert done.written == ("v/.ATTRIBUTES/VARIABLE_VALUE",)
        assert done.skipped == {}
        assert any(KEY in note for note in done.notes)
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["v/.ATTRIBUTES/VARIABLE_VALUE"].tolist() == [1, 2]
