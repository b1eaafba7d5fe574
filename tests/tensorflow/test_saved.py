"""Checkpoints written by the package, beside those that TensorFlow writes of the same tensors."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_oracle
import writers as w
from agreement import assert_both
from hypothesis import given
from random_tensors import (
    ALL,
    BYTE_NAMES,
    QUANTISED,
    V1,
    VARIABLES,
    Item,
    Plan,
    examples,
    plans,
    save_rows,
)
from tensorflow_writers import save_v2, write_v1
from tf_oracle import value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.state_file import read_state
from tfckpt_reader.tensor.dtypes import BY_NUMBER

pytestmark = pytest.mark.tensorflow

SLICED = (1, 2, 3, 4, 5, 6, 8, 9, 10, 18)
"""Types of which TensorFlow can put slices together."""


def given_array(item: Item) -> Any:
    """The array as a user has it: quantised numbers in TensorFlow's own NumPy types."""
    if item.dtype not in QUANTISED:
        return item.array
    name = str(BY_NUMBER[item.dtype])
    return item.array.view([(name, item.array.dtype)]).reshape(item.array.shape)


def slice_texts(item: Item) -> list[str]:
    return [row[1].rpartition(" ")[2] for row in save_rows("x", item)]


def save_ours(prefix: Path, plan: Plan, **options: Any) -> None:
    partitions = {n: slice_texts(item) for n, item in plan.tensors.items() if item.sliced}
    arrays = {name: given_array(item) for name, item in plan.tensors.items()}
    tfckpt.save(prefix, arrays, partitions=partitions, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_as_tensorflow(plan: Plan) -> None:
    """Compare all files; the tensors of each shard are saved by TensorFlow, and then merged."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        ours.mkdir()
        theirs.mkdir()
        save_ours(ours / "ckpt", plan, shards=plan.shards)
        parts = parts_of(ours / "ckpt", plan)
        if not all(parts):
            return  # TensorFlow cannot read its own merge with an empty part
        save_parts(theirs / "ckpt", parts)
        assert contents(ours) == contents(theirs)


def parts_of(prefix: Path, plan: Plan) -> list[list[tuple[bytes, str, w.Typed]]]:
    parts: list[list[tuple[bytes, str, w.Typed]]] = [[] for _ in range(plan.shards)]
    with tfckpt.open(prefix) as ckpt:
        for name, item in plan.tensors.items():
            spec = ckpt.specs[name]
            shards = {str(each): each.shard or 0 for each in spec.slices}
            for row in save_rows(name, item):
                parts[shards.get(row[1].rpartition(" ")[2], spec.shard or 0)].append(row)
    return parts


def save_parts(prefix: Path, parts: Sequence[Sequence[tuple[bytes, str, w.Typed]]]) -> None:
    import tensorflow as tf

    if len(parts) == 1:
        save_v2(prefix, parts[0])
        return
    names = [str(prefix.parent / f"part-{i}") for i in range(len(parts))]
    for name, rows in zip(names, parts, strict=True):
        save_v2(Path(name), rows)
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=names, destination_prefix=str(prefix))


@examples(300)
@given(plan=plans(ALL))
def test_the_same_bytes(plan: Plan) -> None:
    assert_as_tensorflow(plan)


@examples(50)
@given(plan=plans(ALL, BYTE_NAMES))
def test_the_same_bytes_under_any_name(plan: Plan) -> None:
    assert_as_tensorflow(plan)


def test_many_blocks_and_a_long_row() -> None:
    """An index of several blocks, one of them of one row, which lists many slices."""
    many = {f"layer_{i:05d}/kernel": Item(4, np.full(i % 3, i % 256, "u1")) for i in range(9000)}
    pieces = tuple([(i, 1)] for i in range(60_000))
    assert_as_tensorflow(Plan(many, 1, slice(None)))
    cut = Item(4, (np.arange(60_000) % 251).astype("u1"), pieces)
    assert_as_tensorflow(Plan({"a": Item(1, np.ones(3, "f4")), "cut": cut}, 1, slice(None)))


def test_variants(tf: Any, tmp_path: Path) -> None:
    """Lists of tensors and optionals, nested and empty: decoded, and written as they were."""
    elements = [
        tf.constant(7, tf.int64),
        tf.constant([1.5, -2.0]),
        tf.constant([[b"a", b""], [b"c" * 300, b"\xff"]]),
        tf.constant([True, False]),
        tf.constant([1 + 2j, 3j]),
        tf.constant([-1, 2], tf.int8),
        tf.cast([1.5, 2.5], tf.bfloat16),
        tf.cast([1.5, -2.5], tf.half),
        tf.constant([2**64 - 1], tf.uint64),
        tf.zeros((0, 3)),
    ]
    lists = [
        tf.raw_ops.TensorListFromTensor(tensor=tf.stack([e, e]), element_shape=e.shape)
        for e in elements
    ]
    optional = tf.raw_ops.OptionalFromValue(components=[elements[0], lists[1]])
    tensors = {"lists": tf.stack(lists), "optional": optional, "none": tf.stack(lists)[:0]}
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "theirs"),
        tensor_names=list(tensors),
        shape_and_slices=[""] * 3,
        tensors=list(tensors.values()),
    )
    with tfckpt.open(tmp_path / "theirs") as ckpt:
        tfckpt.save(tmp_path / "ours", {name: ckpt[name] for name in ["lists", "optional"]})
        both = tfckpt.open(tmp_path / "ours")
        for name in both:
            assert both.specs[name].crc32c == ckpt.specs[name].crc32c, name
            assert both.specs[name].nbytes == ckpt.specs[name].nbytes, name


@examples(40)
@given(plan=plans(VARIABLES))
def test_restored_by_a_saver(plan: Plan) -> None:
    """A graph's Saver restores the checkpoint, in slices or whole."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default(), v1.Session() as session:
        prefix = Path(folder, "model.ckpt")
        save_ours(prefix, plan, shards=plan.shards)
        whole = {n: i for n, i in plan.tensors.items() if not i.sliced or i.dtype in SLICED}
        made = {
            name: v1.Variable(tf.zeros(item.array.shape, tf.DType(item.dtype)), name=f"v{i}")
            for i, (name, item) in enumerate(whole.items())
            if item.dtype != w.STRING
        }
        if made:
            v1.train.Saver(made).restore(session, str(prefix))
        for name, variable in made.items():
            assert value_of(session.run(variable)) == value_of(plan.tensors[name].array), name


@pytest.mark.parametrize("name", ["model.ckpt", "é ü", 'a"b\n\t', "模型"])
def test_the_state_file_of_a_saver(tf: Any, tmp_path: Path, name: str) -> None:
    """The very text of TensorFlow's own function, which also reads it."""
    from tensorflow.python.checkpoint import checkpoint_management as management

    saver = tfckpt.Saver(tmp_path, name, max_to_keep=2)
    for step in range(3):
        saver.save({"a": step}, step)
    written = (tmp_path / "checkpoint").read_bytes()
    state = read_state(str(tmp_path / "checkpoint"))
    management.update_checkpoint_state_internal(
        str(tmp_path),
        saver.last_checkpoints[-1],
        saver.last_checkpoints,
        save_relative_paths=True,
        all_model_checkpoint_timestamps=state.timestamps,
        last_preserved_timestamp=state.last_preserved,
    )
    assert (tmp_path / "checkpoint").read_bytes() == written
    found = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(found.all_model_checkpoint_paths) == saver.last_checkpoints
    assert tf.train.latest_checkpoint(str(tmp_path)) == saver.last_checkpoints[-1]


def test_a_saver_beside_tensorflows(tf: Any, tmp_path: Path) -> None:
    """The same calls leave the same files and the same lists."""
    v1 = tf.compat.v1
    left = []
    for kind in ("ours", "theirs"):
        folder = tmp_path / kind
        folder.mkdir()
        with tf.Graph().as_default(), v1.Session() as session:
            variable = v1.Variable(np.arange(3.0), name="a")
            session.run(variable.initializer)
            theirs = v1.train.Saver(max_to_keep=2, save_relative_paths=True)
            ours = tfckpt.Saver(folder, max_to_keep=2)
            for step in (1, 2, 1, None, 7):
                if kind == "ours":
                    ours.save({"a": np.arange(3.0)}, step)
                else:
                    theirs.save(session, str(folder / "model.ckpt"), step, write_meta_graph=False)
        state = read_state(str(folder / "checkpoint"))
        files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "checkpoint"}
        left.append((state.newest, state.kept, files))
    assert left[0] == left[1]


SWAPPED = tuple(number for number in ALL if number < 24 and number != w.DTYPES["bool"])
"""Types that TensorFlow reads from a machine of the other byte order, and bytes."""


@examples(60)
@given(plan=plans(SWAPPED))
def test_big_endian_is_read_by_tensorflow(readers: tf_oracle.Readers, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "model.ckpt-1")
        save_ours(prefix, plan, shards=plan.shards, big_endian=True)
        assert_both(readers, prefix, plan)


@examples(40)
@given(plan=plans(V1))
def test_v1_that_became_v2(readers: tf_oracle.Readers, plan: Plan) -> None:
    """TensorFlow writes V1, we convert it, TensorFlow reads V2; slices stay slices."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_v1(Path(folder), plan)
        target = Path(folder, "model.ckpt-1")
        tfckpt.convert(source, target, format="tf", shards=plan.shards)
        assert_both(readers, target, plan)
