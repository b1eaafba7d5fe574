"""8.7 of the format's specification: state files, as TensorFlow's tests pin them down."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.state_file import read_state


def test_case_75_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dir"
    folder.mkdir()
    w.write_bundle(folder / "model.ckpt-1", {"v": np.array(1, np.int32)})
    (folder / "checkpoint").write_text('model_checkpoint_path: "./model.ckpt-1"\n')
    assert tfckpt.latest_checkpoint(folder) == f"{folder}/./model.ckpt-1"
    monkeypatch.chdir(tmp_path)
    assert tfckpt.latest_checkpoint("dir") == "dir/./model.ckpt-1"
    absolute = f'model_checkpoint_path: "{folder}/model.ckpt-1"\n'
    (folder / "checkpoint").write_text(absolute)
    assert tfckpt.latest_checkpoint("dir") == f"{folder}/model.ckpt-1"
    assert tfckpt.open("dir")["v"] == 1


def test_case_76_empty_state_file(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("")
    for read in (read_state, tfckpt.open):
        with pytest.raises(tfckpt.CorruptCheckpointError, match="no checkpoint") as caught:
            read(str(tmp_path / "checkpoint"))
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_case_77_existence(tmp_path: Path, version: str, sharded: bool) -> None:
    tensors = {"a": np.array(1, np.int32), "b": np.array(2, np.int32)}
    prefix = tmp_path / "ckpt"
    if version == "V2":
        w.write_bundle(prefix, tensors, shards=2 if sharded else 1)
    elif sharded:
        w.write_v1_shards(prefix, tensors, shards=2)
        prefix = tmp_path / "ckpt-?????-of-00002"
    else:
        w.write_v1(prefix, tensors)
    for path in tmp_path.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    found = locate(prefix)
    assert found.version == version
    assert found.modified == 1_600_000_000
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        locate(prefix)


def test_case_78_manager() -> None:
    state = read_state(str(FIXTURES / "tf2_checkpoint" / "checkpoint"))
    assert (state.newest, state.kept) == ("ckpt-2", ("ckpt-1", "ckpt-2"))
    assert state.timestamps == (1700000060.25, 1700000120.25)
    assert state.last_preserved == 1699999999.25
