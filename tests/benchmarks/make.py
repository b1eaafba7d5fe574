"""Make large checkpoints for benchmarks, byte by byte, with the tests' own writers.

python make.py index|shards|pieces|weights|far|dense|steps|training PREFIX NUMBER
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import make_graphs as graphs
import writers as w

DATA = ".data-00000-of-00001"
FLOAT32 = 1
ROW = 64
"""Numbers in a row of a matrix."""


def name_of(number: int) -> str:
    """Name of one of many tensors: in the order of their numbers, also as bytes."""
    return f"model/layer_{number // 100:05d}/block_{number % 100:02d}/weights"


def _write_index(prefix: Path, shape: tuple[int, ...], data: bytes, count: int) -> None:
    """Write an index of tensors of float32 that all hold the same bytes, and an empty data file."""
    before = w.entry(FLOAT32, shape)
    behind = w.entry(0, None, size=len(data), crc=w.mask(w.crc(data)))
    places = (len(data) * i for i in range(count))
    entries = (before + w.int_field(4, place) + behind for place in places)
    rows = ((name_of(i).encode(), entry) for i, entry in enumerate(entries))
    Path(f"{prefix}.index").write_bytes(w.table([(b"", w.header()), *rows]))
    Path(f"{prefix}{DATA}").write_bytes(b"")


def index(prefix: Path, count: int) -> None:
    """`count` tensors of four zeros each; the data file takes no room."""
    _write_index(prefix, (4,), bytes(16), count)
    os.truncate(f"{prefix}{DATA}", 16 * count)


def shards(prefix: Path, count: int) -> None:
    """4,096 tensors of 16 KiB in `count` data files."""
    numbers = np.arange(4096, dtype=np.float32)
    w.write_bundle(prefix, {name_of(i): numbers + i for i in range(4096)}, shards=count)


def pieces(prefix: Path, count: int) -> None:
    """A matrix `t` of `count` pieces, each of 256 rows of ROW numbers: 64 KiB each."""
    table = np.arange(256 * count, dtype=np.float32)[:, None] * np.ones(ROW, np.float32)
    extents = [[(256 * i, 256), (0, -1)] for i in range(count)]
    w.write_bundle(prefix, {"t": w.Sliced(table, extents)})


def weights(prefix: Path, megabytes: int) -> None:
    """Matrices of 1,024 by 1,024 numbers, as many as take so many MB of 10^6 bytes."""
    data = np.random.default_rng(1).standard_normal((1024, 1024), np.float32).tobytes()
    count = max(1, round(megabytes * 10**6 / len(data)))
    _write_index(prefix, (1024, 1024), data, count)
    with Path(f"{prefix}{DATA}").open("wb") as file:
        file.writelines(data for _ in range(count))


def far(prefix: Path, gigabytes: int) -> None:
    """A matrix `t` of zeros, so many GB of 10^9 bytes, in a file that takes no room."""
    count = gigabytes * 10**9 // (4 * ROW)
    size = 4 * ROW * count
    rows = [(b"", w.header()), (b"t", w.entry(FLOAT32, (count, ROW), size=size))]
    Path(f"{prefix}.index").write_bytes(w.table(rows))
    Path(f"{prefix}{DATA}").write_bytes(b"")
    os.truncate(f"{prefix}{DATA}", size)


def dense(prefix: Path, megabytes: int) -> None:
    """Dense layers with about so many MB of weights, and their graph."""
    count, width = max(1, round(megabytes / 4.2)), 1024
    rng = np.random.default_rng(1)
    tensors = {}
    for key in graphs.keys_of(count):
        sizes = (width, width) if key.endswith("weights") else (width,)
        tensors[key] = rng.standard_normal(sizes, np.float32)
    w.write_bundle(prefix, tensors)
    Path(f"{prefix}.meta").write_bytes(graphs.dense_layers(count, width, trained=False))


def steps(prefix: Path, nodes: int) -> None:
    """A recurrent network unrolled into so many nodes, and its two variables."""
    width = 4
    tensors = {
        "cell/weights": np.eye(width, dtype=np.float32),
        "cell/biases": np.zeros(width, np.float32),
    }
    w.write_bundle(prefix, tensors)
    Path(f"{prefix}.meta").write_bytes(graphs.unrolled(nodes, width))


def training(prefix: Path, megabytes: int) -> None:
    """A graph that trains dense layers, with functions and collections: so many MB, no values."""
    _write_index(prefix, (4,), bytes(16), 0)
    layers = megabytes * 10**6 // 7350
    meta = graphs.dense_layers(layers, 16, trained=True, functions=layers // 10)
    Path(f"{prefix}.meta").write_bytes(meta)


KINDS: dict[str, Callable[[Path, int], None]] = {
    "index": index,
    "shards": shards,
    "pieces": pieces,
    "weights": weights,
    "far": far,
    "dense": dense,
    "steps": steps,
    "training": training,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
