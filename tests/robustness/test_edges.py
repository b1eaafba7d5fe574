"""Where TensorFlow and NumPy have other limits, and what the system does not let us read.

Verifying, reading and exporting agree about each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, UnsupportedError
from tfckpt_reader.storage.local import File
from tfckpt_reader.table.table import Table

DATA = ".data-00000-of-00001"
TARGETS = ("out.npz", "out.safetensors", "out/")
FOUR = b"\1\2\3\4"
MANY = 65
"""Axes: one more than NumPy has."""


def written(folder: Path, rows: w.Rows, data: bytes) -> str:
    prefix = folder / "model"
    Path(f"{prefix}.index").write_bytes(w.table([(b"", w.header()), *rows]))
    Path(f"{prefix}{DATA}").write_bytes(data)
    return str(prefix)


def many_axes(folder: Path) -> str:
    crc = w.mask(w.crc(FOUR))
    return written(folder, [(b"t", w.entry(1, (1,) * MANY, size=4, crc=crc))], FOUR)


def many_axes_sliced(folder: Path) -> str:
    rest, crc = [(0, -1)] * (MANY - 1), w.mask(w.crc(FOUR))
    slices = [[(i, 1), *rest] for i in range(2)]
    full = w.entry(1, (2, *[1] * (MANY - 1)), slices=slices)
    rows = [
        (w.slice_key(b"t", each), w.entry(1, (1,) * MANY, offset=4 * i, size=4, crc=crc))
        for i, each in enumerate(slices)
    ]
    return written(folder, [*rows, (b"t", full)], 2 * FOUR)


def many_axes_v1(folder: Path) -> str:
    w.write_v1(folder / "model", {"t": w.Typed(1, np.ones((1,) * 30, np.float32))})
    rows = [(bytes(key), bytes(value)) for key, value in Table(File(str(folder / "model"))).rows()]
    shape = w.shape_proto((1,) * 30), w.shape_proto((1,) * MANY)
    meta = w.v1_tensor(b"t", (1,) * MANY, 1, [[(0, -1)] * MANY])
    assert shape[0] in rows[0][1]
    (folder / "model").write_bytes(w.table([(b"", w.v1_meta([meta], w.version_def())), rows[1]]))
    return str(folder / "model")


@pytest.mark.parametrize("made", [many_axes, many_axes_sliced, many_axes_v1])
def test_more_axes_than_arrays_can_have(made: Callable[[Path], str], tmp_path: Path) -> None:
    prefix = made(tmp_path)
    with tfckpt.open(prefix) as ckpt:
        assert len(ckpt.specs["t"].shape) == MANY
        for rows in (None, slice(1)):
            with pytest.raises(UnsupportedError):
                ckpt.read("t", rows=rows)
        with pytest.raises(UnsupportedError):
            ckpt["t"]
    report = tfckpt.verify(prefix)
    assert {problem.code for problem in report.problems} == {"TFC901"}
    assert not report.ok
    for target in TARGETS:
        with pytest.raises(UnsupportedError, match="axes"):
            tfckpt.convert(prefix, f"{tmp_path}/{target}")


def test_empty_tensors_past_the_end(tmp_path: Path) -> None:
    """TensorFlow reads none of their bytes, wherever they are placed."""
    crc = w.mask(w.crc(FOUR))
    rows = [
        (b"empty", w.entry(1, (0, 3), offset=100, size=0, crc=w.mask(0))),
        (b"four", w.entry(1, (1,), size=4, crc=crc)),
    ]
    prefix = written(tmp_path, rows, FOUR)
    for mmap in (False, True):
        with tfckpt.open(prefix, mmap=mmap) as ckpt:
            assert ckpt["empty"].shape == ckpt.read("empty").shape == (0, 3)
            assert ckpt["four"].tobytes() == FOUR
    assert not tfckpt.verify(prefix).problems
    for target in TARGETS:
        assert tfckpt.convert(prefix, f"{tmp_path}/{target}").written == ("empty", "four")


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_the_first_block_is_empty(version: str, tmp_path: Path) -> None:
    """TensorFlow steps over it."""
    path, values = tmp_path / "model", np.arange(6, dtype=np.float32)
    if version == "V1":
        w.write_v1(path, {"t": values})
        table = path
    else:
        w.write_bundle(path, {"t": values})
        table = tmp_path / "model.index"
    rows = [(bytes(key), bytes(value)) for key, value in Table(File(str(table))).rows()]
    blocks = [(b"", w.seal(w.block([])))] * 2
    blocks += [(key, w.seal(w.block([(key, value)]))) for key, value in rows]
    table.write_bytes(w.assemble(blocks))
    with tfckpt.open(path) as ckpt:
        assert (ckpt["t"] == values).all()
    assert not tfckpt.verify(path).problems
    assert tfckpt.verify_all(tmp_path)[0].ok


def test_a_folder_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, hence no real one."""
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != str(tmp_path))
    for path in (tmp_path, tmp_path / "model", tmp_path / "no" / "model"):
        with pytest.raises(CheckpointError, match="this folder cannot be read") as caught:
            tfckpt.open(path)
        assert not isinstance(caught.value, CheckpointNotFoundError)
        assert caught.value.file == str(tmp_path)
    w.write_bundle(tmp_path / "model", {"t": np.zeros(2)})
    with tfckpt.open(tmp_path / "model") as ckpt:  # whose name is known
        assert list(ckpt) == ["t"]
