"""The checkpoints of a state file, and the other files in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.paths.state_file import listed_checkpoint


def state(folder: Path, *names: str) -> None:
    lines = [f'model_checkpoint_path: "{names[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
    (folder / "checkpoint").write_text("\n".join(lines), "utf-8")


def put(folder: Path, source: str, name: str) -> list[str]:
    """Copy a checkpoint under another name; return the names of its files."""
    base = FIXTURES / source
    found = []
    for path in base.parent.glob(f"{base.name}*"):
        target = path.name.replace(base.name, name, 1)
        shutil.copy(path, folder / target)
        found.append(target)
    return found


def test_complete_missing_and_other_files(tmp_path: Path) -> None:
    put(tmp_path, "saver_tf1/model.ckpt-1", "model-1")
    left = put(tmp_path, "saver_tf1/model.ckpt-1", "model-10")
    put(tmp_path, "v1_sharded/model.ckpt", "old")
    (tmp_path / "events.out").write_bytes(b"")
    (tmp_path / "model-1.data-00000-of-00001.tmp").write_bytes(b"")
    (tmp_path / "export").mkdir()
    pattern = next(tmp_path.glob("old-00000-of-*")).name.replace("00000", "?????", 1)
    state(tmp_path, "model-0", pattern, f"{tmp_path}/elsewhere/model-1")
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert kept.kept == ("model-0", pattern, f"{tmp_path}/elsewhere/model-1")
    assert kept.newest == kept.kept[-1]
    assert kept.there == (str(tmp_path / pattern), str(tmp_path / "model-1"))
    assert kept.missing == ("model-0",)
    others = {*left, "events.out", "model-1.data-00000-of-00001.tmp"}
    assert set(kept.other_files) == others
    for path in kept.there:
        with tfckpt.open(path) as ckpt:
            assert len(ckpt) > 0


def test_incomplete_checkpoints(tmp_path: Path) -> None:
    """Partly deleted or copied: the remaining files still belong to them."""
    put(tmp_path, "multi_shard/model.ckpt", "shards")
    (tmp_path / "shards.data-00001-of-00003").unlink()
    put(tmp_path, "v1_sharded/model.ckpt", "v1")
    pattern = next(tmp_path.glob("v1-00000-of-*")).name.replace("00000", "?????", 1)
    next(tmp_path.glob("v1-00001-of-*")).unlink()
    put(tmp_path, "saver_tf1/model.ckpt-1", "left")
    (tmp_path / "left.index").unlink()
    put(tmp_path, "saver_tf1/model.ckpt-1", "bare")
    (tmp_path / "bare.data-00000-of-00001").unlink()
    (tmp_path / "unsound").write_bytes(b"no table")
    (tmp_path / "lost.txt").write_bytes(b"")
    put(tmp_path, "saver_tf1/model.ckpt-1", "whole")
    state(tmp_path, "lost", "shards", pattern, "left", "bare", "unsound", "whole")
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert kept.incomplete == ("shards", pattern, "left", "bare", "unsound")
    assert kept.missing == ("lost",)
    assert kept.there == (str(tmp_path / "whole"),)
    assert kept.other_files == ("lost.txt",)


def test_a_name_with_several_sets_of_shards(tmp_path: Path) -> None:
    """The other checkpoints are still listed."""
    put(tmp_path, "saver_tf1/model.ckpt-1", "whole")
    put(tmp_path, "v1_sharded/model.ckpt", "v1")
    for path in list(tmp_path.glob("v1-*")):
        shutil.copy(path, f"{str(path)[:-5]}00009")
    state(tmp_path, "v1", "whole")
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert kept.incomplete == ("v1",)
    assert kept.there == (str(tmp_path / "whole"),)
    assert kept.other_files == ()


def test_a_v2_name_that_looks_like_a_v1_shard(tmp_path: Path) -> None:
    put(tmp_path, "saver_tf1/model.ckpt-1", "m-00000-of-00002")
    (tmp_path / "m-00000-of-00002.meta").rename(tmp_path / "m.meta")  # TensorFlow cuts the ending
    state(tmp_path, "m-00000-of-00002")
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert kept.there == (str(tmp_path / "m-00000-of-00002"),)
    assert (kept.missing, kept.incomplete) == ((), ())


def test_files_of_similar_names(tmp_path: Path) -> None:
    put(tmp_path, "saver_tf1/model.ckpt-1", "model-1")
    others = put(tmp_path, "saver_tf1/model.ckpt-1", "model-1.meta")
    others += put(tmp_path, "saver_tf1/model.ckpt-1", "model-1.index")
    state(tmp_path, "model-1")
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert kept.there == (str(tmp_path / "model-1"),)
    assert set(kept.other_files) == set(others)


def test_missing_checkpoints_of_long_lists_cost_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each search would list the folder."""
    searched = []

    def recording(state_path: str, written: str) -> Location | None:
        searched.append(written)
        return listed_checkpoint(state_path, written)

    monkeypatch.setattr("tfckpt_reader.paths.retention.listed_checkpoint", recording)
    put(tmp_path, "saver_tf1/model.ckpt-1", "model-1")
    (tmp_path / "sub").mkdir()
    put(tmp_path / "sub", "v1_sharded/model.ckpt", "model-2")
    put(tmp_path / "sub", "saver_tf1/model.ckpt-1", "")
    pattern = next((tmp_path / "sub").glob("model-2-00000-of-*")).name.replace("00000", "?????", 1)
    gone = [f"{folder}/gone-{i}" for i in range(500) for folder in ("/elsewhere", "sub")]
    there = [f"sub/{pattern}", "sub", "model-1"]
    state(tmp_path, *gone, *there)
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert len(kept.missing) == 1000
    assert kept.there == (f"{tmp_path}/sub/{pattern}", f"{tmp_path}/sub/", f"{tmp_path}/model-1")
    assert searched == there


def test_no_state_file(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.kept_checkpoints(tmp_path)
    (tmp_path / "checkpoint").write_text("what is this", "utf-8")
    with pytest.raises(tfckpt.CorruptCheckpointError):
        tfckpt.kept_checkpoints(tmp_path)


def test_fixture() -> None:
    kept = tfckpt.kept_checkpoints(FIXTURES / "saver_tf1")
    assert kept.missing == ()
    assert kept.other_files == ()
    assert [Path(path).name for path in kept.there] == [Path(path).name for path in kept.kept]


def test_second_state_files_and_their_checkpoints_are_no_other_files(tmp_path: Path) -> None:
    put(tmp_path, "saver_tf1/model.ckpt-1", "model-1")
    put(tmp_path, "saver_tf1/model.ckpt-1", "best-1")
    other = put(tmp_path, "saver_tf1/model.ckpt-1", "other-1")
    state(tmp_path, "best-1")
    (tmp_path / "checkpoint").rename(tmp_path / "best")
    assert tfckpt.kept_checkpoints(tmp_path).newest == "best-1"
    state(tmp_path, "model-1")
    (tmp_path / "broken").write_text("model_checkpoint_path")
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert kept.newest == "model-1"
    assert set(kept.other_files) == set(other)
