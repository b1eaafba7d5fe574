"""The graph and the SavedModel of a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.paths.companions import (
    companion_files,
    graph_file_at,
    graph_file_of,
    saved_model_file,
    saved_model_of,
    saved_model_variables,
)
from tfckpt_reader.paths.layout import Location


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("m/variables/variables", "m"),
        ("/variables/variables", "/"),
        ("variables/variables", ""),
        ("m/variables/other", None),
        ("m/variables", None),
        ("m/variables/variables/", None),
        ("m/weights/variables", None),
    ],
)
def test_the_folder_of_a_saved_model(prefix: str, folder: str | None) -> None:
    assert saved_model_of(prefix) == folder


def test_the_folder_above_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "variables").mkdir()
    monkeypatch.chdir(tmp_path / "variables")
    assert saved_model_of("variables") == os.pardir
    monkeypatch.chdir(tmp_path)
    assert saved_model_of("variables") is None


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_saved_model(name: str, tmp_path: Path) -> None:
    assert saved_model_file(str(tmp_path)) is None
    assert saved_model_variables(str(tmp_path)) is None
    (tmp_path / name).write_bytes(b"")
    (tmp_path / "variables").mkdir()
    w.write_bundle(tmp_path / "variables" / "variables", {})
    prefix = f"{tmp_path}/variables/variables"
    assert saved_model_variables(str(tmp_path)) == Location("V2", prefix)
    file = f"{tmp_path}/{name}"
    assert saved_model_file(str(tmp_path)) == graph_file_of(prefix) == file
    assert graph_file_at(str(tmp_path)) == graph_file_at(file) == file


def test_the_graph_of_a_checkpoint(tmp_path: Path) -> None:
    prefix, meta = f"{tmp_path}/m", f"{tmp_path}/m.meta"
    assert graph_file_of(prefix) is None
    assert graph_file_at(prefix) == prefix
    Path(meta).write_bytes(b"")
    for name in (prefix, f"{prefix}-?????-of-00002", f"{prefix}-00000-of-00002"):
        assert graph_file_of(name) == meta
    assert graph_file_at(prefix) == graph_file_at(meta) == meta
    Path(prefix).write_bytes(b"")
    assert graph_file_at(prefix) == prefix


def test_a_folder_without_a_graph(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="not a SavedModel") as caught:
        graph_file_at(str(tmp_path))
    assert caught.value.file == str(tmp_path)


def test_companions_by_version() -> None:
    assert [*companion_files(Location("V2", "d/m"))] == [
        "d/m.meta",
        os.path.join("d", "checkpoint"),
    ]
    (meta, _) = companion_files(Location("V1", "d/m-?????-of-00002"))
    assert meta == "d/m.meta"
