"""Data that is damaged or changes while it is converted; bounded memory."""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import FLOATS, LARGE, MIB, SOURCES, assert_same_bytes, left, out_of
from defects import DATA, bundle, poke, put
from peak_memory import peak_kib
from sparse_files import linux_only, sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader.export import convert as write
from tfckpt_reader.storage import local as storage

AT = 20
"""A byte of `t`, behind the 16 of `a`."""


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("exists", [False, True])
def test_damage_stops_it_and_leaves_nothing(kind: str, exists: bool, tmp_path: Path) -> None:
    source, target = SOURCES[kind](tmp_path), tmp_path / "out.npz"
    poke(source, DATA, AT, 2)
    if exists:
        target.write_bytes(b"before")
    with pytest.raises(tfckpt.ChecksumError) as caught:
        write(source, target, force=exists)
    assert caught.value.tensor == "t"
    assert "'t'" in str(caught.value)
    assert left(tmp_path) == (["out.npz"] if exists else [])
    assert not exists or target.read_bytes() == b"before"


def test_damage_in_the_last_byte(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"t": LARGE["float32"]})
    poke(source, DATA, -1)
    with pytest.raises(tfckpt.ChecksumError):
        write(source, tmp_path / "out.npz")
    assert left(tmp_path) == []


def test_damage_elsewhere_does_not_matter(tmp_path: Path) -> None:
    source = SOURCES["plain"](tmp_path)
    poke(source, DATA, AT)
    assert set(out_of(source, exclude=["t"])[0]) == {"a", "z"}


def test_missing_shard(tmp_path: Path) -> None:
    source = SOURCES["plain"](tmp_path)
    os.unlink(f"{source}{DATA}")
    with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        write(source, tmp_path / "out.npz")
    assert caught.value.file == f"{source}{DATA}"
    assert left(tmp_path) == []


def test_damage_in_v1(tmp_path: Path) -> None:
    w.write_v1(tmp_path / "p.v1", {"a": FLOATS, "t": FLOATS + 1}, block_size=1)
    contents = bytearray((tmp_path / "p.v1").read_bytes())
    contents[contents.index((FLOATS + 1).tobytes())] ^= 1
    (tmp_path / "p.v1").write_bytes(contents)
    with pytest.raises(tfckpt.ChecksumError):
        write(tmp_path / "p.v1", tmp_path / "out.npz")
    assert left(tmp_path) == []


def after_reads(
    monkeypatch: pytest.MonkeyPatch, path: str, count: int, change: Callable[[], object]
) -> None:
    """Change a data file when it has been read `count` times."""
    reads: list[int] = []
    really = storage.File._pread
    one_at_a_time = threading.Lock()

    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        if self.name == path:
            with one_at_a_time:
                if len(reads) == count:
                    change()
                reads.append(offset)
        return really(self, offset, buffer)

    monkeypatch.setattr(storage.File, "_pread", pread)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_shard_that_is_cut_meanwhile(
    kind: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCES[kind](tmp_path)
    path = f"{source}{DATA}"
    after_reads(monkeypatch, path, after, lambda: os.truncate(path, 1))
    with pytest.raises(tfckpt.TruncatedError) as caught:
        write(source, tmp_path / "out.npz")
    assert caught.value.file == path
    assert caught.value.tensor in ("a", "t", "z")
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_shard_that_changes_meanwhile(
    kind: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte flips behind the reader: it is said, and nothing is left."""
    source = SOURCES[kind](tmp_path)
    path = f"{source}{DATA}"
    poked: list[int] = []

    def change() -> None:
        poke(source, DATA, AT, 2)
        os.utime(path, ns=(0, 1))  # a clock may be too coarse to tell
        poked.append(after)

    after_reads(monkeypatch, path, after, change)
    error = error_of(source, tmp_path / "out.npz")
    assert bool(poked) == (error is not None)
    if error is not None:
        assert left(tmp_path) == []
        assert error.file == path
        assert (error.tensor == "t") == isinstance(error, tfckpt.ChecksumError)
        assert error.tensor or "changed while it was read" in error.problem


def error_of(source: Path, target: Path) -> tfckpt.CorruptCheckpointError | None:
    try:
        write(source, target)
    except tfckpt.CorruptCheckpointError as error:
        return error
    return None


def test_cut_for_real_while_it_runs(tmp_path: Path) -> None:
    """In a process of its own: were the file mapped, a signal would end it."""
    source = bundle(tmp_path, {f"t{i}": np.zeros(3 * MIB, np.uint8) for i in range(3)})
    script = (
        "import os, sys\nimport tfckpt_reader as t\n"
        "from tfckpt_reader.storage import workers\n"
        "workers.processors = lambda: 1\npath = sys.argv[1]\ntry:\n"
        "    t.convert(path, path + '.npz', on_progress=lambda done, _:"
        " os.truncate(path + '.data-00000-of-00001', 1 << 19))\n"
        "except t.TruncatedError as error:\n    print('cut', error.tensor)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "cut t0\n", "")
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", SOURCES)
def test_nothing_is_mapped(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCES[kind](tmp_path)
    mapped: list[int] = []
    really = mmap.mmap

    def record(fileno: int, *arguments: Any, **more: Any) -> Any:
        mapped.append(fileno)
        return really(fileno, *arguments, **more)

    monkeypatch.setattr(mmap, "mmap", record)
    write(source, tmp_path / "out.npz")
    assert set(mapped) <= {-1}  # memory of its own


@linux_only
def test_bytes_go_to_disk_while_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system is told of all but short pieces, once; that it will not listen is no error."""
    told: list[tuple[int, int]] = []

    def refuse(_fd: int, offset: int, size: int, _advice: int) -> None:
        told.append((offset, size))
        raise OSError(errno.EINVAL, "no advice is taken here")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    numbers = np.arange(MIB, dtype=np.float32)
    source = bundle(tmp_path, {"large": numbers, "small": FLOATS})
    found, _ = out_of(source)
    assert_same_bytes(found["large"], numbers)
    assert 0.99 * numbers.nbytes < sum(size for _, size in told) <= numbers.nbytes
    told.sort()
    assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(told))


# Memory.


def converted_kib(source: Path) -> int:
    """Most memory that it takes to convert to `out.npz`."""
    return peak_kib(source, f"{source.parent}/out.npz", "convert", "--force")


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_the_checkpoint(tmp_path: Path) -> None:
    """The larger one is past 2 GiB, too, where a zip needs 64-bit sizes."""
    peaks = []
    for size in (200_000_000, (1 << 31) + 10):
        source = sparse_bundle(tmp_path, size, tensors=1)
        peaks.append(converted_kib(source))
        os.truncate(f"{source}{DATA}", 0)
    assert max(peaks) - min(peaks) < 8 << 10, peaks
    target = tmp_path / "out.npz"
    with np.load(target) as found, zipfile.ZipFile(target) as archive:
        (info,) = archive.infolist()
        assert found.files == ["t0"]
        assert archive.testzip() is None
        with archive.open(info) as member:
            assert np.lib.format.read_magic(member) == (1, 0)
            header = np.lib.format.read_array_header_1_0(member)
    assert header == (((1 << 31) + 10,), False, np.dtype(np.uint8))
    assert 0 < info.file_size - header[0][0] < 4096
    target.unlink()


def rows_of_one(folder: Path, size: int, header: bytes, *, pieces: int) -> Path:
    """Zeros of shape [1, n], whole or in pieces along the second axis, in a file without blocks."""
    crc = 0
    for _ in range(0, size // pieces, MIB):
        crc = w.crc(bytes(MIB), crc)
    count, each = size // 4, size // 4 // pieces
    extents = [[(0, 1), (i * each, each)] for i in range(pieces)] if pieces > 1 else []
    rows: w.Rows = [(b"", header)]
    for i, extent in enumerate(extents):
        place = {"offset": i * size // pieces, "size": size // pieces, "crc": w.mask(crc)}
        rows.append((w.slice_key(b"t", extent), w.entry(1, (1, each), **place)))
    whole: Mapping[str, Any] = {"size": size, "crc": w.mask(crc)}
    rows.append((b"t", w.entry(1, (1, count), **({"slices": extents} if extents else whole))))
    source = put(folder, {".index": w.table(sorted(rows)), DATA: b""})
    os.truncate(f"{source}{DATA}", size)
    return source


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["big-endian", "sliced"])
def test_memory_does_not_grow_with_a_long_row(kind: str, tmp_path: Path) -> None:
    """One row of [1, n] is the whole tensor: rows are no measure of what fits into memory."""
    header = w.header(endianness=int(kind == "big-endian"))
    peaks = [
        converted_kib(
            rows_of_one(tmp_path, size * MIB, header, pieces=4 if kind == "sliced" else 1)
        )
        for size in (40, 160)
    ]
    assert max(peaks) - min(peaks) < 16 << 10, peaks
