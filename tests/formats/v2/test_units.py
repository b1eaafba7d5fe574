"""Units of work: the same crcs, findings and files from pickled copies as from threads."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from spreads import Pickled, copied

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import CheckpointNotFoundError, CorruptCheckpointError
from tfckpt_reader.formats.portable import PortableSink
from tfckpt_reader.formats.v2 import bulk
from tfckpt_reader.formats.v2.bulk import scan
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.units import PortedUnit, Unit, read_unit
from tfckpt_reader.storage.source import CHUNK, page_buffer
from tfckpt_reader.storage.workers import BUFFER, current_spread, spreading

RNG = np.random.default_rng(11)
BIG = RNG.standard_normal((1100, 1024)).astype("float32")
TENSORS: dict[str, Any] = {
    "big": BIG,
    "cut": w.Sliced(BIG, [[(0, 300), (0, 1024)], [(300, 800), (0, 1024)]]),
    "columns": w.Sliced(BIG[:8], [[(0, 8), (0, 1000)], [(0, 8), (1000, 24)]]),
    "bools": RNG.integers(0, 2, 5000).astype(bool),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3), "int64"),
    "strings": w.Strings([b"a", b"", b"bc"], (3,)),
    **{f"small/{i}": RNG.integers(0, 99, 50).astype("int16") for i in range(60)},
}


@pytest.fixture(params=[False, True], ids=["little", "big"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "model.ckpt"
    w.write_bundle(path, TENSORS, shards=3, big_endian=request.param)
    return str(path)


@pytest.fixture(autouse=True)
def everything_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "WORTH_THREADS", 0)
    monkeypatch.setattr(bulk, "_SMALLEST_UNIT", 1)


class Collected(PortableSink):
    """Collects the bytes of each tensor."""

    def __init__(self) -> None:
        self.bytes: dict[int, dict[int, bytes]] = {}

    def take(self, number: int, first: int, data: memoryview) -> Any:
        return number, first, bytes(data)

    def merge(self, taken: Any) -> None:
        number, first, data = taken
        self.bytes.setdefault(number, {})[first] = data

    def part(self, numbers: Collection[int]) -> Collected:  # noqa: ARG002 - it needs none
        return Collected()

    def joined(self) -> dict[int, bytes]:
        return {n: b"".join(parts[at] for at in sorted(parts)) for n, parts in self.bytes.items()}


def test_pickled_units_read_the_same_bytes(prefix: str) -> None:
    bundle = Bundle(prefix, mapped=False)
    segments = sorted(
        (s for spec in bundle.listing().values() for s in bundle.segments(spec)),
        key=lambda s: (s.shard, s.offset),
    )
    segments = [s for s in segments if s.dtype.itemsize]
    outcomes = []
    for spread in (None, Pickled(), Pickled(1)):
        sink, read = Collected(), list[int]()
        with spreading(spread), closing(scan(bundle.shards, segments, sink, read.append)) as done:
            outcomes.append((sorted(done), sink.joined(), sum(read)))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert not any(error for _, error in outcomes[0][0])


def test_a_plain_sink_stays_here(prefix: str) -> None:
    bundle = Bundle(prefix, mapped=False)
    spread, seen = Pickled(), list[int]()
    with spreading(spread):
        bundle.read_many([bundle.listing()["big"]], lambda *sunk: seen.append(sunk[0]))
    assert seen
    assert not spread.units


def test_a_pickled_unit_holds_only_its_own(prefix: str) -> None:
    spread = Pickled()
    with spreading(spread):
        assert tfckpt.verify(prefix).ok
    assert len(spread.units) >= BIG.nbytes * 2 // CHUNK
    assert max(spread.units) < 20_000
    assert current_spread() is None


@pytest.mark.parametrize("level", ["data", "values"])
def test_verify_reports_the_same(prefix: str, level: str) -> None:
    damaged = Path(f"{prefix}.data-00001-of-00003")
    data = bytearray(damaged.read_bytes())
    for at in range(100, len(data), len(data) // 7):
        data[at] ^= 0xFF
    damaged.write_bytes(data)
    Path(f"{prefix}.data-00002-of-00003").write_bytes(b"")
    here = tfckpt.verify(prefix, level=level)
    assert len(here.problems) > 3
    for width in (1, 5):
        with spreading(Pickled(width)):
            assert tfckpt.verify(prefix, level=level) == here


def test_verify_all_reports_the_same(tmp_path: Path) -> None:
    for number in range(4):
        w.write_bundle(tmp_path / f"p-{number}", {"v": np.arange(number + 1.0), "b": BIG[:number]})
    (tmp_path / "p-1.data-00000-of-00001").write_bytes(b"junk")
    (tmp_path / "p-2.data-00000-of-00001").unlink()
    (tmp_path / "p-3.index").write_bytes(b"no table")
    here = tfckpt.verify_all(tmp_path, level="values")
    with spreading(Pickled()):
        assert tfckpt.verify_all(tmp_path, level="values") == here


CASES: list[tuple[str, dict[str, Any]]] = [
    ("out.npz", {}),
    ("out.npz", {"cast": "float16"}),
    ("out.npz", {"cast": "bfloat16", "raw": True, "include": ["big", "small/*"]}),
    ("out.npz", {"compress": True}),
    ("out.safetensors", {"exclude": ["strings"]}),
    ("folder/", {}),
    ("out.ckpt", {"format": "tf", "shards": 2}),
]


def contents(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_convert_writes_the_same_bytes(
    prefix: str, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    done, pickled = [], Pickled()
    for folder, spread in (("here", None), ("there", pickled)):
        (tmp_path / folder).mkdir()
        with spreading(spread):
            done.append(tfckpt.convert(prefix, f"{tmp_path / folder}/{name}", **options))
    here, there = done
    assert bool(pickled.units) == ("compress" not in options)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert there.underflows == here.underflows
    assert there.arrays == here.arrays
    assert there.notes == here.notes


def test_an_hdf5_file_has_the_same_bytes(prefix: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    pickled = Pickled()
    for name, spread in (("a.h5", None), ("b.h5", pickled)):
        with spreading(spread):
            tfckpt.convert(prefix, tmp_path / name, exclude=["empty"])
    assert pickled.units
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_small_floats_are_widened_in_units(tmp_path: Path) -> None:
    tensors = {
        str(dtype): w.Raw(int(dtype), (256,), bytes(range(256)) * dtype.itemsize)
        for dtype in tfckpt.DataType
        if dtype.needs_ml_dtypes
    }
    w.write_bundle(tmp_path / "p", tensors)
    for name, spread in (("a.npz", None), ("b.npz", Pickled())):
        with spreading(spread):
            tfckpt.convert(tmp_path / "p", tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_damage_leaves_nothing(prefix: str, tmp_path: Path) -> None:
    data = Path(f"{prefix}.data-00000-of-00003")
    data.write_bytes(b"\xff" * 64 + data.read_bytes()[64:])
    before = sorted(os.listdir(tmp_path))
    with spreading(Pickled()), pytest.raises(tfckpt.ChecksumError):
        tfckpt.convert(prefix, tmp_path / "out.npz")
    assert sorted(os.listdir(tmp_path)) == before


# -- other files in the other process ----------------------------------------------------------


def unit_of(prefix: str) -> Unit:
    bundle = Bundle(prefix, mapped=False)
    (segment,) = bundle.segments(bundle.listing()["bools"])
    window = next(bulk.windows([(0, segment)], CHUNK))
    return Unit([window], bundle.shards.file, [segment], big_endian=False, sink=None)


def test_a_unit_reads_the_same_files_or_none(prefix: str) -> None:
    unit = unit_of(prefix)
    there = copied(unit)
    assert isinstance(there, PortedUnit)
    buffer = page_buffer(BUFFER)
    assert read_unit(there, buffer) == read_unit(unit, buffer)
    path = Path(unit.file_of(unit.windows[0].shard).name)
    other = copied(unit)
    os.utime(path, ns=(1, 1))
    with pytest.raises(CorruptCheckpointError, match="changed"):
        read_unit(other, buffer)
    path.unlink()
    with pytest.raises(CheckpointNotFoundError, match="this process sees no such file"):
        read_unit(other, buffer)


def test_relative_paths_serve_processes_elsewhere(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(prefix).parent)
    there = copied(unit_of(os.path.basename(prefix)))
    monkeypatch.chdir("/")
    ((summed,), taken) = read_unit(there, page_buffer(BUFFER))
    assert summed.outcome == tfckpt.open(prefix).specs["bools"].crc32c
    assert not taken
