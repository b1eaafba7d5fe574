"""`convert` writes what reading gives, and says what it wrote."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import (
    FLOATS,
    LARGE,
    MIB,
    Arrays,
    assert_same_bytes,
    large,
    load,
    out_of,
    some_tensors,
)
from defects import bundle
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import CASES, QUANTISED, Record, assert_value, value_bytes
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.export import convert as write
from tfckpt_reader.objects.paths import OBJECT_GRAPH

LOW_BITS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
NUMPY_LACKS = {
    *("bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz"),
    *("float8_e5m2fnuz", "float4_e2m1fn", *LOW_BITS),
}


def joined(found: Arrays, name: str) -> list[bytes]:
    """The elements of strings that were stored as bytes and offsets."""
    together = found[f"{name}/__bytes__"].tobytes()
    return [together[a:b] for a, b in itertools.pairwise(found[f"{name}/__offsets__"].tolist())]


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
    own = {name for name in variables if name == OBJECT_GRAPH or name.endswith("/py_state")}
    sample = list(variables) if folder == "many_blocks" else []  # its JSON has some of 10,000
    target = tmp_path / "out.npz"
    done = write(source, target, raw=raw, include=sample, exclude=bad, skip_unsupported=True)
    found = load(tmp_path / "out.npz")
    keys = set(found)
    for name, record in variables.items():
        if name in bad or name in own:
            assert name not in found
        elif record["dtype"] == "variant":
            assert name in done.skipped
        else:
            assert name in done.written
            assert_converted(found, name, record, raw)
            keys -= {name, f"{name}/__bytes__", f"{name}/__offsets__"}
    assert keys == set()
    lost = own | set(bad)
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


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no such call on this system")
@pytest.mark.parametrize("name", ["out.npz", "out.safetensors", "out.ckpt"])
def test_room_that_the_disk_lacks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _offset: int, size: int) -> None:
        if size > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    w.write_bundle(tmp_path / "m", {"a": np.ones(1 << 18, "f4")})
    before = set(os.listdir(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left") as caught:
        tfckpt.convert(tmp_path / "m", tmp_path / name)
    assert str(caught.value.filename).startswith(str(tmp_path / name))
    assert set(os.listdir(tmp_path)) == before
