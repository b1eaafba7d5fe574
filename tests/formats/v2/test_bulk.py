"""Many tensors at once: cut into windows, read on threads, crcs put together again."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.formats.v2 import bulk as streams
from tfckpt_reader.formats.v2 import segments
from tfckpt_reader.formats.v2.bulk import scan, windows
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.segments import parallel_crc
from tfckpt_reader.formats.v2.units import Window
from tfckpt_reader.storage import workers as crew
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.spec import Segment, TensorSpec

RNG = np.random.default_rng(7)


def runs_of(bundle: Bundle) -> list[Segment]:
    return [run for spec in bundle.listing().values() for run in bundle.segments(spec)]


@pytest.fixture(params=[0, 1 << 62], ids=["batches", "windows"])
def several(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """More threads than this machine may have processors."""
    monkeypatch.setattr(crew, "processors", lambda: 4)
    monkeypatch.setattr(streams, "WORTH_BATCHES", request.param)
    monkeypatch.setattr(streams, "WORTH_THREADS", 0)


# -- windows ---------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([0, 0, 0, 5]),
            st.sampled_from([0, 1, 4, 100, CHUNK - 4, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 7]),
        ),
        max_size=12,
    )
)
def test_windows_hold_each_byte_of_each_run_once(layout: list[tuple[int, int, int]]) -> None:
    ends, places = [0, 0], []
    for number, (file, gap, size) in enumerate(layout):
        offset = ends[file] + gap
        ends[file] = offset + size
        run = Segment(str(number), DataType.UINT8, (size,), size, file, offset, 0)
        places.append((number, run))
    found: list[Window] = list(windows(places, CHUNK))
    seen: dict[int, int] = defaultdict(int)
    for window in found:
        assert window.size <= CHUNK
        assert window.size == sum(piece.size for piece in window.spans)
        offset = window.offset
        for piece in window.spans:
            _, run = places[piece.number]
            assert run.shard == window.shard
            assert offset == run.offset + piece.first
            assert piece.first == seen[piece.number]
            seen[piece.number] += piece.size
            offset += piece.size
    assert {n: seen[n] for n in seen} == {n: run.nbytes for n, run in places}


def test_runs_side_by_side_are_read_at_once(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "m", {f"w{i:03}": np.full(3, i, "f4") for i in range(500)})
    bundle = Bundle(str(tmp_path / "m"), mapped=False)
    places = list(enumerate(runs_of(bundle)))
    assert [window.size for window in windows(places, CHUNK)] == [500 * 12]


# -- scan ------------------------------------------------------------------------------------------


def long_and_short() -> dict[str, NDArray[Any]]:
    sizes = [3, CHUNK // 4, 5 * CHUNK // 4 + 1, 1, 0, 2 * CHUNK, 7]
    return {f"t{i}": RNG.standard_normal(n).astype("f4") for i, n in enumerate(sizes)}


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("big_endian", [False, True])
def test_scan_gives_every_byte_and_every_crc(tmp_path: Path, big_endian: bool) -> None:
    tensors = long_and_short()
    w.write_bundle(tmp_path / "m", tensors, big_endian=big_endian)
    bundle = Bundle(str(tmp_path / "m"), mapped=False)
    runs = runs_of(bundle)
    got = {run.name: bytearray(run.nbytes) for run in runs}

    def take(number: int, first: int, piece: memoryview) -> None:
        got[runs[number].name][first : first + len(piece)] = piece

    read: list[int] = []
    with closing(scan(bundle.shards, runs, take, read.append)) as scanned:
        outcomes = list(scanned)
    assert sorted(outcome.number for outcome in outcomes) == list(range(len(runs)))
    assert all(outcome.error is None for outcome in outcomes)
    assert {name: bytes(data) for name, data in got.items()} == {
        name: array.astype("<f4").tobytes() for name, array in tensors.items()
    }
    assert sum(read) == sum(array.nbytes for array in tensors.values())


@pytest.mark.usefixtures("several")
def test_scan_names_just_the_runs_that_are_damaged(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "m", long_and_short())
    bundle = Bundle(str(tmp_path / "m"), mapped=False)
    runs = runs_of(bundle)
    shard = next(tmp_path.glob("m.data*"))
    data = bytearray(shard.read_bytes())
    damaged = {"t0": 0, "t2": runs[2].nbytes - 1, "t5": CHUNK, "t6": 3}
    for name, place in damaged.items():
        run = next(run for run in runs if run.name == name)
        data[run.offset + place] ^= 4
    shard.write_bytes(data)
    errors = {o.number: o.error for o in scan(bundle.shards, runs) if o.error is not None}
    assert {runs[number].name for number in errors} == set(damaged)
    for number, error in errors.items():
        assert isinstance(error, tfckpt.ChecksumError)
        assert (error.tensor, error.offset) == (runs[number].name, runs[number].offset)


@pytest.mark.usefixtures("several")
def test_a_file_cut_while_it_is_read(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "m", long_and_short())
    bundle = Bundle(str(tmp_path / "m"), mapped=False)
    runs = runs_of(bundle)
    bundle.shards.file(0)
    shard = next(tmp_path.glob("m.data*"))
    with shard.open("r+b") as file:
        file.truncate(runs[3].offset)
    errors = {o.number: o.error for o in scan(bundle.shards, runs)}
    lost = [run.name for run in runs[3:] if run.nbytes]
    assert [runs[n].name for n in sorted(errors) if errors[n] is not None] == lost
    assert all(
        isinstance(error, tfckpt.TruncatedError) and error.tensor == runs[number].name
        for number, error in errors.items()
        if error is not None
    )


def test_nothing_is_kept_of_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else memory would grow with the longest tensor. On one thread all comes in its turn."""
    monkeypatch.setattr(streams, "CHUNK", 64)
    monkeypatch.setattr(crew, "processors", lambda: 1)
    early: list[int] = []
    really = PartialChecksums.add

    def add(self: PartialChecksums, number: int, first: int, size: int, crc: int) -> None:
        really(self, number, first, size, crc)
        early.append(len(self._early))

    monkeypatch.setattr(PartialChecksums, "add", add)
    numbers = RNG.standard_normal(10_000).astype("f4")
    columns = w.Sliced(numbers.reshape(-1, 4), [[(0, -1), (0, 3)], [(0, -1), (3, 1)]])
    tensors: dict[str, Any] = {"long": numbers, "columns": columns}
    w.write_bundle(tmp_path / "m", tensors)
    for target in ("out.npz", "out.safetensors", "out/"):
        tfckpt.convert(tmp_path / "m", f"{tmp_path}/{target}")
        assert len(early) > 2 * 40_000 // 64
        assert set(early) == {0}
        early.clear()


def test_what_take_raises_stops_it(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "m", long_and_short())
    bundle = Bundle(str(tmp_path / "m"), mapped=False)

    def full(_number: int, _first: int, _piece: memoryview) -> None:
        raise OSError(28, "No space left on device")

    before = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        list(scan(bundle.shards, runs_of(bundle), full))
    assert threading.active_count() == before


# -- pour ------------------------------------------------------------------------------------------


def poured(ckpt: tfckpt.Checkpoint, specs: list[TensorSpec]) -> list[bytes]:
    got = [bytearray(spec.elements * spec.dtype.itemsize) for spec in specs]

    def take(number: int, first: int, piece: memoryview) -> None:
        got[number][first : first + len(piece)] = piece

    read: list[int] = []
    ckpt.reader.read_many(specs, take, read.append)
    assert sum(read) == sum(map(len, got))
    return [bytes(data) for data in got]


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_pour_gives_what_reading_gives(path: Path) -> None:
    for prefix in sorted({p.with_suffix("") for p in path.with_suffix("").rglob("*.index")}):
        with tfckpt.open(prefix, mmap=False) as ckpt:
            specs = [spec for spec in ckpt.specs.values() if spec.dtype.itemsize]
            try:
                wanted = [b"".join(map(bytes, ckpt.reader.chunks(spec))) for spec in specs]
            except tfckpt.CheckpointError:
                with pytest.raises(tfckpt.CheckpointError):
                    poured(ckpt, specs)
                continue
            assert poured(ckpt, specs) == wanted


GRID = np.arange(6 * 8 * 10, dtype="f4").reshape(6, 8, 10)


@pytest.mark.parametrize(
    "extents",
    [
        [[(0, 2), (0, -1), (0, -1)], [(2, 4), (0, -1), (0, -1)]],
        [[(3, 3), (0, 8), (0, 10)], [(0, 3), (0, -1), (0, -1)]],
        [[(0, -1), (0, 3), (0, -1)], [(0, -1), (3, 5), (0, -1)]],
        [[(0, 1), (0, 8), (0, 10)], [(1, 5), (0, 8), (0, 4)], [(1, 5), (0, 8), (4, 6)]],
    ],
    ids=["rows", "rows, out of order", "columns", "both"],
)
def test_pour_puts_slices_where_they_belong(tmp_path: Path, extents: Any) -> None:
    w.write_bundle(tmp_path / "m", {"a": GRID[0], "p": w.Sliced(GRID, extents), "z": GRID[1]})
    with tfckpt.open(tmp_path / "m") as ckpt:
        specs = list(ckpt.specs.values())
        assert poured(ckpt, specs) == [GRID[0].tobytes(), GRID.tobytes(), GRID[1].tobytes()]


def test_pour_of_v1(tmp_path: Path) -> None:
    w.write_v1(tmp_path / "m", {"a": GRID, "b": np.array(5)})
    with tfckpt.open(tmp_path / "m") as ckpt:
        specs = list(ckpt.specs.values())
        assert poured(ckpt, specs) == [GRID.tobytes(), np.array(5).tobytes()]


def test_pour_stops_at_a_damaged_tensor(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "m", {"a": GRID, "b": GRID, "c": GRID})
    shard = next(tmp_path.glob("m.data*"))
    data = bytearray(shard.read_bytes())
    data[GRID.nbytes + 1] ^= 1
    shard.write_bytes(data)
    with tfckpt.open(tmp_path / "m") as ckpt, pytest.raises(tfckpt.ChecksumError) as caught:
        poured(ckpt, list(ckpt.specs.values()))
    assert caught.value.tensor == "b"


def test_the_chunk_is_whole_elements_of_every_type() -> None:
    assert all(CHUNK % dtype.itemsize == 0 for dtype in DataType if dtype.itemsize)


# -- parts of what is in memory --------------------------------------------------------------------


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 1000, 1001])
def test_the_parallel_crc(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_PART", 10)
    data = RNG.bytes(size)
    assert parallel_crc(memoryview(data)) == crc32c(data)


@pytest.mark.usefixtures("several")
def test_a_large_view_is_checked_by_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_PART", 100)
    monkeypatch.setattr(segments, "WORTH_PARTS", 4000)
    values = RNG.standard_normal(1000).astype(np.float32)
    prefix = tmp_path / "p"
    w.write_bundle(prefix, {"a": values, "b": values[1:]})
    data = Path(f"{prefix}.data-00000-of-00001")
    with tfckpt.open(prefix) as ckpt:
        np.testing.assert_array_equal(ckpt["a"], values)
    for place in (0, 99, 100, 2050, 3999):
        good = data.read_bytes()
        data.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with tfckpt.open(prefix) as ckpt:
            with pytest.raises(tfckpt.ChecksumError, match="'a'"):
                ckpt["a"]
            np.testing.assert_array_equal(ckpt["b"], values[1:])
        data.write_bytes(good)
