"""Benchmarks of what grows with a checkpoint. Not collected by itself; from the checkout:

    pytest -o python_files='bench_*.py' tests/benchmarks

`-k "not 1000000 and not 4096"` leaves out what takes long. `tables.py` compares with others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make
import pytest

import tfckpt_reader as tfckpt

Benchmark = Callable[..., Any]
"""The fixture of pytest-benchmark: calls a function again and again; returns what that returns."""

COUNTS = (10**3, 10**4, 10**5, 10**6)
SHARDS = (1, 64, 4096)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Makes a checkpoint of a kind and a size, once."""
    folder = tmp_path_factory.mktemp("made")

    def prefix(kind: str, number: int) -> Path:
        found = folder / f"{kind}-{number}"
        if not os.path.exists(f"{found}.index"):
            make.KINDS[kind](found, number)
        return found

    return prefix


Made = Callable[[str, int], Path]


@pytest.mark.parametrize("count", COUNTS)
def test_open(benchmark: Benchmark, made: Made, count: int) -> None:
    assert benchmark(tfckpt.open, made("index", count)).version == "V2"


@pytest.mark.parametrize("count", COUNTS)
def test_open_and_first_lookup(benchmark: Benchmark, made: Made, count: int) -> None:
    prefix, name = made("index", count), make.name_of(count // 2)
    assert benchmark(lambda: tfckpt.open(prefix)[name]).shape == (4,)


def test_open_a_small_file_and_read(benchmark: Benchmark, made: Made) -> None:
    prefix, name = made("index", 3), make.name_of(1)
    assert benchmark(lambda: tfckpt.open(prefix)[name]).shape == (4,)


@pytest.mark.parametrize("count", COUNTS)
def test_a_missing_name(benchmark: Benchmark, made: Made, count: int) -> None:
    prefix = made("index", count)
    assert benchmark(lambda: tfckpt.open(prefix).get("model/missing")) is None


@pytest.mark.parametrize("count", COUNTS)
def test_arrays_one_by_one_after_a_listing(benchmark: Benchmark, made: Made, count: int) -> None:
    ckpt = tfckpt.open(made("index", count))
    names = list(ckpt)[:: max(1, count // 1000)]
    assert benchmark(lambda: len([ckpt[name] for name in names])) == len(names)


@pytest.mark.parametrize("count", COUNTS)
def test_listing(benchmark: Benchmark, made: Made, count: int) -> None:
    prefix = made("index", count)
    assert benchmark(lambda: len(tfckpt.open(prefix))) == count


@pytest.mark.parametrize("count", SHARDS)
@pytest.mark.parametrize("mapped", [True, False])
def test_every_tensor(benchmark: Benchmark, made: Made, count: int, mapped: bool) -> None:
    prefix = made("shards", count)

    def read() -> int:
        ckpt = tfckpt.open(prefix, mmap=mapped)
        return sum(ckpt[name].nbytes for name in ckpt)

    assert benchmark(read) == 4096 * 4096 * 4


@pytest.mark.parametrize("count", SHARDS)
def test_verify(benchmark: Benchmark, made: Made, count: int) -> None:
    assert benchmark(tfckpt.verify, made("shards", count)).ok


def test_rows_of_one_piece(benchmark: Benchmark, made: Made) -> None:
    ckpt = tfckpt.open(made("pieces", 1000))
    rows = slice(500 * 256, 500 * 256 + 8)
    assert benchmark(ckpt.read, "t", rows=rows)[0, 0] == rows.start


@pytest.mark.parametrize("mapped", [True, False])
def test_a_row_at_the_far_end(benchmark: Benchmark, made: Made, mapped: bool) -> None:
    prefix = made("far", 1000)

    def row() -> Any:
        return tfckpt.open(prefix, mmap=mapped).read("t", rows=slice(-1, None))

    assert benchmark(row).shape == (1, make.ROW)


@pytest.mark.parametrize("target", ["npz", "safetensors", "npy"])
def test_convert(benchmark: Benchmark, made: Made, target: str, tmp_path: Path) -> None:
    prefix, out = made("weights", 100), tmp_path / "out"
    done = benchmark(tfckpt.convert, prefix, out, format=target, force=True)
    assert done.nbytes == os.path.getsize(f"{prefix}{make.DATA}")
