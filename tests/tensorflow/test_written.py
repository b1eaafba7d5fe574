"""Random checkpoints written by TensorFlow, read by both.

Every name, dtype, shape and bit must agree with what was written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tf_oracle
import writers as w
from agreement import assert_both, assert_ours
from hypothesis import given
from hypothesis import strategies as st
from random_tensors import ALL, BYTE_NAMES, LONG, V1, VARIABLES, Item, Plan, examples, plans
from tensorflow_writers import escaped, write_by_saver, write_checkpoint, write_v1, write_v2
from tf_oracle import value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.storage.local import File
from tfckpt_reader.table.table import Table

pytestmark = pytest.mark.tensorflow


Writer = Callable[[Path, Plan], Path]


def check_v2(readers: tf_oracle.Readers, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_both(readers, write_v2(Path(folder), plan), plan)


def check_v1(readers: tf_oracle.Readers, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_both(readers, write_v1(Path(folder), plan), plan)


@examples(200)
@given(plan=plans(ALL))
def test_v2(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v2(readers, plan)


@examples(30)
@given(plan=plans(ALL, BYTE_NAMES))
def test_v2_names_of_any_bytes(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v2(readers, plan)


@examples(150)
@given(plan=plans(V1))
def test_v1(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v1(readers, plan)


@pytest.mark.parametrize("write", [write_v2, write_v1])
def test_many_names(readers: tf_oracle.Readers, tmp_path: Path, write: Writer) -> None:
    """The index takes several blocks, whose separators TensorFlow shortens."""
    names = [f"{LONG}layer_{i:05d}/{i % 7 * 'kernel'}" for i in range(6000)]
    tensors = {name: Item(3, np.arange(i % 4, dtype=np.int32)) for i, name in enumerate(names)}
    path = str(write(tmp_path, Plan(tensors, 1, slice(None))))
    table = Table(File(path + ".index" if write is write_v2 else path))
    assert len(list(table.handles())) > 1
    assert_ours(path, tensors, slice(1, 3))
    assert len(readers.listing(path)) == len(names)
    for name, item in tensors.items():
        assert readers.get(path, name.encode()) == value_of(item.array)


def check_saver(readers: tf_oracle.Readers, plan: Plan, version: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_by_saver(Path(folder), plan, version)
        assert_both(readers, path, plan)
        with tfckpt.open(folder) as ckpt:  # by the state file
            assert len(ckpt) == len(plan.tensors)
            assert ckpt.version == f"V{version}"


@examples(30)
@given(plan=plans(VARIABLES), version=st.sampled_from([1, 2]))
def test_saver(readers: tf_oracle.Readers, plan: Plan, version: int) -> None:
    check_saver(readers, plan, version)


def check_checkpoint(readers: tf_oracle.Readers, plan: Plan, cuts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_checkpoint(Path(folder), plan, cuts)
        keys = {
            f"by/{escaped(name)}/.ATTRIBUTES/VARIABLE_VALUE": item
            for name, item in plan.tensors.items()
            if item.array.size or not cuts  # the policy forgets those without elements
        }
        graph = np.array(readers.reader(path).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"), object)
        keys["_CHECKPOINTABLE_OBJECT_GRAPH"] = Item(w.STRING, graph)
        assert_ours(path, keys, plan.rows)
        assert set(readers.listing(path)) == {key.encode() for key in keys}


@examples(30)
@given(plan=plans(VARIABLES, sliced=False), cuts=st.integers(0, 7))
def test_checkpoint(readers: tf_oracle.Readers, plan: Plan, cuts: int) -> None:
    check_checkpoint(readers, plan, cuts)


# The same, ten times as long.


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(2000)
@given(plan=plans(ALL))
def test_v2_long(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v2(readers, plan)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(1500)
@given(plan=plans(V1))
def test_v1_long(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v1(readers, plan)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(300)
@given(plan=plans(VARIABLES), version=st.sampled_from([1, 2]))
def test_saver_long(readers: tf_oracle.Readers, plan: Plan, version: int) -> None:
    check_saver(readers, plan, version)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(300)
@given(plan=plans(VARIABLES, sliced=False), cuts=st.integers(0, 7))
def test_checkpoint_long(readers: tf_oracle.Readers, plan: Plan, cuts: int) -> None:
    check_checkpoint(readers, plan, cuts)
