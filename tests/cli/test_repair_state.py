"""The command ``repair-state``: a dry run, then the rewriting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from commands import Run, one_line

DEAD = 'model_checkpoint_path: "/old/m-1"\nall_model_checkpoint_paths: ["/old/m-0", "/old/m-1"]\n'


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    w.write_bundle(tmp_path / "m-1", {"v": np.arange(3)})
    for name in ("checkpoint", "second"):
        (tmp_path / name).write_text(DEAD)
    return tmp_path


def test_dry_run_then_write(run: Run, moved: Path) -> None:
    done = run("repair-state", moved)
    assert done.code == 1
    assert done.lines == [
        f"{moved}/checkpoint",
        "  /old/m-0 -> left out: it has no file here",
        "  /old/m-1 -> m-1",
        f"{moved}/second",
        "  /old/m-0 -> left out: it has no file here",
        "  /old/m-1 -> m-1",
        "2 state files to rewrite; --write does it",
    ]
    assert (moved / "checkpoint").read_text() == (moved / "second").read_text() == DEAD
    written = run("repair-state", moved, "--write")
    assert written.code == 0
    assert written.lines[-1] == "2 state files rewritten"
    text = 'model_checkpoint_path: "m-1"\nall_model_checkpoint_paths: "m-1"\n'
    assert (moved / "checkpoint").read_text() == (moved / "second").read_text() == text
    again = run("repair-state", moved)
    assert (again.code, again.lines) == (0, ["2 state files: nothing to repair"])


def test_json_and_one_file(run: Run, moved: Path) -> None:
    done = run("repair-state", moved / "second", "--json")
    assert done.code == 1
    assert done.json["written"] is False
    (file,) = done.json["files"]
    assert file["path"] == str(moved / "second")
    assert file["changes"] == [{"from": "/old/m-0", "to": None}, {"from": "/old/m-1", "to": "m-1"}]


def test_nothing_is_written_if_one_cannot_be_repaired(run: Run, moved: Path) -> None:
    (moved / "second").write_text('model_checkpoint_path: "/old/m-7"')
    done = run("repair-state", moved, "--write")
    assert done.code == 2
    assert "/old/m-7" in one_line(done.err)
    assert (moved / "checkpoint").read_text() == DEAD


def test_a_folder_without_a_state_file(run: Run, tmp_path: Path) -> None:
    done = run("repair-state", tmp_path)
    assert done.code == 2
    assert "no state file" in one_line(done.err)
