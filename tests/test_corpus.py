"""Checkpoints that nobody here wrote, TensorFlow 0.5 to 2.16, against TensorFlow's own answers.

They lie beside the repository (``../shared/corpus``), not in it: without them nothing is tested
here. What is read from them is compared name by name, and so is every way to name them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from oracles import assert_reads, value_bytes
from project import CORPUS

import tfckpt_reader as tfckpt
from tfckpt_reader.verification.codes import CODES, LEVELS, reaches

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"the corpus of real checkpoints is not at {CORPUS}"
)
Entry = Mapping[str, Any]


def entries() -> list[Entry]:
    manifest = CORPUS / "manifest.json"
    found: list[Entry] = json.loads(manifest.read_text("utf-8")) if manifest.exists() else []
    return found


def folder_of(entry: Entry) -> Path:
    return CORPUS / "files" / str(entry["id"])


def oracle_of(entry: Entry) -> dict[str, Any]:
    text = (CORPUS / str(entry["oracle"])).read_text("utf-8")
    oracle: dict[str, Any] = json.loads(text)
    return oracle


ENTRIES = entries()
MISSING_NEWEST = "v2_tfcheckpoint_safe_rl__DavideCiGi"  # its state file names what is not there
META_ONLY = "meta_only_kmeans__SciSharp_TFNET"
WITH_TENSORS = [entry for entry in ENTRIES if entry["id"] != META_ONLY]
each_entry = pytest.mark.parametrize("entry", WITH_TENSORS, ids=lambda entry: entry["id"])


def readable(entry: Entry) -> list[dict[str, Any]]:
    """TensorFlow's answers per prefix, but for prefixes it could not open at all."""
    return [found for found in oracle_of(entry)["checkpoints"] if "variables" in found]


def spellings(entry: Entry) -> Iterator[str]:
    """Every way to name the checkpoint that an entry holds, its prefix first."""
    folder = folder_of(entry)
    yield f"{folder}/{entry['prefix']}"
    for name in entry["alt_prefixes"]:
        yield f"{folder}/{name}"
    for name in entry["files"]:
        if name not in ("checkpoint", "fingerprint.pb"):
            yield f"{folder}/{name}"
    if entry["id"] != MISSING_NEWEST:
        yield str(folder)
        yield f"{folder}/"
    if "checkpoint" in entry["files"] and entry["id"] != MISSING_NEWEST:
        yield f"{folder}/checkpoint"
    if entry["container"] == "saved_model":
        yield f"{folder}/variables"


def test_all_of_it_is_here() -> None:
    assert len(ENTRIES) == 18
    assert {entry["id"] for entry in ENTRIES} == {
        path.name for path in (CORPUS / "files").iterdir()
    }


@each_entry
def test_values(entry: Entry) -> None:
    found = readable(entry)
    assert found
    for checkpoint in found:
        assert len(checkpoint["variables"]) == checkpoint["n_variables"]
        assert_reads(f"{folder_of(entry)}/{checkpoint['prefix']}", checkpoint["variables"])


@each_entry
def test_spellings(entry: Entry) -> None:
    expected = readable(entry)[0]["variables"]
    good = next(name for name, record in expected.items() if "error" not in record)
    with tfckpt.open(f"{folder_of(entry)}/{entry['prefix']}") as ckpt:
        specs, value = dict(ckpt.specs), value_bytes(ckpt[good])
    for path in spellings(entry):
        with tfckpt.open(path) as ckpt:
            assert dict(ckpt.specs) == specs, path
            assert value_bytes(ckpt[good]) == value


@each_entry
def test_rows(entry: Entry) -> None:
    for checkpoint in readable(entry):
        with tfckpt.open(f"{folder_of(entry)}/{checkpoint['prefix']}") as ckpt:
            for name, record in checkpoint["variables"].items():
                if not record["shape"] or "error" in record:
                    continue
                whole, count = ckpt[name], record["shape"][0]
                for rows in (slice(0, 1), slice(count // 2, None), slice(-1, None)):
                    part = ckpt.read(name, rows=rows)
                    assert value_bytes(part) == value_bytes(whole[rows])


# What is wrong with those that are not sound, as their traits and TensorFlow's answers say.
UNSOUND = {"v2_missing_shard": ["TFC301"]}


@pytest.mark.parametrize("level", LEVELS)
@each_entry
def test_sound_checkpoints_have_no_problems(entry: Entry, level: str) -> None:
    for checkpoint in readable(entry):
        report = tfckpt.verify(f"{folder_of(entry)}/{checkpoint['prefix']}", level=level)
        expected = next((c for start, c in UNSOUND.items() if entry["id"].startswith(start)), [])
        expected = [code for code in expected if reaches(level, CODES[code].level)]
        found = [problem.code for problem in report.problems]
        assert found == expected, [str(problem) for problem in report.problems]
        assert report.ok == (expected == [])
        assert bool(report.diagnosis) == bool(expected)
        assert report.tensors > 0


def test_missing_shard_is_named() -> None:
    (entry,) = (e for e in ENTRIES if e["id"].startswith("v2_missing_shard"))
    (checkpoint,) = readable(entry)
    lost = [name for name, record in checkpoint["variables"].items() if "error" in record]
    assert lost
    with tfckpt.open(f"{folder_of(entry)}/{checkpoint['prefix']}") as ckpt:
        for name in lost:
            with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
                ckpt[name]
            assert caught.value.file == f"{folder_of(entry)}/ckpt_1.data-00001-of-00002"
            assert caught.value.tensor == name
            assert ckpt.specs[name].shard == 1


def test_meta_alone_is_no_checkpoint() -> None:
    (entry,) = (e for e in ENTRIES if e["id"] == META_ONLY)
    assert oracle_of(entry)["checkpoints"] == []
    for path in (folder_of(entry) / "kmeans.meta", folder_of(entry)):
        with pytest.raises(tfckpt.CheckpointNotFoundError):
            tfckpt.open(path)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if "checkpoint" in entry["files"]],
    ids=lambda entry: entry["id"],
)
def test_state_files(entry: Entry) -> None:
    folder = folder_of(entry)
    state = oracle_of(entry)["state"]["checkpoint"]
    found = tfckpt.latest_checkpoint(folder)
    if entry["id"] == MISSING_NEWEST:
        assert found is None
        with pytest.raises(tfckpt.CheckpointNotFoundError, match="ckpt-10"):
            tfckpt.open(folder)
        return
    assert found is not None
    with tfckpt.open(found) as ckpt, tfckpt.open(f"{folder}/{entry['prefix']}") as expected:
        assert dict(ckpt.specs) == dict(expected.specs)
    moved = state["latest_checkpoint"] is None  # TensorFlow finds nothing there
    with tfckpt.open(folder) as ckpt:
        assert any(state["model_checkpoint_path"] in note for note in ckpt.notes) == (
            moved or state["model_checkpoint_path"] == "."
        )


@each_entry
def test_written_again(entry: Entry, tmp_path: Path) -> None:
    """What is read of it is written, and what was written is read: all is the same."""
    for checkpoint in readable(entry):
        source, target = f"{folder_of(entry)}/{checkpoint['prefix']}", tmp_path / "out.ckpt"
        if entry["id"].startswith("v2_missing_shard"):
            with pytest.raises(tfckpt.CheckpointNotFoundError):
                tfckpt.convert(source, target)
            assert list(tmp_path.iterdir()) == []
            continue
        tfckpt.convert(source, target, force=True, shards=2)
        with tfckpt.open(source) as before, tfckpt.open(target) as after:
            assert list(after) == list(before)
            for name, spec in before.specs.items():
                again = after.specs[name]
                assert (again.dtype, again.shape) == (spec.dtype, spec.shape)
                assert value_bytes(after[name]) == value_bytes(before[name])
        assert not tfckpt.verify(target).problems
