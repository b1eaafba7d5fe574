"""Checkpoints behind URLs: the same answers as from a folder, in few requests."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import in_child
from project import CORPUS, FIXTURES
from stores import Counted, counted, in_memory

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.errors import ErrorKind
from tfckpt_reader.storage.remote import objects

obstore = pytest.importorskip("obstore")
fsspec = pytest.importorskip("fsspec")

object_store = importlib.import_module("tfckpt_reader.storage.remote.object_store")

TENSORS = {f"layer_{i}/kernel": np.arange(i * 7, dtype="f4").reshape(7, -1) for i in range(1, 9)}
_NUMBER = re.compile(r"store\+\d+://run")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return counted(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2):
        tfckpt.save(tmp_path / f"model-{number}", TENSORS, shards=number)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-2"\n')
    return tmp_path


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


@pytest.mark.parametrize("path", ["model-2", "model-2.index", "", "checkpoint", "./model-2"])
def test_a_store_of_the_users_own(folder: Path, path: str) -> None:
    with tfckpt.open(f"run/{path}", filesystem=in_memory(folder)) as found:
        assert found.reader.path.endswith("/model-2.index")
        assert_same(found, tfckpt.open(folder / "model-2"))


@pytest.mark.parametrize("path", ["model-2", "model-2.index", "", "checkpoint"])
def test_a_url(folder: Path, url: str, path: str) -> None:
    with tfckpt.open(f"{url}/{path}".removesuffix("/")) as found:
        assert_same(found, tfckpt.open(folder / "model-2"))
    assert tfckpt.latest_checkpoint(url) == f"{url}/model-2"
    assert tfckpt.kept_checkpoints(url).there == (f"{url}/model-2",)


def test_a_url_of_a_file(folder: Path) -> None:
    with tfckpt.open(f"file://{folder}/model-2") as found:
        assert found.reader.path == f"{folder}/model-2.index"


def test_few_requests(folder: Path, requests: Counted) -> None:
    with tfckpt.open("run/model-1", filesystem=in_memory(folder)) as found:
        assert requests.since() == ["list_with_delimiter", "get"]
        _ = found["layer_8/kernel"]
        assert requests.since() == ["get"]
        found.load()
        assert requests.since() == []


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of more than a megabyte, and 32 MiB of data."""
    folder = tmp_path_factory.mktemp("large")
    rows = {"rows": np.arange(1 << 22, dtype="i4").reshape(-1, 64)}
    many = {f"tensor_{i:05}": np.array([i, -i], "i8") for i in range(60_000)}
    tfckpt.save(folder / "model", rows | many | {"z": np.ones(1 << 22, "f4")})
    return folder


def test_few_requests_for_a_large_one(large: Path, requests: Counted) -> None:
    assert (large / "model.index").stat().st_size > 1 << 20
    with tfckpt.open("run/model", filesystem=in_memory(large)) as found:
        assert len(requests.since()) <= 4
        assert found.specs["rows"].shape == (1 << 16, 64)
        requests.since()
        assert found.read("rows", rows=slice(9, 11)).tolist()[1][0] == 640
        assert len(requests.since()) == 1
        assert found["tensor_30000"].tolist() == [30000, -30000]
        assert len(requests.since()) <= 2
        assert len(found) == 60_002
        assert len(requests.since()) <= 4
        names = [f"tensor_{i:05}" for i in range(0, 40_000, 200)]
        assert [array[0] for array in found.load(names).values()] == list(range(0, 40_000, 200))
        assert len(requests.since()) <= 4


def test_large_tensors_in_parts(
    large: Path, requests: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "WINDOW", 1 << 20)
    with tfckpt.open("run/model", filesystem=in_memory(large)) as found:
        expected = np.arange(1 << 22, dtype="i4").reshape(-1, 64)
        for array in (found["rows"], found.read("rows"), found.load(["rows"])["rows"]):
            assert np.array_equal(array, expected)
        assert requests.since().count("get") >= 3 * 16
        assert np.array_equal(found.read("rows", rows=slice(9, 60_000)), expected[9:60_000])
    assert tfckpt.verify("run/model", filesystem=in_memory(large)).ok


def test_convert(folder: Path, url: str, tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    for number, source in enumerate([url, f"{url}/model-2", "model-2"]):
        own = files if "://" not in source else None
        path = f"{url.removeprefix('memory:/')}/{source}" if own else source
        tfckpt.convert(path, tmp_path / f"{number}.npz", filesystem=own)
        with np.load(tmp_path / f"{number}.npz") as arrays:
            assert all(np.array_equal(arrays[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("kind", ["npz", "safetensors", "npy"])
def test_convert_arrays_of_others(folder: Path, kind: str, tmp_path: Path) -> None:
    (tmp_path / "arrays").mkdir()
    out = tmp_path / "arrays" / ("a.npz" if kind == "npz" else "a.safetensors")
    out = tmp_path / "arrays" if kind == "npy" else out
    tfckpt.convert(folder / "model-1", out, format=kind, force=True)
    base = "" if kind == "npy" else f"/{out.name}"
    tfckpt.convert(f"run{base}", tmp_path / "b.ckpt", filesystem=in_memory(tmp_path / "arrays"))
    assert_same(tfckpt.open(tmp_path / "b.ckpt"), tfckpt.open(folder / "model-1"))


def test_a_graph() -> None:
    store = in_memory(FIXTURES / "saver_tf1")
    local = tfckpt.read_meta_graph(FIXTURES / "saver_tf1" / "model.ckpt-1.meta")
    found = tfckpt.read_meta_graph("run/model.ckpt-1", filesystem=store)
    assert [op.name for op in found.operations] == [op.name for op in local.operations]
    with tfckpt.open("run/model.ckpt-1", filesystem=store) as ckpt:
        assert ckpt.meta_graph is not None
        assert len(ckpt.meta_graph) == len(local)


def replace(store: Any, path: str) -> None:
    obstore.put(store, path, bytes(obstore.head(store, path)["size"]))


@pytest.mark.parametrize("name", ["model-1.data-00000-of-00001", "model-1.index"])
@pytest.mark.parametrize("opened", [True, False])
def test_a_file_that_changes(folder: Path, name: str, opened: bool) -> None:
    store = in_memory(folder)
    with tfckpt.open("run/model-1", filesystem=store, check=False) as found:
        if opened:
            found.read("layer_1/kernel", rows=slice(0, 1))
        replace(store, f"run/{name}")
        if name.endswith("index"):  # read already, and what it says is still true
            assert found["layer_8/kernel"].tolist() == TENSORS["layer_8/kernel"].tolist()
            return
        if opened:  # in memory already
            assert found["layer_8/kernel"].tolist() == TENSORS["layer_8/kernel"].tolist()
            return
        with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while") as caught:
            found.read("layer_8/kernel", rows=slice(0, 1))
    assert caught.value.kind is ErrorKind.CHANGED


def test_another_reader_saw_the_change(folder: Path) -> None:
    """The older reader must not take bytes of the later save."""
    store = in_memory(folder)
    with tfckpt.open("run/model-1", filesystem=store, check=False) as older:
        replace(store, "run/model-1.data-00000-of-00001")
        with tfckpt.open("run/model-1", filesystem=store, check=False) as later:
            assert not later["layer_8/kernel"].any()
        with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while"):
            _ = older["layer_8/kernel"]


def test_a_change_under_fsspec(folder: Path, url: str) -> None:
    files = fsspec.filesystem("memory")
    with tfckpt.open(f"{url}/model-1") as found:
        path = f"{url}/model-1.data-00000-of-00001"
        files.pipe_file(path, bytes(files.size(path)))
        with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while"):
            found.read("layer_8/kernel", rows=slice(0, 1))


def test_missing_ones(folder: Path) -> None:
    store = in_memory(folder)
    with pytest.raises(tfckpt.CheckpointNotFoundError, match=r"model-1, .*model-2"):
        tfckpt.open("run/model-9", filesystem=store)
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="no folder"):
        tfckpt.open("other/model", filesystem=store)
    obstore.delete(store, "run/model-2.data-00001-of-00002")
    with (
        tfckpt.open("run/model-2", filesystem=store) as found,
        pytest.raises(tfckpt.CheckpointNotFoundError, match="shard 1 of 2 is missing"),
    ):
        found.load()
    report = tfckpt.verify("run/model-2", filesystem=store)
    assert [problem.code for problem in report.problems] == ["TFC301"]


def test_verify(folder: Path, url: str) -> None:
    assert tfckpt.verify(f"{url}/model-2").ok
    assert [report.ok for report in tfckpt.verify_all(url)] == [True, True]
    data = folder / "model-1.data-00000-of-00001"
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    report = tfckpt.verify("run/model-1", filesystem=in_memory(folder))
    assert [problem.code for problem in report.problems] == ["TFC401"]


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except tfckpt.CheckpointError as error:
        return type(error).__name__, error.problem, error.kind


def facts(report: tfckpt.Report) -> str:
    problems = (report.problems, report.notes, report.diagnosis, report.coverage)
    return str((report.path, report.version, report.tensors, report.nbytes, *problems))


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of real checkpoints at {CORPUS}")
@pytest.mark.parametrize(
    "folder", sorted((CORPUS / "files").glob("*")), ids=lambda folder: folder.name
)
def test_real_checkpoints(folder: Path) -> None:
    store = in_memory(folder)
    local = outcome(lambda: [facts(each) for each in tfckpt.verify_all(folder)])
    found = outcome(lambda: [facts(each) for each in tfckpt.verify_all("run", filesystem=store)])
    assert _NUMBER.sub("TOP", str(found)) == str(local).replace(str(folder), "TOP")
    for report in tfckpt.verify_all(folder) if isinstance(local, list) else ():
        if report.version:
            name = os.path.relpath(report.path, folder)
            with (
                tfckpt.open(report.path) as ckpt,
                tfckpt.open(f"run/{name}", filesystem=store) as other,
            ):
                assert dict(other.specs) == dict(ckpt.specs)
                for tensor in ckpt:
                    assert outcome(partial(value, other, tensor)) == outcome(
                        partial(value, ckpt, tensor)
                    )


def value(ckpt: tfckpt.Checkpoint, name: str) -> object:
    array = ckpt[name]
    return array.dtype.str, array.shape, array.tolist() if array.dtype == "O" else array.tobytes()


def test_commands(folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["ls"], ["show", "layer_1/kernel"], ["verify"], ["tree"]):
        printed = []
        for path in (f"{url}/model-2", f"{folder}/model-2"):
            assert main([command[0], path, *command[1:]]) == 0
            printed.append("".join(capsys.readouterr()).replace(path, "PATH"))
        assert printed[0] == printed[1]
    assert main(["verify", "--all", "--json", url]) == 0
    assert f'"{url}/model-2"' in capsys.readouterr().out
    assert main(["ls", f"{url}/model-9"]) == 2
    assert "model-2" in capsys.readouterr().err


class Failing(Counted):
    """Functions of obstore that fail from some request on."""

    first = 0

    def __getattr__(self, name: str) -> Any:
        function = super().__getattr__(name)

        def call(*args: Any, **options: Any) -> Any:
            if len(self.calls) >= self.first:
                raise obstore.exceptions.GenericError("503 for https://host/?sig=SECRET")
            return function(*args, **options)

        return call


def test_a_store_that_stops_answering(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever that is: no finding comes of it, and no array."""
    failing = Failing(obstore)
    monkeypatch.setattr(object_store, "obstore", failing)
    store = in_memory(folder)
    calls: list[Callable[[], object]] = [
        lambda: tfckpt.verify("run/model-2", filesystem=store).ok,
        lambda: [report.ok for report in tfckpt.verify_all("run", filesystem=store)],
        lambda: len(tfckpt.open("run", filesystem=store).load()),
        lambda: tfckpt.latest_checkpoint("run", filesystem=store),
    ]
    for call in calls:
        failing.first = 1_000
        failing.since()
        expected = call()
        for first in range(len(failing.since())):
            failing.first = first
            with pytest.raises(tfckpt.CheckpointError, match="did not answer") as caught:
                call()
            assert caught.value.kind is ErrorKind.UNREACHABLE
            assert "SECRET" not in str(caught.value)
            failing.since()
        failing.first = 1_000
        assert call() == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child(folder: Path) -> None:
    """The threads of obstore are not there: an error, not a wait for ever."""
    with tfckpt.open("run/model-1", filesystem=in_memory(folder)) as found:

        def child() -> bool:
            with pytest.raises(tfckpt.CheckpointError, match="forked"):
                found.load()
            return True

        assert in_child(child)


def test_no_network_for_paths(folder: Path) -> None:
    """Not even where a state file, or the name of a file, has a URL in it."""
    (folder / "checkpoint").write_text('model_checkpoint_path: "gs://bucket/run/model-2"\n')
    script = f"""
import os, socket, sys
def refuse(*args, **options):
    raise AssertionError("the network")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
os.chdir({str(folder)!r})
import tfckpt_reader as tfckpt
for path in ("", ".", "model-1", "checkpoint"):
    tfckpt.open(path or ".").load()
    tfckpt.verify(path or ".")
assert tfckpt.latest_checkpoint("") is not None
tfckpt.verify_all(".")
tfckpt.kept_checkpoints("")
tfckpt.convert("model-1", "out.npz")
assert not [name for name in sys.modules if name.startswith("tfckpt_reader.storage.remote")]
assert not {{"obstore", "fsspec"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


class Refusing(Counted):
    """Functions of obstore that refuse HEAD, as it reports that."""

    why: Exception

    def head(self, *_args: object) -> None:
        raise self.why


@pytest.mark.parametrize(
    "why", [FileNotFoundError("status code: 405 Method Not Allowed"), PermissionError("403")]
)
def test_refused_heads(folder: Path, why: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Refusing(obstore)
    refusing.why = why
    monkeypatch.setattr(object_store, "obstore", refusing)
    store = object_store.ObjectStore(in_memory(folder), lists=False)
    assert store.head("run/model-1.index") is not None
    assert store.head("run/model-3.index") is None
