"""State files that TensorFlow wrote, moved and repaired, read by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tfckpt_reader.cli import main

pytestmark = pytest.mark.tensorflow


def save(tf: Any, folder: Path, **options: Any) -> None:
    """Save five steps, keep three, and a second list of its own."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("v", initializer=[1.0, 2.0])
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(max_to_keep=3, **options)
        best = v1.train.Saver(max_to_keep=3, **options)
        for step in range(5):
            saver.save(session, str(folder / "model.ckpt"), global_step=step)
        best.save(session, str(folder / "bëst"), global_step=1, latest_filename="best_list")


def test_tensorflow_finds_moved_checkpoints_again(tf: Any, tmp_path: Path) -> None:
    save(tf, tmp_path / "old")
    moved = (tmp_path / "old").rename(tmp_path / "new")
    assert tf.train.latest_checkpoint(str(moved)) is None
    assert main(["repair-state", str(moved)]) == 1
    assert tf.train.latest_checkpoint(str(moved)) is None
    assert main(["repair-state", str(moved), "--write"]) == 0
    assert tf.train.latest_checkpoint(str(moved)) == f"{moved}/model.ckpt-4"
    assert tf.train.latest_checkpoint(str(moved), "best_list") == f"{moved}/bëst-1"
    kept = tf.train.get_checkpoint_state(str(moved)).all_model_checkpoint_paths
    assert list(kept) == [f"{moved}/model.ckpt-{step}" for step in (2, 3, 4)]
    assert tf.train.list_variables(str(moved)) == [("v", [2])]


def test_same_text_as_relative_paths_of_tensorflow(tf: Any, tmp_path: Path) -> None:
    save(tf, tmp_path / "old")
    save(tf, tmp_path / "relative", save_relative_paths=True)
    moved = (tmp_path / "old").rename(tmp_path / "new")
    assert main(["repair-state", str(moved), "--write"]) == 0
    expected = (tmp_path / "relative" / "checkpoint").read_bytes()
    assert (moved / "checkpoint").read_bytes() == expected


def test_a_manager_goes_on(tf: Any, tmp_path: Path) -> None:
    step = tf.Variable(7)
    old = tf.train.CheckpointManager(tf.train.Checkpoint(step=step), tmp_path / "old", 3)
    for _ in range(4):
        old.save()
    moved = (tmp_path / "old").rename(tmp_path / "new")
    text = (moved / "checkpoint").read_text()
    dead = text.replace('paths: "', 'paths: "/dead/').replace('path: "', 'path: "/dead/')
    (moved / "checkpoint").write_text(dead)
    assert main(["repair-state", str(moved), "--write"]) == 0
    assert (moved / "checkpoint").read_text() == text
    new = tf.train.CheckpointManager(tf.train.Checkpoint(step=step), moved, 3)
    assert new.checkpoints == [f"{moved}/ckpt-{number}" for number in (2, 3, 4)]
