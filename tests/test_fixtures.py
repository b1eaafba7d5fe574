"""The fixtures, which TensorFlow wrote, against what TensorFlow reads from them.

`fixtures/README.md` says what the folders and the JSON beside them hold. The helpers of
`support/oracles.py` also compare the checkpoints of the corpus (`test_corpus.py`), whose JSON is
of the same form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from oracles import (
    CASES,
    OBJECTS,
    ORACLES,
    UNREADABLE,
    Record,
    assert_reads,
    assert_spec,
    assert_tensor,
    has_type,
    value_bytes,
)
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.table.table import Table


def some_rows(count: int) -> Iterator[slice]:
    """Rows of all kinds: none, one, the first, the last, those between, all; bounds as Python's."""
    yield from (slice(0, 1), slice(-1, None), slice(1, -1), slice(None), slice(count, None))
    yield from (slice(count // 2, count // 2 + 1), slice(-count - 5, count + 5), slice(2, 1))


@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_values(folder: str, checkpoint: Record) -> None:
    path = FIXTURES / folder / checkpoint["prefix"]
    if folder != "many_blocks":
        assert_reads(path, checkpoint["variables"])
        return
    with tfckpt.open(path) as ckpt:  # its JSON has a sample only; the rest is in one hash
        for name, record in checkpoint["variables"].items():
            assert_spec(ckpt.specs[name], name, record)
            assert_tensor(ckpt[name], record)


@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_rows(folder: str, checkpoint: Record) -> None:
    with tfckpt.open(FIXTURES / folder / checkpoint["prefix"]) as ckpt:
        for name, record in checkpoint["variables"].items():
            if not record["shape"] or record.get("refuse") or not has_type(record):
                continue
            whole = ckpt[name]
            for rows in some_rows(record["shape"][0]):
                for check in (None, True):
                    part = ckpt.read(name, rows=rows, check=check)
                    assert part.dtype == whole.dtype
                    assert part.shape == whole[rows].shape
                    if "objects" in record:
                        assert [v.metadata for v in part] == [v.metadata for v in whole[rows]]
                    else:
                        assert value_bytes(part) == value_bytes(whole[rows])


@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_streamed_bytes(folder: str, checkpoint: Record) -> None:
    with tfckpt.open(FIXTURES / folder / checkpoint["prefix"]) as ckpt:
        for name, record in checkpoint["variables"].items():
            if record["dtype"] in OBJECTS or record.get("refuse"):
                continue
            streamed = b"".join(bytes(piece) for piece in ckpt.reader.chunks(ckpt.specs[name]))
            assert hashlib.sha256(streamed).hexdigest() == record["sha256"]


def test_many_blocks() -> None:
    (oracle,) = ORACLES["many_blocks"]["checkpoints"]
    digest = hashlib.sha256()
    with tfckpt.open(FIXTURES / "many_blocks" / oracle["prefix"]) as ckpt:
        assert len(ckpt) == oracle["count"]
        assert list(ckpt) == sorted(ckpt)
        for name, value in ckpt.items():
            digest.update(name.encode() + b"\0" + value.tobytes())
        assert digest.hexdigest() == oracle["sha256_of_names_and_values"]
        table = ckpt.reader.table  # type: ignore[attr-defined]
        assert isinstance(table, Table)
        found = []
        for _, handle in table.handles():
            keys = [key.decode() for key, _ in table.entries(handle)]
            found.append([keys[0], keys[-1]])
        assert found == oracle["data_blocks"]


def test_slices_are_listed_as_stored() -> None:
    for oracle in ORACLES["sliced"]["checkpoints"]:
        if "stored" not in oracle:
            continue
        stored: dict[str, list[str]] = {}
        for name, text in oracle["stored"]:
            stored.setdefault(name, []).extend([text.rsplit(" ", 1)[-1]] if text else [])
        with tfckpt.open(FIXTURES / "sliced" / oracle["prefix"]) as ckpt:
            found = {name: sorted(map(str, spec.slices)) for name, spec in ckpt.specs.items()}
        assert found == {name: sorted(texts) for name, texts in stored.items()}


def test_partial_slice_is_refused() -> None:
    oracle = next(c for c in ORACLES["v1_sliced"]["checkpoints"] if c.get("refuse"))
    with tfckpt.open(FIXTURES / "v1_sliced" / oracle["prefix"]) as ckpt:
        for name, record in oracle["variables"].items():
            if not record.get("refuse"):
                continue
            with pytest.raises(tfckpt.CorruptCheckpointError, match="hole") as caught:
                ckpt[name]
            assert caught.value.tensor == name
            (text,) = record["stored"]
            assert [str(piece) for piece in ckpt.specs[name].slices] == [text.rsplit(" ", 1)[-1]]


def test_merge_oddity_is_noted() -> None:
    (oracle,) = ORACLES[UNREADABLE]["checkpoints"]
    with tfckpt.open(FIXTURES / UNREADABLE / oracle["prefix"]) as ckpt:
        assert list(ckpt.notes) == []
        next(iter(ckpt.values()))
        assert [("2 shards" in note) for note in ckpt.notes] == [True]
    with tfckpt.open(FIXTURES / "multi_shard" / "model.ckpt") as sound:
        dict(sound)
        assert list(sound.notes) == []


@pytest.mark.parametrize("folder", [name for name, oracle in ORACLES.items() if "state" in oracle])
def test_latest(folder: str) -> None:
    expected = ORACLES[folder]["state"]["latest_checkpoint"]
    found = tfckpt.latest_checkpoint(FIXTURES / folder)
    assert found == str(FIXTURES / folder / expected)
    newest = next(c for c in ORACLES[folder]["checkpoints"] if c["prefix"] == expected)
    for path in (FIXTURES / folder, FIXTURES / folder / "checkpoint", found):
        assert_reads(path, newest["variables"])


@pytest.mark.parametrize("folder", [name for name in ORACLES if name.startswith("saved_model")])
def test_saved_model_by_its_folder(folder: str) -> None:
    (oracle,) = ORACLES[folder]["checkpoints"]
    root = FIXTURES / folder
    for path in (root, f"{root}/", root / "saved_model.pb", root / "variables"):
        assert_reads(path, oracle["variables"])


def test_every_folder_has_its_json() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert folders - {"hostile", "__pycache__"} == set(ORACLES)
