"""Checkpoints behind URLs: the same answers as from a folder, in few requests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import ErrorKind
from tfckpt_reader.storage.remote import object_store

obstore = pytest.importorskip("obstore")
fsspec = pytest.importorskip("fsspec")

TENSORS = {f"layer_{i}/kernel": np.arange(i * 7, dtype="f4").reshape(7, -1) for i in range(1, 9)}


class Counted:
    """The functions of obstore; counts those that make a request."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(obstore, name)

        def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            return function(*args, **options)

        return call


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    found = Counted()
    monkeypatch.setattr(object_store, "obstore", found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2):
        tfckpt.save(tmp_path / f"model-{number}", TENSORS, shards=number)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-2"\n')
    return tmp_path


def in_memory(folder: Path) -> Any:
    store = obstore.store.MemoryStore()
    for path in folder.rglob("*"):
        if path.is_file():
            obstore.put(store, f"run/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return store


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    files = fsspec.filesystem("memory")
    name = f"/{folder.name}-{os.getpid()}"
    files.put(str(folder), name, recursive=True)
    yield f"memory:/{name}"
    files.rm(name, recursive=True)


def assert_same(found: tfckpt.Checkpoint, local: tfckpt.Checkpoint) -> None:
    assert dict(found.specs) == dict(local.specs)
    for arrays in (found.load(), {name: found[name] for name in found}):
        assert list(arrays) == list(local)
        for name, array in arrays.items():
            assert array.dtype == local[name].dtype
            assert np.array_equal(array, local[name])


@pytest.mark.parametrize("path", ["run/model-2", "run/model-2.index", "run", "run/checkpoint"])
def test_a_store_of_the_users_own(folder: Path, path: str) -> None:
    with tfckpt.open(path, filesystem=in_memory(folder)) as found:
        assert found.reader.path.endswith("://run/model-2.index")
        assert_same(found, tfckpt.open(folder / "model-2"))


@pytest.mark.parametrize("path", ["model-2", "model-2.index", "", "checkpoint"])
def test_a_url(folder: Path, url: str, path: str) -> None:
    with tfckpt.open(f"{url}/{path}".removesuffix("/")) as found:
        assert_same(found, tfckpt.open(folder / "model-2"))
    assert tfckpt.latest_checkpoint(url) == f"{url}/model-2"


def test_few_requests(folder: Path, counted: Counted) -> None:
    store = in_memory(folder)
    with tfckpt.open("run/model-1", filesystem=store) as found:
        assert counted.calls == ["list_with_delimiter", "get"]
        counted.calls.clear()
        _ = found["layer_8/kernel"]
        assert counted.calls == ["get"]


def test_an_object_that_changes(folder: Path) -> None:
    store = in_memory(folder)
    with tfckpt.open("run/model-1", filesystem=store) as found:
        path = "run/model-1.data-00000-of-00001"
        obstore.put(store, path, bytes(obstore.head(store, path)["size"]))
        with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while") as caught:
            found.read("layer_8/kernel", rows=slice(0, 1))
    assert caught.value.kind is ErrorKind.CHANGED


def test_a_missing_one(folder: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError, match=r"model-1, .*model-2"):
        tfckpt.open("run/model-9", filesystem=in_memory(folder))
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="no folder"):
        tfckpt.open("other/model", filesystem=in_memory(folder))


def test_verify(folder: Path, url: str) -> None:
    assert tfckpt.verify(f"{url}/model-2").ok
    assert [report.ok for report in tfckpt.verify_all(url)] == [True, True]
    data = folder / "model-1.data-00000-of-00001"
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    report = tfckpt.verify("run/model-1", filesystem=in_memory(folder))
    assert [problem.code for problem in report.problems] == ["TFC401"]
