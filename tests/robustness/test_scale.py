"""Work that must not grow with the size of a checkpoint: counted, not timed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import writers as w
from peak_memory import MOST, peak_kib
from sparse_files import linux_only, small, sparse_bundle, write_index, write_sparse

import tfckpt_reader as tfckpt
from tfckpt_reader.storage.local import File

# -- the index -------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that have been read so far, by file name."""
    seen: dict[str, int] = {}
    really = File.readinto

    def readinto(self: File, offset: int, buffer: memoryview) -> None:
        name = os.path.basename(self.name)
        seen[name] = seen.get(name, 0) + len(buffer)
        really(self, offset, buffer)

    monkeypatch.setattr(File, "readinto", readinto)
    return seen


def lines_run(work: Callable[[], object]) -> int:
    """Count the lines of Python that a call runs: the same on every machine."""
    count = 0

    def trace(_frame: FrameType, event: str, _value: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def index_of(prefix: Path, count: int) -> Path:
    entry = small()
    return write_index(
        prefix, [(b"", w.header()), *((b"n%07d/kernel" % i, entry) for i in range(count))]
    )


def test_the_counter_counts() -> None:
    assert lines_run(lambda: [i for i in range(10)]) < 50  # noqa: C416 - a loop to count
    once = lines_run(lambda: sum(len(str(i)) for i in range(100)))
    assert once > 100
    assert 9 * once < lines_run(lambda: sum(len(str(i)) for i in range(1000))) < 11 * once


@pytest.mark.parametrize(
    ("few", "many", "more"),
    [(10_000, 200_000, 2.5), pytest.param(100_000, 10**6, 1.2, marks=pytest.mark.slow)],
)
def test_one_of_many_entries(
    few: int, many: int, more: float, tmp_path: Path, reads: dict[str, int]
) -> None:
    """Of 20 times as many, one block more is read; of 10 times that, hardly a byte."""
    lines, nbytes = [], []
    for count in (few, many):
        prefix = index_of(tmp_path / "p", count)
        found: list[tfckpt.TensorSpec] = []

        def one(count: int = count, found: list[tfckpt.TensorSpec] = found) -> None:
            with tfckpt.open(tmp_path / "p") as ckpt:
                found.append(ckpt.specs[f"n{count // 2:07d}/kernel"])

        one()  # what is imported once is no part of it
        reads.clear()
        lines.append(lines_run(one))
        nbytes.append(reads[f"{prefix.name}.index"])
        assert [spec.shape for spec in found] == [(2,), (2,)]
    assert lines[1] < more * lines[0], lines
    assert nbytes[1] < more * nbytes[0], nbytes
    assert max(nbytes) < 1 << 20


def many_rows(path: Path, kind: str, count: int) -> Path:
    """A V1 file of a tensor in that many slices, made so that each row is hard to find."""
    pieces = [[(i, 1)] for i in range(count)]
    array = np.arange(count, dtype=np.float32)
    protos = (w.tensor_proto(array[i : i + 1]) for i in range(count))
    data = [w.v1_data(b"t", piece, p) for piece, p in zip(pieces, protos, strict=True)]
    rows = sorted((w.slice_key(b"t", p), d) for p, d in zip(pieces, data, strict=True))
    half = count // 2
    if kind == "listed crosswise":
        pieces = [piece for i in range(half) for piece in (pieces[i], pieces[half + i])]
    header = (b"", w.v1_meta([w.v1_tensor(b"t", (count,), 1, pieces)], None))
    cut = {
        "listed crosswise": [[header], rows[:half], rows[half:]],
        "in a block that is only walked": [[header, *rows]],
        "by an index that is only walked": [[row] for row in (header, *rows)],
    }[kind]
    places, blocks, end = [], [], 0
    for some in cut:
        blocks.append((some[-1][0], w.seal(w.block(some, restart_interval=count))))
        places.append((some[-1][0], w.handle(end, len(blocks[-1][1]) - 5)))
        end += len(blocks[-1][1])
    index = w.seal(w.block(places, restart_interval=count))
    path.write_bytes(w.assemble(blocks, index=index))
    return path


@pytest.mark.parametrize(
    "kind",
    ["listed crosswise", "in a block that is only walked", "by an index that is only walked"],
)
def test_rows_that_are_hard_to_find(kind: str, tmp_path: Path, reads: dict[str, int]) -> None:
    """Twice as many take twice the work, not four times: a small file could take a day."""
    lines, nbytes = [], []
    for count in (400, 800):
        path = many_rows(tmp_path / f"{count}", kind, count)

        def work(path: Path = path) -> None:
            assert tfckpt.verify(path).ok

        work()
        reads.clear()
        lines.append(lines_run(work))
        nbytes.append(reads[path.name])
    assert lines[1] < 2.5 * lines[0], lines
    assert nbytes[1] < 2.5 * nbytes[0], nbytes


# -- the data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("shards", [1, 7])
def test_rows_of_one_of_a_thousand_pieces(
    shards: int, mapped: bool, tmp_path: Path, reads: dict[str, int]
) -> None:
    table = np.arange(1000 * 5 * 3, dtype=np.float32).reshape(5000, 3)
    pieces = [[(5 * i, 5), (0, -1)] for i in range(1000)]
    w.write_bundle(tmp_path / "p", {"t": w.Sliced(table, pieces)}, shards=shards)
    with tfckpt.open(tmp_path / "p", mmap=mapped) as ckpt:
        assert len(ckpt.specs["t"].slices) == 1000
        for rows, alone, checked in (
            (slice(2501, 2503), 24, 60),  # a crc covers the whole slice
            (slice(4995, 5000), 60, 60),
            (slice(4, 6), 24, 120),
            (slice(7, 7), 0, 0),
        ):
            for check, expected in ((False, alone), (True, checked)):
                reads.clear()
                found = ckpt.read("t", rows=rows, check=check)
                np.testing.assert_array_equal(found, table[rows])
                assert sum(reads.values()) == expected


PEAK = """
import re, sys
import numpy as np
import tfckpt_reader as tfckpt

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])

with tfckpt.open(sys.argv[1], mmap=sys.argv[2] == "mapped", check=False) as ckpt:
    rows = ckpt.specs["x"].shape[0]
    ckpt.read("x", rows=slice(0, 1))
    before = peak()
    print(ckpt.read("x", rows=slice(-1, None)).tolist())
    print(ckpt.read("x", rows=slice(rows // 2, rows // 2 + 1)).tolist())
    if sys.argv[2] == "mapped":
        print(ckpt["x"][-1].tolist())  # a view of a terabyte
    print(peak() - before)
"""


@linux_only
@pytest.mark.parametrize("how", ["mapped", "read"])
def test_a_row_at_the_far_end_of_a_terabyte(how: str, tmp_path: Path) -> None:
    last, size = np.arange(4, dtype=np.float32), 1 << 40
    entry = w.entry(1, (size // 16, 4), size=size)
    prefix = write_sparse(tmp_path / "x", size - 16, entry, last.tobytes())
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(prefix), how],
        env={**os.environ, "PYTHONPATH": str(Path(tfckpt.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    *rows, grown = done.stdout.splitlines()
    expected = [f"[{last.tolist()}]", f"[{[0.0] * 4}]", f"{last.tolist()}"]
    assert rows == (expected if how == "mapped" else expected[:2])
    assert int(grown) < 4096, "KiB"


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.npz", "out.safetensors", "out/", ""])
def test_memory_for_very_many_tensors(target: str, tmp_path: Path) -> None:
    """100,000 of 16 bytes, whose names, shapes and places are all that takes memory."""
    names = (f"model/layer_{i // 100:05d}/block_{i % 100:02d}/weights" for i in range(100_000))
    prefix = tmp_path / "p"
    w.write_bundle(
        prefix, {name: np.array([i, 1, 2, 3], np.float32) for i, name in enumerate(names)}
    )
    command = "convert" if target else "verify"
    assert peak_kib(prefix, target and f"{tmp_path}/{target}", command) <= MOST


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("target", ["npz", "safetensors", "npy", ""])
def test_memory_for_20_gigabytes(target: str, tmp_path: Path) -> None:
    """Zeros in a file without blocks; what is written goes nowhere, for want of room."""
    peaks = []
    for size in (200 * 10**6, 20 * 10**9):
        source = sparse_bundle(tmp_path, size, tensors=2)
        command = ("convert", f"--format={target}") if target else ("verify",)
        peaks.append(peak_kib(source, target and f"{tmp_path}/{size}", *command, where="nowhere"))
    assert max(peaks) <= MOST, peaks
    assert peaks[1] - peaks[0] < 8 << 10, peaks
