"""Memory and work of `verify` do not grow with the size of a checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import (
    DATA,
    INDEX,
    bundle,
    codes,
    put,
    v1,
)
from sparse_files import linux_only, sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader import verify

PEAK = """
import re, sys
import tfckpt_reader as t
report = t.verify(sys.argv[1])
assert report.ok, [str(p) for p in report.problems]
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


def peak_kib(path: Path) -> int:
    """Most memory that a process of its own held while it verified: its own since its start."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_the_checkpoint(tmp_path: Path) -> None:
    peaks = []
    for size in (200_000_000, 2_000_000_000):
        prefix = sparse_bundle(tmp_path, size)
        peaks.append(peak_kib(prefix))
        os.truncate(f"{prefix}{DATA}", 0)
    assert max(peaks) - min(peaks) < 8 << 10, peaks


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_a_hole(tmp_path: Path) -> None:
    peaks = []
    for size in (10_000_000, 200_000_000):
        place = {"offset": size, "size": 16, "crc": w.mask(w.crc(bytes(16)))}
        rows = [(b"", w.header()), (b"a", w.entry(1, (4,), **{**place, "offset": 0}))]
        rows.append((b"b", w.entry(1, (4,), **place)))
        prefix = put(tmp_path, {INDEX: w.table(rows), DATA: b""})
        os.truncate(f"{prefix}{DATA}", size + 16)
        peaks.append(peak_kib(prefix))
    assert max(peaks) - min(peaks) < 8 << 10, peaks


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_a_v1_file(tmp_path: Path) -> None:
    peaks = []
    for count in (20, 100):
        tensors = {f"t{i:03d}": np.zeros(1 << 16, np.float64) for i in range(count)}
        peaks.append(peak_kib(v1(tmp_path, tensors)))
    assert max(peaks) - min(peaks) < 16 << 10, peaks  # 10 and 50 MB


MANY = 100_000
CLI_PEAK = """
import re, sys
from tfckpt_reader.cli import main
main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def very_many(folder: Path, kind: str) -> Path:
    """100,000 small tensors, or slices of one; all of them damaged; with graphs beside them."""
    names = [f"model/layer_{i // 100:05d}/block_{i % 100:02d}/weights" for i in range(MANY)]
    if "slices" in kind:
        pieces = [[(i, 1), (0, 4)] for i in range(MANY)]
        whole = np.arange(MANY * 4, dtype=np.float32).reshape(MANY, 4)
        tensors: dict[str, Any] = {"embedding": w.Sliced(whole, pieces)}
    else:
        tensors = {name: np.array([i, 1, 2, 3], np.float32) for i, name in enumerate(names)}
    if "V1" in kind:
        return v1(folder, tensors)
    if "objects" in kind:
        nodes = (
            w.bytes_field(2, w.bytes_field(2, n.encode()) + w.bytes_field(3, n.encode()))
            for n in names
        )
        graph = b"".join(w.bytes_field(1, node) for node in nodes)
        tensors["_CHECKPOINTABLE_OBJECT_GRAPH"] = w.Strings([graph], ())
    prefix = bundle(folder, tensors)
    if "graph" in kind:
        Path(f"{prefix}.meta").write_bytes(graph_that_saves([name.encode() for name in names]))
    if "damaged" in kind:
        data = Path(f"{prefix}{DATA}")
        data.write_bytes(bytes(byte ^ 1 for byte in data.read_bytes()))
    return prefix


def graph_that_saves(keys: list[bytes]) -> bytes:
    """A MetaGraphDef of a variable per key, about 20 MB of them, and of a Saver's ops."""

    def node(name: bytes, op: bytes, inputs: list[bytes], attribute: bytes) -> bytes:
        ins = b"".join(w.bytes_field(3, each) for each in inputs)
        pair = w.bytes_field(1, b"value") + w.bytes_field(2, attribute)
        parts = w.bytes_field(1, name) + w.bytes_field(2, op) + ins + w.bytes_field(5, pair)
        return w.bytes_field(1, parts)

    def texts(values: list[bytes]) -> bytes:
        stored = b"".join(w.bytes_field(8, value) for value in values)
        return w.bytes_field(8, w.int_field(1, w.STRING) + stored)

    nodes = [node(key, b"VarHandleOp", [], w.bytes_field(2, bytes(60))) for key in keys]
    nodes.append(node(b"save/names", b"Const", [], texts(keys)))
    nodes.append(node(b"save/slices", b"Const", [], texts([b""] * len(keys))))
    inputs = [b"save/prefix", b"save/names", b"save/slices", *keys]
    nodes.append(node(b"save/SaveV2", b"SaveV2", inputs, b""))
    return w.bytes_field(2, b"".join(nodes))


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        *("sound", "damaged", "slices", "damaged slices", "graph", "damaged graph"),
        *("objects and graph", "V1"),
    ],
)
def test_very_many_tensors_take_little_memory(kind: str, tmp_path: Path) -> None:
    prefix = very_many(tmp_path, kind)
    options = ["--level", "values", "--json", "--sarif", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", CLI_PEAK, "verify", str(prefix), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[-1:]) == (0, "\n"), done.stderr
    report = json.loads(done.stdout)
    damaged = MANY if "damaged" in kind else 0
    assert len(report["problems"]) == damaged
    assert {problem["code"] for problem in report["problems"]} <= {"TFC401"}
    header = 13_000 if kind == "V1" else 0  # KiB of the largest row, twice
    assert int(done.stderr) < 150_000 + header, "KiB at its peak"


def test_sparse_writer_writes_the_given_sizes(tmp_path: Path) -> None:
    prefix = sparse_bundle(tmp_path, 3_000_000, tensors=3)
    assert codes(verify(prefix)) == []
    with tfckpt.open(prefix) as ckpt:
        assert {name: (spec.nbytes, spec.shape) for name, spec in ckpt.specs.items()} == {
            f"t{i}": (1_000_000, (1_000_000,)) for i in range(3)
        }


@pytest.mark.parametrize("make", ["stray", "lost"])
def test_many_problems_take_no_longer_each(make: str, tmp_path: Path) -> None:
    """Twice as many: about twice the work, counted in lines and calls that run."""

    def work(count: int) -> int:
        folder = tmp_path / f"{count}"
        folder.mkdir()
        names = [b"n%06d" % i for i in range(count)]
        if make == "stray":
            crc = w.mask(w.crc(b""))
            rows = [(w.slice_key(name, [(0, 1)]), w.entry(5, (0,), crc=crc)) for name in names]
            path = bundle(folder, {}, edit_rows=lambda old: sorted([*old, *rows]))
        else:
            meta = w.v1_meta((w.v1_tensor(name, (1,), 1, [[(0, 1)]]) for name in names), None)
            path = v1(folder, {}, edit_rows=lambda old: w.replace_row(old, b"", meta))
        steps = 0

        def trace(_frame: Any, _event: str, _argument: Any) -> Any:
            nonlocal steps
            steps += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            report = verify(path)
        finally:
            sys.settrace(before)
        assert len(report.problems) == count
        return steps

    assert work(400) < 3 * work(200)
