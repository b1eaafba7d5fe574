"""Checkpoints of any size that take no room: files of zeros without blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import DATA, INDEX, put

linux_only = pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc"
)


def small(shape: tuple[int, ...] = (2,), **fields: Any) -> bytes:
    """The entry of a float32 tensor of zeros at the beginning of the shard."""
    size = 4 * int(np.prod(shape))
    return w.entry(1, shape, size=size, crc=w.mask(w.crc(bytes(size))), **fields)


def write_index(prefix: Path, rows: Iterable[tuple[bytes, bytes]], **layout: Any) -> Path:
    """An index of rows as they are, and 8 zeros of data."""
    Path(f"{prefix}.index").write_bytes(w.table(rows, **layout))
    Path(f"{prefix}{DATA}").write_bytes(bytes(8))
    return prefix


def write_block(prefix: Path, contents: bytes, **seal: Any) -> Path:
    """An index of one data block."""
    Path(f"{prefix}.index").write_bytes(w.assemble([(b"~", w.seal(contents, **seal))]))
    Path(f"{prefix}{DATA}").write_bytes(bytes(64))
    return prefix


def write_sparse(prefix: Path, size: int, entry: bytes, tail: bytes = b"") -> Path:
    """Tensor x in a data file of that many zeros, which takes no room, and a tail."""
    write_index(prefix, [(b"", w.header()), (b"x", entry)])
    with Path(f"{prefix}{DATA}").open("r+b") as file:
        try:
            file.truncate(size)
        except OSError:
            pytest.skip("the file system has no files so large")
        file.seek(size)
        file.write(tail)
    if os.stat(f"{prefix}{DATA}").st_blocks * 512 > 1 << 20:
        pytest.skip("the file system has no sparse files")
    return prefix


def sparse_bundle(folder: Path, size: int, tensors: int = 4) -> Path:
    """A bundle of zeros in a file without blocks: `tensors` of uint8, `size` bytes together."""
    each, zeros, running = size // tensors, bytes(1 << 20), 0
    for done in range(0, each, len(zeros)):
        running = w.crc(zeros[: each - done], running)
    rows: w.Rows = [(b"", w.header())]
    for i in range(tensors):
        place = {"offset": i * each, "size": each, "crc": w.mask(running)}
        rows.append((f"t{i}".encode(), w.entry(4, (each,), **place)))
    prefix = put(folder, {INDEX: w.table(rows), DATA: b""})
    os.truncate(f"{prefix}{DATA}", each * tensors)
    return prefix
