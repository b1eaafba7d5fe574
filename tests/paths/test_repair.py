"""State files after a move: what TensorFlow finds before and after the repair."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.compat import get_checkpoint_state, latest_checkpoint
from tfckpt_reader.paths.repair import plan_repair
from tfckpt_reader.paths.state_file import State, read_state, write_state


def put(folder: Path, *names: str) -> None:
    """Copy a checkpoint under other names."""
    for name in names:
        for ending in (".index", ".data-00000-of-00001"):
            shutil.copy(
                FIXTURES / "saver_tf1" / f"model.ckpt-1{ending}", folder / f"{name}{ending}"
            )


@pytest.fixture
def state(tmp_path: Path) -> str:
    """A state file of a moved folder: one kept checkpoint is gone, two are there."""
    put(tmp_path, "m-2", "m-3")
    path = str(tmp_path / "checkpoint")
    kept = ("/old/run/m-1", "/old/run/m-2", "/old/run/m-3")
    write_state(path, State("/old/run/m-3", kept, (1.0, 2.0, 3.0), 0.5))
    return path


def test_paths_that_died(tmp_path: Path, state: str) -> None:
    assert latest_checkpoint(tmp_path) is None
    repair = plan_repair(state)
    assert repair.needed
    changes = {"/old/run/m-1": None, "/old/run/m-2": "m-2", "/old/run/m-3": "m-3"}
    assert dict(repair.changes) == changes
    assert latest_checkpoint(tmp_path) is None  # nothing is written yet
    repair.write()
    assert read_state(state) == State("m-3", ("m-2", "m-3"), (2.0, 3.0), 0.5)
    assert latest_checkpoint(tmp_path) == f"{tmp_path}/m-3"
    assert not plan_repair(state).needed
    assert len(os.listdir(tmp_path)) == 5  # nothing is left beside it


def test_paths_that_lead_to_a_checkpoint_stay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere, "m-1")
    put(tmp_path, "m-2")
    kept = (str(elsewhere / "m-1"), "./m-2")
    write_state(str(tmp_path / "checkpoint"), State("./m-2", kept))
    repair = plan_repair(str(tmp_path / "checkpoint"))
    assert not repair.needed
    assert repair.after.kept == kept


@pytest.mark.parametrize(
    "text",
    [
        r'model_checkpoint_path: "C:\models\m-1"',
        '\ufeffmodel_checkpoint_path: "m-1"',
        'model_checkpoint_path: "m-1.index"',
        'model_checkpoint_path: "sub/m-1"',
    ],
)
def test_what_people_write(tmp_path: Path, text: str) -> None:
    put(tmp_path, "m-1")
    (tmp_path / "checkpoint").write_text(text, "utf-8")
    assert latest_checkpoint(tmp_path) is None or text.endswith('.index"')
    plan_repair(str(tmp_path / "checkpoint")).write()
    assert latest_checkpoint(tmp_path) == f"{tmp_path}/m-1"


def test_v1_shards_become_their_pattern(tmp_path: Path) -> None:
    for path in (FIXTURES / "v1_sharded").glob("model.ckpt*"):
        shutil.copy(path, tmp_path)
    text = 'model_checkpoint_path: "/old/model.ckpt-?????-of-00002"'
    (tmp_path / "checkpoint").write_text(text)
    plan_repair(str(tmp_path / "checkpoint")).write()
    found = get_checkpoint_state(tmp_path)
    assert found is not None
    assert found.model_checkpoint_path == f"{tmp_path}/model.ckpt-?????-of-00002"


def test_the_newest_must_be_there(tmp_path: Path) -> None:
    put(tmp_path, "m-1")
    path = str(tmp_path / "checkpoint")
    write_state(path, State("/old/m-2", ("/old/m-1", "/old/m-2")))
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="/old/m-1") as caught:
        plan_repair(path)
    assert caught.value.file == path


def test_timestamps_that_are_not_parallel_stay(tmp_path: Path) -> None:
    put(tmp_path, "m-2")
    path = str(tmp_path / "checkpoint")
    write_state(path, State("/old/m-2", ("/old/m-1", "/old/m-2"), (5.0,)))
    assert plan_repair(path).after == State("m-2", ("m-2",), (5.0,))


def test_a_file_that_changed_meanwhile_is_left(state: str) -> None:
    repair = plan_repair(state)
    write_state(state, State("m-2"))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="has changed"):
        repair.write()
    assert read_state(state) == State("m-2")
