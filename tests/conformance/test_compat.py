"""8.5 and 8.7 of the format's specification: each test is named after TensorFlow's own.

TensorFlow ``python/training/checkpoint_utils_test.py``, ``python/training/saver_test.py``,
``python/checkpoint/checkpoint_management_test.py``: those that concern reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conformance import FORMATS
from numpy.testing import assert_array_equal
from strategies import numbers

import tfckpt_reader.compat as train
from tfckpt_reader.compat.state import wait_for_new_checkpoint


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    """The four variables of TensorFlow's tests, saved with a state file in `tmp_path`."""
    shapes = {"useful_scope/var4": (9, 9), "var1": (1, 10), "var2": (10, 10), "var3": (100, 1)}
    made = {name: numbers(shape, "float32") for name, shape in shapes.items()}
    w.write_bundle(tmp_path / "model-0", made)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-0"\n')
    return made


# CheckpointsTest


def test_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(train.OpError):
        train.load_variable(f"{tmp_path}/no_checkpoints", "var1")


def test_no_tensor(tmp_path: Path, variables: dict[str, Any]) -> None:
    with pytest.raises(train.OpError):
        train.load_variable(tmp_path, "var5")


def test_get_tensor(tmp_path: Path, variables: dict[str, Any]) -> None:
    for name, array in variables.items():
        assert_array_equal(train.load_variable(str(tmp_path), name), array, strict=True)


def test_get_all_variables(tmp_path: Path, variables: dict[str, Any]) -> None:
    assert train.list_variables(str(tmp_path)) == [
        ("useful_scope/var4", [9, 9]),
        ("var1", [1, 10]),
        ("var2", [10, 10]),
        ("var3", [100, 1]),
    ]


def test_fs_path(tmp_path: Path, variables: dict[str, Any]) -> None:
    assert [name for name, _ in train.list_variables(tmp_path)] == sorted(variables)


# CheckpointIteratorTest, WaitForNewCheckpointTest


def test_returns_empty_if_no_checkpoints_found(tmp_path: Path) -> None:
    assert list(train.checkpoints_iterator(tmp_path / "no_checkpoints_found", timeout=0)) == []


def test_returns_single_checkpoint_if_one_checkpoint_found(
    tmp_path: Path, variables: dict[str, Any]
) -> None:
    assert list(train.checkpoints_iterator(tmp_path, timeout=0)) == [f"{tmp_path}/model-0"]


def test_returns_single_checkpoint_if_one_sharded_checkpoint(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "model-0", {"a": numbers((2,)), "b": numbers((2,))}, shards=2)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-0"\n')
    assert list(train.checkpoints_iterator(tmp_path, timeout=0)) == [f"{tmp_path}/model-0"]


def test_timeout_fn() -> None:
    calls = []

    def is_over() -> bool:
        calls.append(1)
        return len(calls) > 3

    found = list(train.checkpoints_iterator("/non-existent-dir", timeout=0, timeout_fn=is_over))
    assert found == []
    assert len(calls) == 4


def test_returns_none_after_timeout() -> None:
    assert wait_for_new_checkpoint("/non-existent-dir", "foo", 0.01, timeout=0.02) is None


# CheckpointReaderTest, CheckpointReaderForV2Test


@FORMATS
def test_debug_string(tmp_path: Path, open_new: Callable[..., Any]) -> None:
    tensors = {"v0": np.array([[1, 2, 3], [4, 5, 6]], np.float32)}
    tensors["v1"] = np.zeros((3, 2, 1), np.float32)
    with open_new(tmp_path, tensors) as ckpt:
        reader = train.NewCheckpointReader(ckpt.reader.prefix)
    assert reader.has_tensor("v0")
    lines = reader.debug_string().splitlines()
    assert lines == [b"v0 (DT_FLOAT) [2,3]", b"v1 (DT_FLOAT) [3,2,1]"]
    assert reader.get_variable_to_shape_map() == {"v0": [2, 3], "v1": [3, 2, 1]}
    for name, array in tensors.items():
        assert_array_equal(reader.get_tensor(name), array, strict=True)
    with pytest.raises(train.NotFoundError, match="v3 not found in checkpoint"):
        reader.get_tensor("v3")


def test_nonexistent_path(tmp_path: Path) -> None:
    with pytest.raises(train.NotFoundError, match="Unsuccessful TensorSliceReader"):
        train.NewCheckpointReader("non-existent")


# LatestCheckpointWithRelativePaths, CheckpointStateTest


def test_name_collision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder beside the checkpoint has the name of the checkpoint."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train" / "snapshot").mkdir(parents=True)
    w.write_bundle(tmp_path / "train" / "snapshot-1", {"v": numbers((2,))})
    (tmp_path / "train" / "checkpoint").write_text('model_checkpoint_path: "snapshot-1"\n')
    assert train.latest_checkpoint("train") == "train/snapshot-1"
    assert train.latest_checkpoint("train/") == "train/snapshot-1"
    monkeypatch.chdir(tmp_path / "train")
    assert train.latest_checkpoint("./") == "./snapshot-1"


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    w.write_bundle(folder / "model-0", {"v": numbers((2,))})
    (folder / "checkpoint").write_text('model_checkpoint_path: "model-0"\n')
    monkeypatch.chdir(tmp_path)
    path = train.latest_checkpoint("train")
    assert path == os.path.join("train", "model-0")
    assert train.list_variables(path) == [("v", [2])]


def test_abs_path(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model-0"\n')
    state = train.get_checkpoint_state(str(tmp_path))
    assert state is not None
    assert state.model_checkpoint_path == "/elsewhere/model-0"


def test_checkpoint_state_fails_when_incomplete(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(ValueError, match="Invalid checkpoint state"):
        train.get_checkpoint_state(str(tmp_path))


def test_checkpoint_completes_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "./model.ckpt-687529"\n'
        'all_model_checkpoint_paths: "./model.ckpt-687500"\n'
        'all_model_checkpoint_paths: "./model.ckpt-687529"\n'
    )
    state = train.get_checkpoint_state(str(tmp_path))
    assert state is not None
    assert state.model_checkpoint_path == f"{tmp_path}/./model.ckpt-687529"
    kept = [f"{tmp_path}/./model.ckpt-687500", f"{tmp_path}/./model.ckpt-687529"]
    assert state.all_model_checkpoint_paths == kept


# SaverUtilsTest


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_checkpoint_exists_and_mtimes(tmp_path: Path, version: str, sharded: bool) -> None:
    tensors = {"a": numbers((2,)), "b": numbers((3,))}
    prefix = f"{tmp_path}/{version}-{sharded}"
    assert not train.checkpoint_exists(prefix)
    assert train.get_checkpoint_mtimes([prefix]) == []
    if version == "V2":
        w.write_bundle(Path(prefix), tensors, shards=2 if sharded else 1)
    elif sharded:
        w.write_v1_shards(Path(prefix), tensors, shards=2)
        prefix += "-?????-of-00002"
    else:
        w.write_v1(Path(prefix), tensors)
    for path in tmp_path.iterdir():
        os.utime(path, (1_600_000_000.5, 1_600_000_000.5))
    assert train.checkpoint_exists(prefix)
    assert train.get_checkpoint_mtimes([prefix, f"{tmp_path}/none"]) == [1_600_000_000.0]
    assert [name for name, _ in train.list_variables(prefix)] == ["a", "b"]


# CheckpointManagerTest


def test_latest_checkpoint_of_a_manager(tmp_path: Path) -> None:
    for step in (1, 2):
        w.write_bundle(tmp_path / f"ckpt-{step}", {"v": numbers((2,))})
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "ckpt-2"\nall_model_checkpoint_paths: ["ckpt-1", "ckpt-2"]\n'
        "all_model_checkpoint_timestamps: [1.5, 2.5] last_preserved_timestamp: 0.5"
    )
    state = train.get_checkpoint_state(tmp_path)
    assert state is not None
    assert state.all_model_checkpoint_timestamps == [1.5, 2.5]
    assert state.last_preserved_timestamp == 0.5
    assert train.latest_checkpoint(tmp_path) == state.model_checkpoint_path == f"{tmp_path}/ckpt-2"
