"""Dask: arrays in chunks, and verification and conversion on a cluster, as on one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from commands import process
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from project import FIXTURES
from random_tensors import examples

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks import dask as on_dask

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("default"),  # those of other packages in the workers
]

RNG = np.random.default_rng(5)
CUBE = RNG.standard_normal((40, 6, 5)).astype("float32")
ROWS = [(0, 7), (7, 2), (9, 1), (10, 20), (30, 10)]
WHOLE = (0, -1)
TENSORS: dict[str, Any] = {
    "cube": CUBE,
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3), "int64"),
    "strings": w.Strings([b"%d" % i for i in range(12)], (4, 3)),
    "cut": w.Sliced(CUBE, [[rows, WHOLE, WHOLE] for rows in ROWS], [0, 0, 1, 1, 2]),
}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("dask") / "model.ckpt-1"
    w.write_bundle(path, TENSORS, shards=3)
    return str(path)


@pytest.fixture(autouse=True)
def in_this_thread() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


# -- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", ["auto", 1, 7, -1])
def test_arrays_equal_those_of_the_checkpoint(prefix: str, chunks: Any) -> None:
    with tfckpt.open(prefix) as ckpt:
        for name in ckpt:
            array: Any = on_dask.open_array(prefix, name, chunks if ckpt[name].ndim else "auto")
            assert array.dtype == ckpt[name].dtype
            assert_array_equal(array.compute(), ckpt[name])


def test_random_slices_equal_numpys(prefix: str) -> None:
    with tfckpt.open(prefix) as ckpt:
        arrays = {
            "ours": on_dask.open_array(prefix, "cut", 3),
            "plain": da.from_array(ckpt.lazy("cut"), chunks=(4, 3, 5)),
        }

        @examples(40)
        @given(
            st.sampled_from(sorted(arrays)),
            hnp.basic_indices(CUBE.shape) | st.lists(st.integers(-40, 39), min_size=1),
        )
        def check(name: str, index: Any) -> None:
            assert_array_equal(arrays[name][index].compute(), CUBE[index])

        check()


def test_chunks_follow_rows_slices_and_data_files(prefix: str) -> None:
    row = CUBE[0].nbytes

    def rows(name: str, size: int) -> tuple[int, ...]:
        with dask.config.set({"array.chunk-size": size}):
            array = on_dask.open_array(prefix, name)
        assert array.chunks[1:] == ((6,), (5,))
        found: tuple[int, ...] = array.chunks[0]
        return found

    assert rows("cube", 1 << 20) == (40,)
    assert rows("cube", 15 * row) == (13, 13, 14)
    assert rows("cube", 1) == (1,) * 40
    # Slices in one data file join, those in another never; a long one is cut evenly.
    assert rows("cut", 1 << 20) == (9, 21, 10)
    assert rows("cut", 9 * row) == (9, 1, 6, 7, 7, 5, 5)
    assert rows("cut", 7 * row) == (7, 2, 1, 6, 7, 7, 5, 5)


def test_tokens_and_graphs_are_the_same_each_time(prefix: str) -> None:
    code = (
        "import sys; from tfckpt_reader.frameworks.dask import open_arrays;"
        "print(sorted(map(str, open_arrays(sys.argv[1])['cut'].__dask_graph__())))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    graphs = {
        subprocess.run(
            [sys.executable, "-c", code, prefix],
            check=True,
            capture_output=True,
            env={**environment, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
    }
    assert len(graphs) == 1
    names = {array.name for array in on_dask.open_arrays(prefix).values()}
    assert names == {array.name for array in on_dask.open_arrays(prefix).values()}
    assert len(names) == len(TENSORS)


@pytest.mark.parametrize("folder", ["v1", "v1_sliced", "sliced", "strings"])
def test_fixtures_equal(folder: str) -> None:
    files = [f for f in sorted((FIXTURES / folder).rglob("*")) if f.is_file()]
    path = next((f for f in files if f.suffix == ".index"), files[0])
    with tfckpt.open(path) as ckpt:
        arrays: dict[str, Any] = on_dask.open_arrays(path)
        for name, array in arrays.items():
            assert_array_equal(array.compute(), ckpt[name])


def test_arrays_behind_urls() -> None:
    fsspec = pytest.importorskip("fsspec")
    folder, store = f"dask-{uuid.uuid4().hex}", fsspec.filesystem("memory")
    for suffix, data in w.bundle_files(TENSORS, shards=3).items():
        store.pipe_file(f"/{folder}/p{suffix}", data)
    array = on_dask.open_array(f"memory://{folder}/p", "cube", 9)
    assert_array_equal(array[3:30:4].compute(), CUBE[3:30:4])
    (report,) = on_dask.verify_all(f"memory://{folder}")
    assert report.ok


def test_a_file_url_is_a_path(prefix: str) -> None:
    assert_array_equal(on_dask.open_array(f"file://{prefix}", "cube")[5].compute(), CUBE[5])


def test_without_a_client_all_is_done_here(prefix: str, tmp_path: Path) -> None:
    folder = os.path.dirname(prefix)
    assert on_dask.verify_all(folder) == tfckpt.verify_all(folder)
    assert on_dask.verify_all([folder, folder]) == tfckpt.verify_all(folder) * 2
    on_dask.convert(prefix, tmp_path / "a.npz")
    tfckpt.convert(prefix, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


# -- a cluster ---------------------------------------------------------------------------------


@contextmanager
def cluster(workers: int, **options: Any) -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, **options
        ) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 data files of 1.6 MB in one checkpoint, some damaged ones in others, and small ones."""
    folder = tmp_path_factory.mktemp("sharded")
    tensors = {f"layer{i:02d}/w": RNG.standard_normal((400, 1000)).astype("f4") for i in range(64)}
    w.write_bundle(folder / "big", {**tensors, "names": w.Strings([b"x", b"yz"], (2,))}, shards=64)
    w.write_bundle(folder / "bad", tensors, shards=64)
    for shard in (3, 4, 60):
        with (folder / f"bad.data-{shard:05d}-of-00064").open("r+b") as file:
            file.seek(1000 * shard)
            file.write(b"\xff" * 8)
    (folder / "bad.data-00009-of-00064").unlink()
    os.truncate(folder / "bad.data-00010-of-00064", 70_000)
    for number in range(5):
        w.write_bundle(folder / f"small-{number}", {"v": np.full(50, number / 3)})
    (folder / "small-3.data-00000-of-00001").write_bytes(b"")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same(sharded: Path, tmp_path: Path, workers: int) -> None:
    here = tfckpt.verify_all(sharded, level="values")
    assert sum(not report.ok for report in here) == 2
    options: dict[str, Any] = {"cast": "float16", "exclude": ["names"]}
    with cluster(workers) as client:
        assert on_dask.verify_all(sharded, client, level="values") == here
        assert on_dask.verify_all(sharded, level="values") == here  # the current client
        for name in ("a.npz", "a.safetensors"):
            (tmp_path / "here").mkdir(exist_ok=True)
            done = tfckpt.convert(sharded / "big", tmp_path / "here" / name, **options)
            there = on_dask.convert(sharded / "big", tmp_path / name, client, **options)
            assert (tmp_path / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
            assert there.underflows == done.underflows
        with pytest.raises(tfckpt.CheckpointNotFoundError, match="shard 9"):
            on_dask.convert(sharded / "bad", tmp_path / "bad.npz", client)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.npz", "a.safetensors", "here"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["verify", "convert"])
def test_a_worker_that_dies_costs_a_retry(sharded: Path, tmp_path: Path, task: str) -> None:
    from dying import DiesOnce

    marker = tmp_path / "died"
    with cluster(2) as client:
        client.register_plugin(DiesOnce(str(marker)))
        if task == "verify":
            assert on_dask.verify_all(sharded, client) == tfckpt.verify_all(sharded)
        else:
            on_dask.convert(sharded / "big", tmp_path / "there.npz", client)
            tfckpt.convert(sharded / "big", tmp_path / "here.npz")
            here, there = (tmp_path / f"{name}.npz" for name in ("here", "there"))
            assert there.read_bytes() == here.read_bytes()
    assert marker.exists()


@pytest.mark.slow
def test_workers_that_always_die_end_the_run(sharded: Path, tmp_path: Path) -> None:
    from dying import DiesAlways

    with cluster(1) as client:
        client.register_plugin(DiesAlways())
        with pytest.raises(ChildProcessError, match="workers died again and again"):
            on_dask.convert(sharded / "big", tmp_path / "a.npz", client)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_arrays_on_a_cluster(prefix: str) -> None:
    with cluster(2) as client:
        array = on_dask.open_array(prefix, "cut", 2)
        assert_array_equal(client.compute(array * 2).result(), CUBE * 2)
        with tfckpt.open(prefix) as ckpt:
            plain = da.from_array(ckpt.lazy("cube"), chunks=(9, 6, 5))
            assert_array_equal(client.compute(plain[::-3]).result(), CUBE[::-3])


@pytest.mark.slow
def test_the_command_spreads_over_a_cluster(sharded: Path) -> None:
    with cluster(2) as client:
        address = client.scheduler.address
        spread = process("verify", "--all", "--json", "--scheduler", address, str(sharded))
    here = process("verify", "--all", "--json", str(sharded))
    assert (spread.code, json.loads(spread.out)) == (here.code, json.loads(here.out))


def test_the_command_names_what_it_needs(prefix: str) -> None:
    result = process("verify", "--scheduler", "tcp://127.0.0.1:1", prefix)
    assert result.code == 2
    assert "--scheduler spreads the work of --all" in result.err


@pytest.mark.slow
def test_a_filesystem_of_the_users_own_goes_along(sharded: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    with pytest.raises(tfckpt.CheckpointNotFoundError):  # another one has the number 1 here
        tfckpt.open("absent", filesystem=fsspec.filesystem("memory"))
    store = fsspec.filesystem("file")
    here = tfckpt.verify_all(str(sharded), filesystem=store)
    with cluster(2) as client:
        assert on_dask.verify_all(str(sharded), client, filesystem=store) == here
        array = on_dask.open_array(str(sharded / "big"), "layer07/w", 90, filesystem=store)
        with tfckpt.open(sharded / "big") as ckpt:
            assert_array_equal(client.compute(array[5:200]).result(), ckpt["layer07/w"][5:200])
        options: dict[str, Any] = {"filesystem": store}
        on_dask.convert(str(sharded / "big"), tmp_path / "there.npz", client, **options)
    tfckpt.convert(sharded / "big", tmp_path / "here.npz")
    here_bytes, there = (tmp_path / f"{name}.npz" for name in ("here", "there"))
    assert there.read_bytes() == here_bytes.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux says it")
def test_memory_of_a_worker_is_bounded(tmp_path: Path) -> None:
    def peak_memory() -> int:
        """Most bytes that a worker ever had in memory; getrusage has those of its parent, too."""
        # A function in a function travels by value: workers cannot import this module.
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    big = np.arange(64 << 20, dtype="float32")  # 256 MB in one tensor
    (tmp_path / "in").mkdir()
    w.write_bundle(tmp_path / "in" / "p", {"v": big})
    with cluster(1) as client:
        client.run(peak_memory)
        on_dask.convert(tmp_path / "in" / "p", tmp_path / "first.npz", client)
        (before,) = client.run(peak_memory).values()
        for name in ("second", "third"):
            assert on_dask.verify_all(tmp_path / "in", client)[0].ok
            on_dask.convert(tmp_path / "in" / "p", tmp_path / f"{name}.npz", client)
        (after,) = client.run(peak_memory).values()
    assert before < 200 << 20
    assert after - before < 32 << 20


@pytest.mark.slow
def test_what_workers_do_not_see_is_named(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")  # its memory is that of one process
    folder, store = f"dask-{uuid.uuid4().hex}", fsspec.filesystem("memory")
    big = {"v": np.zeros(2 << 20, "float32")}
    for suffix, data in w.bundle_files(big).items():
        store.pipe_file(f"/{folder}/p{suffix}", data)
    with cluster(1) as client:
        with pytest.raises(tfckpt.CheckpointNotFoundError, match=r"worker .* does not see it"):
            on_dask.verify_all(f"memory://{folder}", client)
        with pytest.raises(tfckpt.CheckpointNotFoundError, match="this process sees no such file"):
            on_dask.convert(f"memory://{folder}/p", tmp_path / "a.npz", client)
    assert not list(tmp_path.iterdir())
