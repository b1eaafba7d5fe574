"""`convert`: faithful, bounded, all or nothing."""

from __future__ import annotations

import errno
import hashlib
import itertools
import mmap
import os
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import FLOATS, MIB, left, some_tensors
from defects import DATA, bundle, poke, put
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import CASES, QUANTISED, Record, assert_value, value_bytes
from peak_memory import peak_kib
from project import FIXTURES
from sparse_files import linux_only, sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader.export import Conversion
from tfckpt_reader.export import convert as write
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.storage import local as storage
from tfckpt_reader.storage.atomic import SUFFIX

LOW_BITS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2}


NUMPY_LACKS = {
    *("bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz"),
    *("float8_e5m2fnuz", "float4_e2m1fn", *LOW_BITS),
}


Arrays = dict[str, NDArray[Any]]


def load(path: Path | str) -> Arrays:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def joined(found: Arrays, name: str) -> list[bytes]:
    """The elements of strings that were stored as bytes and offsets."""
    together = found[f"{name}/__bytes__"].tobytes()
    return [together[a:b] for a, b in itertools.pairwise(found[f"{name}/__offsets__"].tolist())]


def out_of(source: Path, **options: Any) -> tuple[Arrays, Conversion]:
    target = source.parent / "out.npz"
    done = write(source, target, force=True, **options)
    assert done.path == str(target)
    assert not [name for name in os.listdir(source.parent) if name.endswith(SUFFIX)]
    return load(target), done


def assert_converted(found: Arrays, name: str, record: Record, raw: bool) -> None:
    """One tensor against what TensorFlow reads from the same file."""
    dtype: str = record["dtype"]
    numpy_name = QUANTISED.get(dtype, dtype)
    if dtype == "string":
        elements = found[name].reshape(-1).tolist() if name in found else joined(found, name)
        array = np.empty(len(elements), object)
        array[:] = elements
        assert hashlib.sha256(value_bytes(array)).hexdigest() == record["sha256"]
        assert name not in found or list(found[name].shape) == record["shape"]
    elif numpy_name not in NUMPY_LACKS:
        assert_value(found[name], record)
    else:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        narrow = np.dtype(getattr(ml_dtypes, numpy_name))
        (assert_raw if raw else assert_widened)(found[name], narrow, record)


def assert_raw(array: NDArray[Any], narrow: np.dtype[Any], record: Record) -> None:
    """The bits of a type that NumPy lacks."""
    assert array.dtype == f"u{narrow.itemsize}"
    assert list(array.shape) == record["shape"]
    assert hashlib.sha256(array.tobytes()).hexdigest() == record["sha256"]


def assert_widened(array: NDArray[Any], narrow: np.dtype[Any], record: Record) -> None:
    """The values of a type that NumPy lacks, in the next wider type, and back."""
    integer = "int" in narrow.name
    wide: Any = (np.uint8 if narrow.name.startswith("u") else np.int8) if integer else np.float32
    assert array.dtype == wide
    assert list(array.shape) == record["shape"]
    if not np.isnan(array).any():  # a NaN has more patterns than one
        bits = array.reshape(-1).astype(narrow).view(f"u{narrow.itemsize}")
        bits = bits & ((1 << LOW_BITS.get(narrow.name, 8 * narrow.itemsize)) - 1)
        assert hashlib.sha256(bits.tobytes()).hexdigest() == record["sha256"]
    if "values" in record:
        expected = np.array(record["values"], wide).reshape(array.shape)
        np.testing.assert_array_equal(array, expected)
        np.testing.assert_array_equal(np.signbit(array), np.signbit(expected))


@pytest.mark.parametrize("raw", [False, True], ids=["wide", "raw"])
@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_fixtures(folder: str, checkpoint: Record, raw: bool, tmp_path: Path) -> None:
    source = FIXTURES / folder / checkpoint["prefix"]
    variables = checkpoint["variables"]
    bad = [name for name, record in variables.items() if record.get("refuse")]
    sample = list(variables) if folder == "many_blocks" else []  # its JSON has some of 10,000
    target = tmp_path / "out.npz"
    done = write(source, target, raw=raw, include=sample, exclude=bad, skip_unsupported=True)
    found = load(tmp_path / "out.npz")
    keys = set(found)
    for name, record in variables.items():
        if name in bad or name == OBJECT_GRAPH:
            assert name not in found
        elif record["dtype"] == "variant":
            assert name in done.skipped
        else:
            assert name in done.written
            assert_converted(found, name, record, raw)
            keys -= {name, f"{name}/__bytes__", f"{name}/__offsets__"}
    assert keys == set()
    lost = {OBJECT_GRAPH, *bad} & set(variables)
    assert len(done.written) + len(done.skipped) + len(lost) == len(variables)
    assert any(OBJECT_GRAPH in note for note in done.notes) == (OBJECT_GRAPH in variables)


def test_every_tensor_is_what_reading_gives(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    source = FIXTURES / "every_dtype" / "model.ckpt"
    write(source, tmp_path / "out.npz")
    found = load(tmp_path / "out.npz")
    with tfckpt.open(source) as ckpt:
        for name, array in ckpt.items():
            if array.dtype == object:
                continue
            assert found[name].shape == array.shape
            if not np.isnan(found[name]).any():  # a NaN has more patterns than one
                assert found[name].astype(array.dtype).tobytes() == array.tobytes(), name


def large(dtype: Any, count: int, shape: tuple[int, ...] = (-1,)) -> NDArray[Any]:
    """Bytes that never repeat with the period of a chunk, as numbers."""
    rng = np.random.default_rng(7)
    raw = rng.integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8)
    numbers: NDArray[Any] = raw.view(dtype)
    return numbers.reshape(shape)


LARGE: dict[str, NDArray[Any]] = {
    "int8": large(np.int8, MIB + 1),
    "float32": large("f4", 3 * MIB // 4 + 1),
    "float64": large("f8", 5 * 83 * 331, (5, 83, 331)),
    "complex128": large("c16", MIB // 16 + 3),
    "int16": large("i2", 3 * 7 * 40009, (3, 7, 40009)),
}


def assert_same_bytes(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("big_endian", [False, True])
def test_larger_than_a_chunk_and_unaligned(big_endian: bool, tmp_path: Path) -> None:
    tensors: dict[str, Any] = {}
    for name, array in LARGE.items():
        tensors[f"{name}/odd"] = np.array([1, 2, 3], np.uint8)  # 3 bytes: the next is unaligned
        tensors[name] = array
    found, done = out_of(bundle(tmp_path, tensors, big_endian=big_endian))
    assert set(found) == set(tensors) == set(done.written)
    for name, array in tensors.items():
        assert_same_bytes(found[name], array)
    assert done.nbytes == sum(array.nbytes for array in tensors.values())


@pytest.mark.parametrize("big_endian", [False, True])
def test_large_slices(big_endian: bool, tmp_path: Path) -> None:
    grid = LARGE["float64"]
    cuts = [[(0, 2), (0, -1), (0, -1)], [(2, 3), (0, 50), (0, -1)], [(2, 3), (50, 33), (0, -1)]]
    columns = [[(0, -1), (0, -1), (0, 300)], [(0, -1), (0, -1), (300, 31)]]
    tensors = {
        "a": np.array([1], np.uint8),
        "rows": w.Sliced(LARGE["int8"], [[(MIB - 5, 6)], [(0, MIB - 5)]]),
        "grid": w.Sliced(grid, cuts),
        "columns": w.Sliced(grid, columns),
    }
    found, _ = out_of(bundle(tmp_path, tensors, shards=2, big_endian=big_endian))
    assert_same_bytes(found["rows"], LARGE["int8"])
    for name in ("grid", "columns"):
        assert_same_bytes(found[name], grid)


def test_large_v1(tmp_path: Path) -> None:
    floats = LARGE["float32"][:300_001]
    tensors: dict[str, Any] = {
        "floats": floats,
        "pieces": w.Sliced(
            LARGE["float64"], [[(0, 2), (0, -1), (0, -1)], [(2, 3), (0, -1), (0, -1)]]
        ),
        "s": w.Strings([b"ab", b"c\0"], (2,)),
        "scalar": np.array(3, np.int64),
        "empty": np.zeros((2, 0), np.int32),
    }
    w.write_v1(tmp_path / "p.v1", tensors)
    found, done = out_of(tmp_path / "p.v1")
    assert_same_bytes(found["floats"], floats)
    assert_same_bytes(found["pieces"], LARGE["float64"])
    assert_same_bytes(found["scalar"], np.array(3, np.int64))
    assert_same_bytes(found["empty"], np.zeros((2, 0), np.int32))
    assert joined(found, "s") == [b"ab", b"c\0"]
    assert set(done.written) == set(tensors)


def test_v1_shards(tmp_path: Path) -> None:
    pieces = w.Sliced(FLOATS, [[(0, 3)], [(3, 1)]], shards=[1, 0])
    w.write_v1_shards(tmp_path / "p.v1", {"f": pieces, "g": FLOATS}, shards=2)
    found, _ = out_of(tmp_path / "p.v1")
    assert_same_bytes(found["f"], FLOATS)
    assert_same_bytes(found["g"], FLOATS)


def test_large_bfloat16_and_float8(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    half = large(np.uint16, 600_001)
    eighth = large(np.uint8, MIB + 7)
    tensors = {
        "b": w.Typed(14, half.view(ml_dtypes.bfloat16)),
        "f": w.Typed(25, eighth.view(ml_dtypes.float8_e4m3fn)),
    }
    found, done = out_of(bundle(tmp_path, tensors))
    np.testing.assert_array_equal(found["b"].view(np.uint32), half.astype(np.uint32) << 16)
    expected = eighth.view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    np.testing.assert_array_equal(found["f"], expected)
    assert done.nbytes == 4 * (half.size + eighth.size)
    raw, done = out_of(tmp_path / "p", raw=True)
    assert_same_bytes(raw["b"], half)
    assert_same_bytes(raw["f"], eighth)
    assert done.nbytes == half.nbytes + eighth.nbytes


def test_upper_bits_do_not_count(tmp_path: Path) -> None:
    """Any byte but 0 is true; of int4 the low nibble counts."""
    tensors = {
        "bool": w.Raw(10, (4,), b"\0\1\2\xff"),
        "int4": w.Raw(29, (4,), b"\xf8\x1f\x20\x07"),
        "uint2": w.Raw(32, (4,), b"\xff\x04\x03\x82"),
    }
    found, _ = out_of(bundle(tmp_path, tensors))
    assert found["bool"].tolist() == [False, True, True, True]
    assert found["bool"].view(np.uint8).tolist() == [0, 1, 1, 1]
    assert found["int4"].tolist() == [-8, -1, 0, 7]
    assert found["uint2"].tolist() == [3, 0, 3, 2]
    raw, _ = out_of(tmp_path / "p", raw=True)
    assert raw["int4"].tolist() == [8, 15, 0, 7]
    assert raw["uint2"].tolist() == [3, 0, 3, 2]
    assert raw["bool"].dtype == bool


def test_ml_dtypes_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bundle(
        tmp_path, {"b": w.Raw(14, (2,), b"\x80\x3f\0\0"), "i": w.Raw(29, (1,), b"\x0f")}
    )
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    found, _ = out_of(source)
    assert found["b"].tolist() == [1.0, 0.0]
    assert found["i"].tolist() == [-1]


@given(some_tensors(), st.booleans(), st.integers(1, 3))
def test_whatever_it_takes_it_gives_back(
    tensors: dict[str, Any], big_endian: bool, shards: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = bundle(Path(name), tensors, big_endian=big_endian, shards=shards)
        try:
            found, done = out_of(source, skip_unsupported=True)
        except tfckpt.TensorNotFoundError:
            assert not tensors
            return
        assert set(done.written) | set(done.skipped) == set(tensors)
        for key in done.written:
            tensor = tensors[key]
            if isinstance(tensor, w.Strings):
                elements = found[key].ravel().tolist() if key in found else joined(found, key)
                assert elements == list(tensor.values)
            else:
                expected: Any = tensor.whole if isinstance(tensor, w.Sliced) else tensor
                assert_same_bytes(found[key], expected)
        for key, why in done.skipped.items():
            assert re.search(r"\x00|^[/\\]|^[A-Za-z]:|\.\.|\.npy$|__", key), why


def test_odd_names_come_back(tmp_path: Path) -> None:
    names = [
        *("file", "allow_pickle", "self", "a/b.c/.d", "a.npy", "CON", "C", "a\\b", "...", "a b"),
        *("dense/kernel/.ATTRIBUTES/VARIABLE_VALUE", "a\nb", "\x1b[31m", "имя", "__metadata__"),
        *("Case", "case", "mmap_mode", "x" * 3000),
    ]
    tensors = {name: np.array([i], np.int32) for i, name in enumerate(names)}
    found, done = out_of(bundle(tmp_path, tensors))
    assert {name: array.tolist() for name, array in found.items()} == {
        name: [i] for i, name in enumerate(names)
    }
    assert sorted(done.written) == sorted(names)


def test_names_that_strings_need(tmp_path: Path) -> None:
    """`s` would be stored as `s/__bytes__.npy`, which NumPy also takes for the tensor's name."""
    tensors = {"s": w.Strings([b"a\0"], (1,)), "s/__bytes__.npy": FLOATS}
    with pytest.raises(tfckpt.UnsupportedError, match="__bytes__"):
        out_of(bundle(tmp_path, tensors))
    found, done = out_of(tmp_path / "p", skip_unsupported=True)
    assert list(done.skipped) == ["s"]
    assert_same_bytes(found["s/__bytes__.npy"], FLOATS)


def test_two_runs_are_identical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FIXTURES / "every_dtype" / "model.ckpt"
    write(source, tmp_path / "a.npz")
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    before = os.umask(0o077)
    try:
        write(source, tmp_path / "another name.npz")
    finally:
        os.umask(before)
    first, second = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == second


def test_permissions_are_those_of_any_file(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    (tmp_path / "plain").write_bytes(b"")
    write(source, tmp_path / "out.npz")
    assert (tmp_path / "out.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_include_and_exclude(tmp_path: Path) -> None:
    source = bundle(tmp_path, dict.fromkeys(["a/w", "a/w/adam", "b/w", "c[0]"], FLOATS))
    assert set(out_of(source, include=["*/w"])[0]) == {"a/w", "b/w"}
    assert set(out_of(source, exclude=["*adam*"])[0]) == {"a/w", "b/w", "c[0]"}
    assert set(out_of(source, include=["a*"], exclude=["*/adam"])[0]) == {"a/w"}
    found, done = out_of(source, include=["b*", "c[0]", "nothing*"])
    assert set(found) == {"b/w", "c[0]"}
    assert [note for note in done.notes if "nothing*" in note] == list(done.notes)


def test_nothing_chosen(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    for options in ({"include": ["x*"]}, {"exclude": ["*"]}, {"include": ["f"], "exclude": ["f"]}):
        with pytest.raises(tfckpt.TensorNotFoundError):
            write(source, tmp_path / "out.npz", **options)  # type: ignore[arg-type]
    assert left(tmp_path) == []


def test_object_graph_is_left_out_and_counted(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"\n\0"], ())})
    found, done = out_of(source)
    assert list(found) == ["f"]
    assert done.written == ("f",)
    assert done.skipped == {}
    (note,) = done.notes
    assert note.startswith("1 tensor left out")
    assert OBJECT_GRAPH in note


def test_object_graph_by_its_name(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"ab"], ())})
    found, _ = out_of(source, include=[OBJECT_GRAPH])
    assert found[OBJECT_GRAPH].tolist() == b"ab"


def test_only_the_object_graph_chosen_by_a_glob(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"ab"], ())})
    with pytest.raises(tfckpt.TensorNotFoundError) as caught:
        write(source, tmp_path / "out.npz", include=["_CHECK*"])
    assert OBJECT_GRAPH in str(caught.value)
    assert "no tensor matches" not in str(caught.value)


def test_strings_in_two_members_are_told(tmp_path: Path) -> None:
    tensors = {"a": w.Strings([b"x"], (1,)), "b": w.Strings([b"x\0"], (1, 1))}
    found, done = out_of(bundle(tmp_path, tensors))
    (note,) = done.notes
    for part in ("b/__bytes__", "b/__offsets__", "[1, 1]"):
        assert part in note
    assert set(found) == {"a", "b/__bytes__", "b/__offsets__"}
    assert set(done.written) == {"a", "b"}


BAD: dict[Any, Any] = {
    "a.npy": FLOATS,
    "/abs": FLOATS,
    "a/../b": FLOATS,
    "nul\0": FLOATS,
    b"\xff": FLOATS,
    "n" * 65600: FLOATS,
    "v": w.Variants([(b"T", b"", [])], ()),
    "deep": w.Raw(4, (1,) * 65, b"\1"),
}


def test_all_refusals_come_at_once_before_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bundle(tmp_path, {"a": FLOATS, **BAD})
    opened: list[str] = []

    def never(path: str) -> Any:
        opened.append(path)

    monkeypatch.setattr("tfckpt_reader.export.destination.atomic_file", never)
    with pytest.raises(tfckpt.UnsupportedError) as caught:
        write(source, tmp_path / "out.npz")
    text = str(caught.value)
    for name in ("a.npy", "/abs", "a/../b", "nul\\x00", "\\udcff", "'v'", "'deep'", "n" * 65600):
        assert name in text
    assert "'a'" not in text
    assert f"{len(BAD)} tensors" in text
    assert text.isprintable()
    assert opened == left(tmp_path) == []


def test_unsupported_ones_are_skipped_when_asked(tmp_path: Path) -> None:
    found, done = out_of(bundle(tmp_path, {"a": FLOATS, **BAD}), skip_unsupported=True)
    assert set(found) == {"a"} == set(done.written)
    assert set(done.skipped) == {k if isinstance(k, str) else "\udcff" for k in BAD}
    assert all(done.skipped.values())
    assert_same_bytes(found["a"], FLOATS)


SOURCES: dict[str, Callable[[Path], Path]] = {
    "plain": lambda folder: bundle(folder, {"a": FLOATS, "t": LARGE["float32"], "z": FLOATS}),
    "big-endian": lambda folder: bundle(
        folder, {"a": FLOATS, "t": LARGE["float32"], "z": FLOATS}, big_endian=True
    ),
    "sliced": lambda folder: bundle(
        folder,
        {"a": FLOATS, "t": w.Sliced(LARGE["int8"], [[(0, MIB)], [(MIB, 1)]]), "z": FLOATS},
    ),
    "strings": lambda folder: bundle(
        folder, {"a": FLOATS, "t": w.Strings([b"x" * 40], (1,)), "z": FLOATS}
    ),
    "bool": lambda folder: bundle(
        folder, {"a": FLOATS, "t": np.ones(2 * MIB, np.bool_), "z": FLOATS}
    ),
}


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


def test_target_exists(tmp_path: Path) -> None:
    source, target = bundle(tmp_path), tmp_path / "out.npz"
    target.write_bytes(b"before")
    with pytest.raises(FileExistsError, match=r"out\.npz.*--force"):
        write(source, target)
    assert target.read_bytes() == b"before"
    write(source, target, force=True)
    assert "f" in load(target)


@pytest.mark.parametrize("link", [False, True])
def test_the_checkpoint_itself_is_never_the_target(link: bool, tmp_path: Path) -> None:
    """A V1 file may be called anything."""
    source = target = tmp_path / "weights.npz"
    w.write_v1(source, {"a": np.arange(3, dtype="f4")})
    before = source.read_bytes()
    if link:
        target = tmp_path / "link.npz"
        os.link(source, target)
    with pytest.raises(FileExistsError, match="the checkpoint itself"):
        write(source, target, force=True)
    assert source.read_bytes() == target.read_bytes() == before


def test_target_exists_is_said_before_anything_is_read(tmp_path: Path) -> None:
    target = tmp_path / "out.npz"
    target.write_bytes(b"before")
    with pytest.raises(FileExistsError):
        write(tmp_path / "no checkpoint", target)


def test_target_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write(bundle(tmp_path), tmp_path / "no" / "out.npz")
    assert str(tmp_path / "no") in str(caught.value)
    assert SUFFIX not in str(caught.value)


@pytest.mark.parametrize("force", [False, True])
def test_target_is_a_folder(force: bool, tmp_path: Path) -> None:
    source, target = bundle(tmp_path), tmp_path / "out.npz"
    target.mkdir()
    with pytest.raises(OSError, match=r"out\.npz"):
        write(source, target, force=force)
    assert left(tmp_path) == ["out.npz"]


@pytest.mark.parametrize("name", ["out", "out.txt", "out.npz.bak", "out.npy", ".NPZ"])
def test_unknown_format(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.npz") as caught:
        write(bundle(tmp_path), tmp_path / name)
    assert not isinstance(caught.value, tfckpt.CheckpointError)
    assert left(tmp_path) == []


def test_targets_with_odd_names(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    for name in ("語" * 80 + ".npz", "n" * 251 + ".npz", ".npz", "a b.npz", "-x.npz"):
        assert len(name.encode()) <= 255
        write(source, tmp_path / name)
        assert "f" in load(tmp_path / name)


def test_target_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bundle(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert write(source, "out.npz").path == "out.npz"
    assert left(tmp_path) == ["out.npz"]


def test_it_is_written_aside_in_the_same_folder(tmp_path: Path) -> None:
    source = SOURCES["plain"](tmp_path)
    seen: list[list[str]] = []
    write(source, tmp_path / "out.npz", on_progress=lambda *_: seen.append(left(tmp_path)))
    assert {len(names) for names in seen} == {1}
    assert all(name.endswith(SUFFIX) for names in seen for name in names)


@linux_only
def test_bytes_go_to_disk_while_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system is told of each piece once; that it will not listen is no error."""
    told: list[tuple[int, int]] = []

    def refuse(_fd: int, offset: int, size: int, _advice: int) -> None:
        told.append((offset, size))
        raise OSError(errno.EINVAL, "no advice is taken here")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    numbers = np.arange(MIB, dtype=np.float32)
    source = bundle(tmp_path, {"large": numbers, "small": FLOATS})
    found, _ = out_of(source)
    assert_same_bytes(found["large"], numbers)
    assert sum(size for _, size in told) == numbers.nbytes
    ends = [offset + size for offset, size in sorted(told)]
    assert [offset for offset, _ in sorted(told)][1:] == ends[:-1]


def test_conversion_tells_what_it_did(tmp_path: Path) -> None:
    tensors = {"f": FLOATS, "s": w.Strings([b"ab", b"c"], (2,)), "e": FLOATS[:0]}
    found, done = out_of(bundle(tmp_path, tensors))
    assert done.written == ("e", "f", "s")
    assert done.nbytes == sum(array.nbytes for array in found.values()) == 20
    assert (done.skipped, done.notes) == ({}, ())


def test_notes_of_the_search_are_kept(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    done = write(tmp_path, tmp_path / "out.npz")
    assert any(str(source) in note for note in done.notes)


def test_progress_goes_up_to_the_total(tmp_path: Path) -> None:
    tensors = {
        "f": LARGE["float32"],
        "b": w.Raw(14, (3,), bytes(6)),
        "i": w.Raw(29, (5,), bytes(5)),
    }
    calls: list[tuple[int, int]] = []
    _, done = out_of(bundle(tmp_path, tensors), on_progress=lambda *call: calls.append(call))
    assert calls == sorted(calls)
    read = LARGE["float32"].nbytes + 3 * 2 + 5
    assert {total for _, total in calls} == {read}
    assert calls[-1][0] == read
    assert done.nbytes == LARGE["float32"].nbytes + 3 * 4 + 5
    assert len({done for done, _ in calls}) >= 4  # 3 MiB, piece by piece


@pytest.mark.parametrize("raw", [False, True])
def test_archive_is_sound(raw: bool, tmp_path: Path) -> None:
    write(FIXTURES / "every_dtype" / "model.ckpt", tmp_path / "out.npz", raw=raw)
    with zipfile.ZipFile(tmp_path / "out.npz") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert len(names) == len(set(names))
    assert all(name.endswith(".npy") for name in names)


def test_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError):
        write(poke(bundle(tmp_path), ".index", 3), tmp_path / "out.npz")
    assert left(tmp_path) == []


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
