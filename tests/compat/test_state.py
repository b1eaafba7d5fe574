"""State files by TensorFlow's functions; `tests/tensorflow` compares them with TensorFlow's."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import writers as w

import tfckpt_reader.compat as train


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html>", "no valid CheckpointState"),
        ('\ufeffmodel_checkpoint_path: "p"', "byte order mark"),
        (r'model_checkpoint_path: "C:\p"', "backslashes must be doubled"),
        (r'model_checkpoint_path: "\377"', "UTF-8"),
    ],
)
def test_ignored_files_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    (tmp_path / "checkpoint").write_text(text, "utf-8")
    with caplog.at_level(logging.WARNING, "tensorflow"):
        assert train.get_checkpoint_state(tmp_path) is None
    assert "Checkpoint ignored" in caplog.text
    assert reason in caplog.text


def test_second_state_file(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"v": np.arange(3)})
    (tmp_path / "best").write_text('model_checkpoint_path: "p"')
    assert train.latest_checkpoint(tmp_path) is None
    assert train.latest_checkpoint(tmp_path, "best") == f"{tmp_path}/p"
    state = train.get_checkpoint_state(tmp_path, latest_filename="best")
    assert str(state) == f'model_checkpoint_path: "{tmp_path}/p"\n'


def test_new_checkpoints_one_after_another(tmp_path: Path) -> None:
    def save(step: int) -> None:
        w.write_bundle(tmp_path / f"p-{step}", {"v": np.arange(3)})
        (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "p-{step}"')

    save(1)
    found = train.checkpoints_iterator(tmp_path, timeout=0)
    assert next(found) == f"{tmp_path}/p-1"
    save(2)
    assert list(found) == [f"{tmp_path}/p-2"]
