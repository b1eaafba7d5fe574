"""Graphs and objects beside a checkpoint, compared with the tensors in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from defects import (
    DATA,
    INDEX,
    INTS,
    SAVED_NAMES,
    VALUE,
    bundle,
    codes,
    objects,
    poke,
    real_model,
    refusing,
    v1,
    v1_with_meta,
    with_hash,
    with_meta,
)

from tfckpt_reader import verify
from tfckpt_reader.verification.checks import restored_keys


def test_a_graph_of_the_same_names_is_fine(tmp_path: Path) -> None:
    assert codes(verify(with_meta(tmp_path))) == []
    assert codes(verify(with_meta(tmp_path, *SAVED_NAMES, "and/more"))) == []


def test_a_table_is_saved_under_longer_keys(tmp_path: Path) -> None:
    values = {"t/.ATTRIBUTES/table-keys": INTS, "t/.ATTRIBUTES/table-values": INTS}
    assert codes(verify(objects(tmp_path, "t/.ATTRIBUTES/table", tensors=values))) == []
    assert codes(verify(objects(tmp_path, "u/.ATTRIBUTES/table", tensors=values))) == ["TFC504"]
    assert codes(verify(objects(tmp_path, "s/.ATTRIBUTES/table", tensors=values))) == ["TFC504"]


def test_a_graph_of_another_model(tmp_path: Path) -> None:
    prefix = with_meta(tmp_path, "a", "b")
    report = verify(prefix)
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC503", n) for n in SAVED_NAMES]
    assert {p.file for p in report.problems} == {f"{prefix}.meta"}
    (line,) = report.diagnosis
    assert "restores 'global_step' and 3 more" in line


def test_a_graph_that_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left aside, and that is said."""
    prefix = with_meta(tmp_path, "a", "b")
    monkeypatch.setattr(restored_keys, "_LARGEST_GRAPH", 10)
    report = verify(prefix)
    assert report.problems == ()
    (note,) = report.notes
    assert note.startswith(f"{prefix}.meta was not compared: it has ")


def test_a_thousand_keys_are_not_reported_individually(tmp_path: Path) -> None:
    prefix = objects(tmp_path, *(f"{n:04d}{VALUE}" for n in range(1000)))
    report = verify(prefix)
    assert set(codes(report)) == {"TFC504"}
    assert len(report.problems) == 101
    assert "900 more keys" in report.problems[-1].what


def test_a_damaged_index_does_not_accuse_the_graph(tmp_path: Path) -> None:
    prefix = with_meta(tmp_path)
    poke(prefix, INDEX, Path(f"{prefix}{INDEX}").read_bytes().index(b"v1", 20))
    assert codes(verify(prefix)) == ["TFC104"]
    prefix = v1_with_meta(tmp_path, *SAVED_NAMES)
    poke(prefix, "", -9)
    assert codes(verify(Path(f"{prefix}"))) == ["TFC104"]


def test_damaged_objects_are_reported_once(tmp_path: Path) -> None:
    prefix = objects(tmp_path, "a" + VALUE)
    assert codes(verify(poke(prefix, DATA, -3))) == ["TFC401"]


def test_a_very_large_graph_is_left_aside(tmp_path: Path) -> None:
    prefix = with_meta(tmp_path, "a")
    os.truncate(f"{prefix}.meta", 100 << 20)
    report = verify(prefix)
    assert codes(report) == []
    assert any("was not compared" in note for note in report.notes)


@pytest.mark.parametrize("name", ["fingerprint.pb", "saved_model.pb"])
def test_an_unreadable_file_beside_does_not_hide_the_rest(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = real_model(tmp_path)
    poke(model / "variables" / "variables", DATA, 1)
    refusing(monkeypatch, name)
    found = {(p.code, os.path.basename(p.file or "")) for p in verify(model).problems}
    assert found == {("TFC354", name), ("TFC401", f"variables{DATA}")}


# What is beside it.


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_a_checkpoint_without_tensors_lacks_what_the_graph_restores(
    version: str, tmp_path: Path
) -> None:
    prefix = with_meta(tmp_path)
    bundle(tmp_path, {})
    if version == "V1":
        Path(f"{prefix}{INDEX}").unlink()
        v1(tmp_path, {})
    report = verify(prefix)
    assert report.version == version
    assert codes(report) == ["TFC503"] * 4
    assert {p.tensor for p in report.problems} == set(SAVED_NAMES)


@pytest.mark.parametrize("prefix", ["variables", "./variables", "../variables/variables"])
def test_a_saved_model_is_one_from_within(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder need not be in the path to be known."""
    model = real_model(tmp_path, edit=with_hash(1))
    Path(model, "saved_model.pb").write_bytes(b"\xff\xff")
    monkeypatch.chdir(model / "variables")
    report = verify(prefix)
    assert codes(report) == ["TFC502", "TFC505"]
    graph = report.problems[1].file
    assert graph is not None
    assert os.path.samefile(graph, model / "saved_model.pb")
