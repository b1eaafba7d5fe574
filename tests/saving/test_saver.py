"""The manners of a Saver: FORMAT 8.6, a test for each case, and those of its state file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.state_file import read_state

TENSORS = {"w": np.arange(6.0), "global_step": 3}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; an hour later at each look."""
    now = [1_700_000_000.25]
    monkeypatch.setattr("tfckpt_reader.saving.saver.time.time", lambda: now[0])
    return now


def prefixes(folder: Path) -> list[str]:
    return sorted(path.name[: -len(".index")] for path in folder.glob("*.index"))


def test_returns_its_path(tmp_path: Path) -> None:
    saver = tfckpt.Saver(tmp_path)
    assert saver.save(TENSORS) == str(tmp_path / "model.ckpt")
    assert saver.save(TENSORS, 5) == str(tmp_path / "model.ckpt-5")
    assert saver.save(TENSORS, np.int64(6)) == str(tmp_path / "model.ckpt-6")  # type: ignore[arg-type]
    padded = tfckpt.Saver(tmp_path, "m", pad_step_number=True)
    assert padded.save(TENSORS, 5) == str(tmp_path / "m-00000005")
    with tfckpt.open(tmp_path / "model.ckpt-5") as ckpt:
        assert ckpt["w"].tolist() == TENSORS["w"].tolist()  # type: ignore[attr-defined]


def test_sharded(tmp_path: Path) -> None:
    """One graph, an index, two data files; the path is the prefix."""
    (tmp_path / "graph.meta").write_bytes(b"graph")
    saver = tfckpt.Saver(tmp_path, sharded=True)
    path = saver.save(TENSORS, 1, meta_graph=tmp_path / "graph.meta")
    assert path == str(tmp_path / "model.ckpt-1")
    endings = [".data-00000-of-00002", ".data-00001-of-00002", ".index", ".meta"]
    assert sorted(p.name for p in tmp_path.glob("model*")) == [f"model.ckpt-1{e}" for e in endings]
    assert Path(f"{path}.meta").read_bytes() == b"graph"
    assert tfckpt.latest_checkpoint(tmp_path) == path


def test_the_newest_are_kept(tmp_path: Path) -> None:
    saver = tfckpt.Saver(tmp_path, max_to_keep=2)
    for step in range(4):
        saver.save(TENSORS, step)
        assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / f"model.ckpt-{step}")
    assert prefixes(tmp_path) == ["model.ckpt-2", "model.ckpt-3"]
    assert saver.last_checkpoints == [str(tmp_path / f"model.ckpt-{i}") for i in (2, 3)]
    state = read_state(str(tmp_path / "checkpoint"))
    assert (state.newest, state.kept) == ("model.ckpt-3", ("model.ckpt-2", "model.ckpt-3"))
    kept = tfckpt.kept_checkpoints(tmp_path)
    assert not kept.missing + kept.incomplete + kept.other_files


def test_saved_again_it_is_the_newest(tmp_path: Path) -> None:
    saver = tfckpt.Saver(tmp_path, max_to_keep=2)
    for step in (1, 2, 1, 3):
        saver.save(TENSORS, step)
    assert prefixes(tmp_path) == ["model.ckpt-1", "model.ckpt-3"]
    assert read_state(str(tmp_path / "checkpoint")).kept == ("model.ckpt-1", "model.ckpt-3")


@pytest.mark.parametrize("most", [None, 0])
def test_all_are_kept(tmp_path: Path, most: int | None) -> None:
    saver = tfckpt.Saver(tmp_path, max_to_keep=most)
    for step in range(3):
        saver.save(TENSORS, step)
    assert len(prefixes(tmp_path)) == 3
    assert saver.last_checkpoints == []
    assert read_state(str(tmp_path / "checkpoint")).kept == ("model.ckpt-2",)


def test_one_is_left_for_each_time(tmp_path: Path, clock: list[float]) -> None:
    saver = tfckpt.Saver(tmp_path, max_to_keep=1, keep_checkpoint_every_n_hours=2)
    for step in range(6):
        clock[0] += 3600
        saver.save(TENSORS, step)
    # Saved after 1, 2, ... 6 hours. That of the third is the first after two hours; the next is
    # due after four.
    assert prefixes(tmp_path) == ["model.ckpt-2", "model.ckpt-4", "model.ckpt-5"]


def test_the_graph_goes_too(tmp_path: Path) -> None:
    (tmp_path / "g.meta").write_bytes(b"g")
    saver = tfckpt.Saver(tmp_path, max_to_keep=1)
    for step in range(2):
        saver.save(TENSORS, step, meta_graph=tmp_path / "g.meta")
    assert sorted(p.name for p in tmp_path.glob("*.meta")) == ["g.meta", "model.ckpt-1.meta"]


def test_a_later_run_takes_over(tmp_path: Path) -> None:
    first = tfckpt.Saver(tmp_path, max_to_keep=3)
    for step in range(3):
        first.save(TENSORS, step)
    later = tfckpt.Saver(tmp_path, max_to_keep=3)
    later.recover_last_checkpoints([tmp_path / "gone", *tfckpt.kept_checkpoints(tmp_path).there])
    assert later.last_checkpoints == first.last_checkpoints
    later.save(TENSORS, 3)
    assert prefixes(tmp_path) == [f"model.ckpt-{i}" for i in (1, 2, 3)]


def test_the_name_of_the_state_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name of the state file"):
        tfckpt.Saver(tmp_path, "checkpoint").save(TENSORS)
    tfckpt.Saver(tmp_path, "checkpoint").save(TENSORS, 1)
    tfckpt.Saver(tmp_path, "checkpoint", sharded=True).save(TENSORS)
    tfckpt.Saver(tmp_path, "other", latest_filename="newest").save(TENSORS)
    assert read_state(str(tmp_path / "newest")).newest == "other"
    for bad in ("a/b", ""):
        with pytest.raises(ValueError, match="without folders"):
            tfckpt.Saver(tmp_path, latest_filename=bad)
    with pytest.raises(ValueError, match="negative"):
        tfckpt.Saver(tmp_path, max_to_keep=-1)


def test_a_save_that_fails_changes_nothing(tmp_path: Path) -> None:
    saver = tfckpt.Saver(tmp_path, max_to_keep=1)
    saver.save(TENSORS, 1)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(tfckpt.UnsupportedError):
        saver.save({"w": np.zeros(1, "M8[s]")}, 2)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert saver.last_checkpoints == [str(tmp_path / "model.ckpt-1")]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tfckpt.Saver(tmp_path / "no").save(TENSORS, 1)


def test_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("run")
    assert tfckpt.Saver("run").save(TENSORS, 1) == os.path.join("run", "model.ckpt-1")
    assert tfckpt.Saver("").save(TENSORS, 1) == "model.ckpt-1"
    assert read_state("run/checkpoint").newest == read_state("checkpoint").newest == "model.ckpt-1"


def test_the_text_of_the_state_file(tmp_path: Path, clock: list[float]) -> None:
    saver = tfckpt.Saver(tmp_path, 'é"\n', keep_checkpoint_every_n_hours=1)
    saver.save(TENSORS, 1)
    clock[0] += 1.5
    saver.save(TENSORS, 2)
    assert (tmp_path / "checkpoint").read_text("utf-8") == (
        'model_checkpoint_path: "é\\"\\n-2"\n'
        'all_model_checkpoint_paths: "é\\"\\n-1"\n'
        'all_model_checkpoint_paths: "é\\"\\n-2"\n'
        "all_model_checkpoint_timestamps: 1700000000.25\n"
        "all_model_checkpoint_timestamps: 1700000001.75\n"
        "last_preserved_timestamp: 1700000000.25\n"
    )


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    tfckpt.Saver(tmp_path, os.fsdecode(b"\xff")).save(TENSORS, 1)
    assert (tmp_path / "checkpoint").read_bytes().startswith(b'model_checkpoint_path: "\\377-1"\n')
    assert read_state(str(tmp_path / "checkpoint")).newest == os.fsdecode(b"\xff-1")
