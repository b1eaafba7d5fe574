"""What a state file keeps, and what else lies in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tfckpt_reader as tfckpt

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


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


def test_kept_there_and_others(tmp_path: Path) -> None:
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
