"""Checkpoints with more files than a process may open: all can be read, few are open at once."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from descriptors import file_descriptors

import tfckpt_reader as tfckpt
from tfckpt_reader.storage import open_files
from tfckpt_reader.storage.local import File

LIMIT = 64
"""Descriptors that the child may have: the usual limit is 1,024, for 4,096 shards."""

CHILD = """
import json, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
import numpy as np
import tfckpt_reader as tfckpt

path = sys.argv[2]

def arrays(**options):
    with tfckpt.open(path, **options) as ckpt:
        kept = [ckpt[name] for name in ckpt]  # views hold their maps as long as they live
        first = ckpt[next(iter(ckpt))]        # and one whose file was opened long ago
        with open(os.devnull):                # there is room for what others want to open
            return [len(kept), float(sum(a.sum() for a in kept)), float(first.flat[0])]

def rows():
    with tfckpt.open(path) as ckpt:
        return float(sum(ckpt.read(name, rows=slice(1, 2)).sum() for name in ckpt))

def verified():
    report = tfckpt.verify(path, level="values")
    return [report.ok, report.tensors, sorted({p.code for p in report.problems})]

def converted(target):
    done = tfckpt.convert(path, target, force=True)
    return [len(done.written), done.nbytes]

print(json.dumps({
    "mapped": arrays(), "read": arrays(mmap=False), "rows": rows(), "verified": verified(),
    "npz": converted(path + ".npz"), "safetensors": converted(path + ".safetensors"),
}))
"""


def limited(prefix: Path) -> dict[str, Any]:
    """Return the results of a process with few descriptors on a checkpoint."""
    root = Path(tfckpt.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(LIMIT), str(prefix)],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def numbers(count: int) -> dict[str, Any]:
    return {f"t{i:05d}": np.array([i + 1, i], np.float32) for i in range(count)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_NOFILE")
@pytest.mark.parametrize("count", [1, LIMIT, pytest.param(4096, marks=pytest.mark.slow)])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_more_files_than_descriptors(version: str, count: int, tmp_path: Path) -> None:
    tensors = numbers(count)
    if version == "V1":
        w.write_v1_shards(tmp_path / "p", tensors, shards=count)
    else:
        w.write_bundle(tmp_path / "p", tensors, shards=count)
    total = float(sum(array.sum() for array in tensors.values()))
    assert limited(tmp_path / "p") == {
        "mapped": [count, total, 1.0],
        "read": [count, total, 1.0],
        "rows": float(sum(range(count))),
        "verified": [True, count, []],
        "npz": [count, 8 * count],
        "safetensors": [count, 8 * count],
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_NOFILE")
def test_a_tensor_in_more_files_than_descriptors(tmp_path: Path) -> None:
    """Cut along the second axis: each row of it lies in every file."""
    count = 3 * LIMIT
    table = np.arange(2 * count, dtype=np.float32).reshape(2, count)
    pieces = [[(0, -1), (i, 1)] for i in range(count)]
    tensors = {"t": w.Sliced(table, pieces, shards=range(count))}
    w.write_bundle(tmp_path / "p", tensors, shards=count)
    found = limited(tmp_path / "p")
    assert found["npz"] == found["safetensors"] == [1, table.nbytes]
    assert found["verified"] == [True, 1, []]
    assert found["rows"] == float(table[1].sum())
    with np.load(f"{tmp_path}/p.npz") as archive:
        np.testing.assert_array_equal(archive["t"], table)


# -- a File after others took its descriptor -------------------------------------------------------


@pytest.fixture
def evicted(tmp_path: Path) -> File:
    """A file opened before many others, so that it lost its descriptor."""
    (tmp_path / "file").write_bytes(b"as it was opened")
    found = File(str(tmp_path / "file"))
    return pushed_out(found)


def pushed_out(file: File) -> File:
    for _ in range(open_files.MOST_KEPT):
        File(__file__)
    return file


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no list of descriptors here")
@pytest.mark.parametrize("mapped", [False, True])
def test_few_descriptors_are_kept(mapped: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    gc.collect()  # what other tests left must not go meanwhile
    before = file_descriptors()
    files = [File(str(tmp_path / "file"), mapped=mapped) for _ in range(5 * open_files.MOST_KEPT)]
    for _ in range(2):
        for file in files:
            assert bytes(file.read(1, 2)) == b"bc"
    assert file_descriptors() - before <= 2 * open_files.MOST_KEPT
    del files, file
    gc.collect()
    assert file_descriptors() == before


def test_an_evicted_file_can_be_read(evicted: File) -> None:
    assert bytes(evicted.read(6, 3)) == b"was"
    buffer = bytearray(2)
    evicted.readinto(0, memoryview(buffer))
    assert buffer == b"as"


@pytest.mark.parametrize("contents", [b"as it was writte", b"as it was", b"as it was written anew"])
def test_a_changed_file_is_refused(contents: bytes, evicted: File) -> None:
    """A descriptor would still lead to the old file; its name now leads to another."""
    other = Path(evicted.name + "x")
    other.write_bytes(contents)
    os.utime(other, ns=(0, time.time_ns() + 10**9))
    os.replace(other, evicted.name)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while it was read") as caught:
        evicted.read(0, 2)
    assert caught.value.file == evicted.name


def test_a_deleted_file_is_reported(evicted: File) -> None:
    os.unlink(evicted.name)
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="no such file") as caught:
        evicted.readinto(0, memoryview(bytearray(1)))
    assert caught.value.file == evicted.name


@pytest.mark.parametrize("mapped", [False, True])
def test_threads_that_evict_each_others_files(
    mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor closed too early soon belongs to another file, with other bytes."""
    monkeypatch.setattr(open_files, "MOST_KEPT", 2)
    files = []
    for i in range(8):
        (tmp_path / f"{i}").write_bytes(bytes([i]) * 5000)
        files.append(File(str(tmp_path / f"{i}"), mapped=mapped))
    wrong: list[object] = []

    def work(seed: int) -> None:
        buffer = bytearray(5000)
        try:
            for i in range(300):
                which = (seed + 3 * i) % 8
                files[which].readinto(0, memoryview(buffer))
                if {*buffer, *files[which].read(7, 100)} != {which}:
                    wrong.append(which)
        except BaseException as error:  # noqa: BLE001 - a thread's own is not seen
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_views_outlive_the_eviction_of_their_map(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    file = File(str(tmp_path / "file"), mapped=True)
    view = file.read(0, 3)
    pushed_out(file)
    assert bytes(view) == bytes(file.read(0, 3)) == b"abc"
