"""What TensorFlow's own tests pin down, case by case: section 8 of the format's specification.

The number in a test's name is the case's. Files are made by the tests' own writer, or are fixtures
that TensorFlow wrote. Statuses translate so: NotFound to CheckpointNotFoundError or, for a name,
TensorNotFoundError; OutOfRange to TruncatedError; DataLoss, Internal and InvalidArgument about
bytes to CorruptCheckpointError; what asks for a newer reader to UnsupportedError.

Two readings need a word. TensorFlow's V1 reader checks all headers when it opens a file; here a
header's tensors are looked at when asked for, so "opening fails" is a listing that fails. And a
TensorFlow slice may cut any axis, while `read` cuts rows: a case about columns reads the whole.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from project import FIXTURES
from strategies import Memory, numbers, piece, table_of

import tfckpt_reader as tfckpt
from tfckpt_reader.encoding.coding import ordered_number, ordered_signed, ordered_string
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.paths.state_file import read_state
from tfckpt_reader.protobuf import parse
from tfckpt_reader.table.block import Block
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.proto_fields import extents
from tfckpt_reader.tensor.slices import cuts, place, slice_key

WRITER = "about writing only"
SESSION = "about TensorFlow's sessions, ops or models only"
OBJECTS = "the object graph and MetaGraphDef are not read yet (graph issue)"
LAST = 86
NOT_APPLICABLE = {
    14: WRITER + ": flips the endianness of files in place",
    36: SESSION + ": slices in text are arguments of ops",
    49: SESSION + ": a cache of readers that ops share",
    51: WRITER,
    52: WRITER + ": an estimate before saving",
    53: WRITER + ": refuses to save",
    61: SESSION + ": waiting for a trainer",
    62: SESSION + ": initialising variables",
    68: WRITER + ": refuses to save",
    70: OBJECTS,
    72: OBJECTS,
    73: OBJECTS,
    74: WRITER,
    81: OBJECTS,
    84: SESSION + ": restoring into objects",
    85: OBJECTS,
}
INTERVALS = pytest.mark.parametrize("interval", [16, 1, 1024])
KINDS = pytest.mark.parametrize("kind", ["table", "block"])
LAYOUT = {"block_size": 256}
# Of TensorFlow's 14 dtypes, those that NumPy has.
REAL = ["float32", "float64", "int32", "uint8", "int16", "int8"]
REAL += ["complex64", "complex128", "int64", "bool"]
QUANTISED = {"qint32": 13, "quint8": 12, "qint8": 11}
FOURTEEN = [*REAL, *QUANTISED, "bfloat16"]
PLAIN = {"qint32": "int32", "quint8": "uint8", "qint8": "int8"}

Write = Callable[[Path, Mapping[str, Any]], None]


def test_every_case_is_a_test_or_not_applicable() -> None:
    names = list(vars(sys.modules[__name__]))
    tested = [int(found[1]) for name in names if (found := re.match(r"test_case_(\d+)_", name))]
    assert not set(tested) & set(NOT_APPLICABLE)
    assert {*tested, *NOT_APPLICABLE} == set(range(1, LAST + 1))


class Sorted:
    """Bare blocks and tables under one face: all rows, and those from a key on."""

    def __init__(self, rows: w.Rows, kind: str, interval: int, *, compress: bool = False) -> None:
        self.table = table_of(rows, restart_interval=interval, compress=compress, **LAYOUT)
        self.block = Block(w.block(rows, restart_interval=interval)) if kind == "block" else None

    def all(self) -> w.Rows:
        walked = self.block.entries() if self.block else self.table.rows()
        return [(key, bytes(value)) for key, value in walked]

    def seek(self, key: bytes) -> w.Rows:
        walked = self.block.seek(key) if self.block else self.table.seek(key)
        return [(found, bytes(value)) for found, value in walked]


def assert_like_map(rows: w.Rows, kind: str, interval: int) -> None:
    """Scans, and seeks to each key, a bit before and a bit behind it."""
    found = Sorted(rows, kind, interval)
    assert found.all() == rows
    for key, _ in rows:
        smaller = key[:-1] + bytes([key[-1] - 1]) + b"\xff" if key and key[-1] else key[:-1]
        for target in (key, key + b"\x00", smaller):
            assert found.seek(target) == [row for row in rows if row[0] >= target]


def opened(folder: Path, tensors: Mapping[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_bundle(folder / "p", tensors, **options)
    return tfckpt.open(folder / "p")


def opened_v1(folder: Path, tensors: Mapping[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_v1(folder / "f", tensors, **options)
    return tfckpt.open(folder / "f")


FORMATS = pytest.mark.parametrize("open_new", [opened, opened_v1], ids=["V2", "V1"])


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return np.dtype(PLAIN.get(dtype, dtype))


def tensor(dtype: str, values: Any) -> Any:
    array = np.array(values).astype(numpy_dtype(dtype))
    return w.Typed(QUANTISED[dtype], array) if dtype in QUANTISED else array


def four(dtype: str, first: int = 0) -> dict[str, Any]:
    """As TensorFlow's test does: [2, 3] tensors of one number each, not added in key order."""
    return {
        f"foo_{i:03d}": tensor(dtype, np.full((2, 3), i % 2 if dtype == "bool" else i))
        for i in (first + 3, first, first + 2, first + 1)
    }


def assert_holds(ckpt: tfckpt.Checkpoint, tensors: Mapping[str, Any], dtype: str) -> None:
    """By key and by iteration, in key order, with dtype and shape."""
    wanted = {name: w.typed(tensors[name])[1] for name in sorted(tensors)}
    for name, array in wanted.items():
        assert name in ckpt
        assert_array_equal(ckpt[name], array, strict=True)
        assert ckpt.specs[name].shape == array.shape
        assert str(ckpt.specs[name].dtype) == dtype
    assert list(ckpt) == list(wanted)
    walked = iter(ckpt.items())
    for name, array in wanted.items():
        found, value = next(walked)
        assert found == name
        assert_array_equal(value, array, strict=True)
    assert next(walked, None) is None


def lists(ckpt_or_path: tfckpt.Checkpoint | Path) -> list[str]:
    """Open, and look at all headers, as TensorFlow does at once."""
    if isinstance(ckpt_or_path, tfckpt.Checkpoint):
        return list(ckpt_or_path)
    with tfckpt.open(ckpt_or_path) as ckpt:
        return list(ckpt)


# 8.1 Table


@INTERVALS
@KINDS
def test_case_01_empty(kind: str, interval: int) -> None:
    found = Sorted([], kind, interval)
    assert found.all() == []
    for target in (b"", b"foo"):
        assert found.seek(target) == []
    assert found.table.get(b"foo") is None


def test_case_02_no_restart_points() -> None:
    found = Block(bytes(4))
    assert list(found.entries()) == []
    assert list(found.seek(b"")) == list(found.seek(b"foo")) == []
    table = Table(Memory(w.assemble([(b"foo", w.seal(bytes(4)))])))
    assert list(table.rows()) == []
    assert table.get(b"foo") is None


@INTERVALS
@KINDS
def test_case_03_single_empty_key(kind: str, interval: int) -> None:
    assert_like_map([(b"", b"v")], kind, interval)
    assert Sorted([(b"", b"v")], kind, interval).table.get(b"") == b"v"


@INTERVALS
@KINDS
def test_case_04_single_entry(kind: str, interval: int) -> None:
    found = Sorted([(b"abc", b"v")], kind, interval)
    assert found.all() == found.seek(b"") == found.seek(b"abc") == [(b"abc", b"v")]
    assert found.seek(b"abcd") == found.seek(b"abd") == []
    assert found.table.get(b"abc") == b"v"
    assert found.table.get(b"ab") is None


@INTERVALS
@KINDS
def test_case_05_shared_prefixes(kind: str, interval: int) -> None:
    assert_like_map([(b"abc", b"v"), (b"abcd", b"v"), (b"ac", b"v2")], kind, interval)


@INTERVALS
def test_case_06_large_values(interval: int) -> None:
    large = [bytes([i]) * 10_000_000 for i in (1, 2)]
    rows = [(b"a", b""), (b"b", large[0]), (b"c", b"tiny"), (b"d", large[1]), (b"e", b"x")]
    table = table_of(rows, restart_interval=interval, **LAYOUT)
    for key, value in rows:
        assert table.get(key) == value
    assert [key for key, _ in table.rows()] == [b"a", b"b", b"c", b"d", b"e"]


@INTERVALS
@KINDS
def test_case_07_key_without_successor(kind: str, interval: int) -> None:
    rows = [(b"\xff", b"1"), (b"\xff\xff", b"2")]
    assert_like_map(rows, kind, interval)
    found = Sorted(rows, kind, interval)
    assert [key for key, _ in found.table.handles()] == [b"\xff\xff"]
    assert found.table.get(b"\xff\xff") == b"2"
    assert found.table.get(b"\xff\xff\xff") is None


@INTERVALS
@KINDS
@pytest.mark.parametrize("count", [0, 1, 5, 30, 200, 2000])
def test_case_08_random_keys(kind: str, interval: int, count: int) -> None:
    random = np.random.default_rng(count + interval)
    letters = np.array([0, 1, *range(0x61, 0x66), 0xFD, 0xFE, 0xFF], np.uint8)
    sizes = random.integers(0, 6, count)
    model = {random.choice(letters, n).tobytes(): random.bytes(int(n) * 3) for n in sizes}
    rows = sorted(model.items())
    found = Sorted(rows, kind, interval)
    assert found.all() == rows
    keys = [key for key, _ in rows]
    for key in [*keys[:: max(1, count // 40)], b"", b"\xff" * 7]:
        before = key[:-1] + bytes([key[-1] - 1, 0xFF]) if key and key[-1] else key
        for target in (key, before, key + b"\x00"):
            assert found.seek(target)[:3] == [row for row in rows if row[0] >= target][:3]


@pytest.mark.parametrize("compress", [False, True])
def test_case_09_offset_of_a_key(compress: bool) -> None:
    """The block that a lookup goes to tells the offset; its size is that of the stored bytes."""
    sizes = {b"k01": 5, b"k02": 6, b"k03": 10_000, b"k04": 200_000, b"k05": 300_000, b"k06": 5}
    random = np.random.default_rng(1)
    rows = [(key, random.bytes(size // 2) + bytes(size - size // 2)) for key, size in sizes.items()]
    table = table_of(rows, block_size=1024, compress=compress)

    def offset(key: bytes) -> int:
        handles = [handle.offset for separator, handle in table.handles() if separator >= key]
        return min(handles, default=table.footer.metaindex.offset)

    stored = 0.55 if compress else 1.0  # half of each value is zeros
    assert offset(b"abc") == offset(b"k01") == offset(b"k01a") == offset(b"k02") == 0
    assert offset(b"k03") < 100
    for key, before in ((b"k04", 10_000), (b"k05", 210_000), (b"k06", 510_000)):
        assert before * stored * 0.9 < offset(key) < before * stored + 2_000
    assert offset(b"xyz") == table.footer.metaindex.offset
    assert table.footer.metaindex.offset - offset(b"k06") < 100


def test_case_10_first_key_reads_little() -> None:
    rows = [(b"a", bytes(100)), (b"b", bytes(1_000_000)), (b"c", bytes(1_000_000))]
    source = Memory(w.table(rows, block_size=100))
    table = Table(source)
    assert sum(size for _, size in source.reads) < 200
    source.reads.clear()
    assert table.get(b"a") == bytes(100)
    assert next(table.seek(b""))[0] == b"a"
    assert sum(size for _, size in source.reads) < 200


# 8.2 Bundle


@pytest.mark.parametrize("dtype", FOURTEEN)
def test_case_11_four_tensors(tmp_path: Path, dtype: str) -> None:
    tensors = four(dtype)
    assert list(tensors) != sorted(tensors)
    with opened(tmp_path, tensors) as ckpt:
        assert_holds(ckpt, tensors, dtype)
        assert "foo_004" not in ckpt


@pytest.mark.parametrize("dtype", FOURTEEN)
def test_case_12_merged(tmp_path: Path, dtype: str) -> None:
    first, second = four(dtype), four(dtype, 4)
    home = dict.fromkeys(first, 0) | dict.fromkeys(second, 1)
    with opened(tmp_path, first | second, shards=2, placement=home) as ckpt:
        assert len(ckpt) == 8
        assert_holds(ckpt, first | second, dtype)
        assert {name: ckpt.specs[name].shard for name in ckpt} == home


@pytest.mark.parametrize(
    ("number", "stored", "value"),
    [
        (17, "fa53", 0xFA53),
        (5, "fa53", 0xFA53 - (1 << 16)),
        (19, "3c01", np.array(0x3C01, np.uint16).view(np.float16)),
        (22, "14c1a2b3", 0x14C1A2B3),
        (3, "b0b1b2b3", 0xB0B1B2B3 - (1 << 32)),
        (23, "d6d7d8d9dadbdcdd", 0xD6D7D8D9DADBDCDD),
        (9, "0102030405060708", 0x0102030405060708),
        (1, "3f800001", 1 + 2**-23),
        (2, "3ff0000000000001", 1 + 2**-52),
        (8, "3f800000c0000000", 1 - 2j),
        (18, "3ff00000000000004008000000000000", 1 + 3j),
    ],
)
def test_case_13_byte_swap(tmp_path: Path, number: int, stored: str, value: Any) -> None:
    raw = w.Raw(number, (1,), bytes.fromhex(stored))
    with opened(tmp_path, {"t": raw}, big_endian=True) as ckpt:
        assert ckpt["t"].tolist() == [value]
        assert ckpt.read("t").tolist() == [value]
        assert ckpt["t"].dtype.isnative


def test_case_13_byte_swap_of_bfloat16(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    with opened(tmp_path, {"t": w.Raw(14, (2,), b"\x3f\x81\xc0\x00")}, big_endian=True) as ckpt:
        assert ckpt["t"].astype(float).tolist() == [1 + 2**-7, -2.0]


@pytest.mark.parametrize("dtype", FOURTEEN)
def test_case_15_other_endianness(tmp_path: Path, dtype: str) -> None:
    tensors, more = four(dtype), four(dtype, 4)
    with opened(tmp_path, tensors, big_endian=True) as ckpt:
        assert_holds(ckpt, tensors, dtype)
    home = dict.fromkeys(tensors, 0) | dict.fromkeys(more, 1)
    with opened(tmp_path, tensors | more, shards=2, placement=home, big_endian=True) as ckpt:
        assert_holds(ckpt, tensors | more, dtype)


def test_case_16_sliced_full_read(tmp_path: Path) -> None:
    whole = np.ones((5, 10), np.float32)
    whole[:, 0] = 0
    sliced = w.Sliced(whole, [[(0, -1), (0, 1)], [(0, -1), (1, 9)]])
    with opened(tmp_path, {"foo": sliced}) as ckpt:
        assert_array_equal(ckpt["foo"], whole, strict=True)
        assert [str(found) for found in ckpt.specs["foo"].slices] == ["-:0,1", "-:1,9"]
        assert_array_equal(ckpt["foo"][:, 0:2], [[0, 1]] * 5)
        assert_array_equal(ckpt["foo"][:, 2:4], [[1, 1]] * 5)
        assert_array_equal(ckpt.read("foo", rows=slice(1, 3)), whole[1:3], strict=True)
        assert list(ckpt) == ["foo"]


@pytest.mark.parametrize("stored", ["-:-", "0,5:0,10"])
def test_case_17_whole_as_a_slice(tmp_path: Path, stored: str) -> None:
    whole = numbers((5, 10), "float32")
    sliced = w.Sliced(whole, [[(0, -1), (0, -1)] if stored == "-:-" else [(0, 5), (0, 10)]])
    with opened(tmp_path, {"foo": sliced}) as ckpt:
        assert [str(found) for found in ckpt.specs["foo"].slices] == [stored]
        assert_array_equal(ckpt["foo"], whole, strict=True)
        for rows in (slice(None), slice(0, 5)):
            assert_array_equal(ckpt.read("foo", rows=rows), whole, strict=True)


@pytest.mark.parametrize("dtype", FOURTEEN)
def test_case_18_scalar_and_empty(tmp_path: Path, dtype: str) -> None:
    shapes: dict[str, tuple[int, ...]] = {"s": (), "e2": (0, 1618), "e3": (16, 0, 18)}
    tensors = {name: tensor(dtype, np.ones(shape)) for name, shape in shapes.items()}
    with opened(tmp_path, tensors) as ckpt:
        assert_holds(ckpt, tensors, dtype)
        assert ckpt.specs["e2"].crc32c == 0
        for name, shape in shapes.items():
            assert ckpt.read(name).shape == shape


def strings(*values: bytes) -> w.Strings:
    return w.Strings(values, (len(values),))


def test_case_19_old_strings(tmp_path: Path) -> None:
    tensors = {
        "floats": np.array([16.18], np.float32),
        "scalar": w.Strings([b"hello"], ()),
        "string_tensor": strings(b""),
        "strs": strings(b"hello", b"", b"x01", b"c" * 1024),
    }
    with opened(tmp_path, tensors) as ckpt:
        assert list(ckpt) == ["floats", "scalar", "string_tensor", "strs"]
        assert_array_equal(ckpt["floats"], np.array([16.18], np.float32), strict=True)
        assert ckpt["scalar"].item() == b"hello"
        assert ckpt["string_tensor"].tolist() == [b""]
        assert ckpt["strs"].tolist() == [b"hello", b"", b"x01", b"c" * 1024]


def test_case_20_strings(tmp_path: Path) -> None:
    long = [b"hello", b"", b"x01", b"c" * (1 << 25)]
    tensors = {
        "string_tensor": strings(b""),
        "scalar": w.Strings([b"hello"], ()),
        "floats": np.array([16.18], np.float32),
        "strs": strings(*long),
        "after": np.array([1.5], np.float32),
    }
    with opened(tmp_path, tensors) as ckpt:
        assert ckpt["strs"].tolist() == long
        assert ckpt.read("strs").tolist() == long
        assert ckpt.read("strs", rows=slice(0, 2)).tolist() == long[:2]
        assert ckpt["string_tensor"].tolist() == [b""]
        assert ckpt["scalar"].item() == b"hello"
        assert ckpt["floats"].tolist() == [np.array(16.18, np.float32)]
        assert ckpt["after"].tolist() == [1.5]


@pytest.mark.slow
def test_case_20_string_of_4_gib(tmp_path: Path) -> None:
    """A string of 2^32 bytes, zeros but for its ends, in a file with a hole."""
    size, middle = 1 << 32, bytes(1 << 28)
    begin = w.varint(size) + w.masked(struct.pack("<Q", size))
    crc = w.crc(begin[-4:], w.crc(struct.pack("<Q", size)))
    crc = w.crc(b"first", crc)
    for _ in range(15):
        crc = w.crc(middle, crc)
    crc = w.crc(b"last", w.crc(middle[: len(middle) - 9], crc))
    raw = w.Raw(w.STRING, (), b"", crc=w.mask(crc))

    def resize(rows: w.Rows) -> w.Rows:
        return w.edit_entry(rows, b"s", size=len(begin) + size)

    w.write_bundle(tmp_path / "p", {"s": raw}, edit_rows=resize)
    with (tmp_path / "p.data-00000-of-00001").open("r+b") as file:
        file.write(begin + b"first")
        file.seek(len(begin) + size - 4)
        file.write(b"last")
    with tfckpt.open(tmp_path / "p") as ckpt:
        value = ckpt["s"].item()
    assert len(value) == size
    assert value.startswith(b"first\0")
    assert value.endswith(b"\0last")
    assert value.count(0) == size - 9


def test_case_21_variants(tmp_path: Path) -> None:
    inner = [np.array(i, np.int64) for i in (42, -7)]
    values = [
        (b"VariantTest", b"meta%d" % i, [w.tensor_proto(array, label=True)])
        for i, array in enumerate(inner)
    ]
    with opened(tmp_path, {"v": w.Variants(values, (2,)), "x": np.array(1, np.float32)}) as ckpt:
        for found in (ckpt["v"], ckpt.read("v")):
            assert found.shape == (2,)
            assert [v.type_name for v in found] == ["VariantTest"] * 2
            assert [v.metadata for v in found] == [b"meta0", b"meta1"]
            for variant, array in zip(found, inner, strict=True):
                assert_array_equal(variant.tensors[0], array, strict=True)
        assert ckpt["x"] == 1


def test_case_22_file_names(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "worker0", {"a": numbers((2,))})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["worker0.data-00000-of-00001", "worker0.index"]
    assert_array_equal(tfckpt.open(tmp_path / "worker0")["a"], [0, 1])
    w.write_bundle(tmp_path / "merged", {"a": numbers((2,)), "b": numbers((3,))}, shards=2)
    for i, name in enumerate("ab"):
        (tmp_path / f"merged.data-0000{i}-of-00002").unlink()
        with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
            tfckpt.open(tmp_path / "merged")[name]
        assert caught.value.file == f"{tmp_path}/merged.data-0000{i}-of-00002"
    entry = {"a": w.Raw(1, (1,), bytes(4))}
    w.write_bundle(tmp_path / "many", entry, header=w.header(1_000_000))
    last = tmp_path / "many.data-00000-of-1000000"
    (tmp_path / "many.data-00000-of-00001").rename(last)
    assert tfckpt.open(tmp_path / "many")["a"].tolist() == [0.0]


def test_case_23_order_on_disk(tmp_path: Path) -> None:
    tensors = {name: numbers((2,)) for name in ("d", "a", "c", "b")}
    with opened(tmp_path, tensors, shards=2, placement={"a": 1, "b": 0, "c": 1, "d": 0}) as ckpt:
        places = {(spec.shard, spec.offset): name for name, spec in ckpt.specs.items()}
        assert [places[place] for place in sorted(places)] == ["d", "b", "a", "c"]
        assert sorted(places) == [(0, 0), (0, 8), (1, 0), (1, 8)]


def test_case_24_missing_prefix(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
        tfckpt.open(tmp_path / "not" / "there")
    assert isinstance(caught.value, FileNotFoundError)


def test_case_25_flipped_float(tmp_path: Path) -> None:
    files = w.bundle_files({"foo": np.arange(6, dtype=np.float32)})
    data = tmp_path / "p.data-00000-of-00001"
    (tmp_path / "p.index").write_bytes(files[".index"])
    for at in range(24):
        contents = bytearray(files[".data-00000-of-00001"])
        contents[at] ^= 0xFF
        data.write_bytes(contents)
        with tfckpt.open(tmp_path / "p") as ckpt:
            for read in (ckpt.__getitem__, ckpt.read):
                with pytest.raises(tfckpt.ChecksumError) as caught:
                    read("foo")
                assert (caught.value.file, caught.value.tensor) == (str(data), "foo")


def test_case_26_flipped_strings(tmp_path: Path) -> None:
    payload, crc = w.string_payload([b"hello", b"world"])
    assert payload[:2] == b"\x05\x05"
    for at in range(len(payload)):
        for mask in (0x01, 0x10, 0x40):
            changed = bytearray(payload)
            changed[at] ^= mask
            raw = w.Raw(w.STRING, (2,), bytes(changed), crc=crc)
            text = "length checksum does not match" if at < 6 else r"crc|checksum"
            with (
                opened(tmp_path, {"t": raw}) as ckpt,
                pytest.raises(tfckpt.ChecksumError, match=text),
            ):
                ckpt["t"]
    for at in (0, 1):  # as TensorFlow's test flips: now a varint that goes on
        changed = bytearray(payload)
        changed[at] ^= 0xFF
        raw = w.Raw(w.STRING, (2,), bytes(changed), crc=crc)
        with opened(tmp_path, {"t": raw}) as ckpt, pytest.raises(tfckpt.CorruptCheckpointError):
            ckpt["t"]


def test_case_27_one_byte_short(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": numbers((4,)), "b": numbers((4,))})
    data = tmp_path / "p.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert list(ckpt) == ["a", "b"]
        assert_array_equal(ckpt["a"], [0, 1, 2, 3])
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.TruncatedError) as caught:
                read("b")
            assert caught.value.offset == 16


def test_case_28_header(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": numbers((2,))})
    header = Bundle(str(tmp_path / "p")).header
    assert header.num_shards == 1
    assert header.endianness == 0
    assert w.header() == bytes.fromhex("08 01 1a 02 08 01")


VERSIONS: list[tuple[dict[str, Any], type[Exception] | None, str]] = [
    ({"producer": 2, "min_consumer": 2}, tfckpt.UnsupportedError, "1.*2"),
    ({"producer": -1}, tfckpt.CorruptCheckpointError, "-1"),
    ({"producer": 2, "bad_consumers": [1]}, tfckpt.UnsupportedError, "1"),
    ({"producer": -1, "min_consumer": 2}, tfckpt.CorruptCheckpointError, "-1"),
    ({"producer": 2, "min_consumer": 9, "bad_consumers": [1]}, tfckpt.UnsupportedError, "9"),
    ({"producer": 2, "min_consumer": 1, "bad_consumers": [0, 2]}, None, ""),
    ({"producer": 0}, None, ""),
]


@pytest.mark.parametrize(("version", "kind", "text"), VERSIONS)
def test_case_29_versions(
    tmp_path: Path, version: dict[str, Any], kind: type[Exception] | None, text: str
) -> None:
    w.write_bundle(tmp_path / "p", {"a": numbers((2,))}, header=w.header(**version))
    if kind is None:
        assert_array_equal(tfckpt.open(tmp_path / "p")["a"], [0, 1])
        return
    with pytest.raises(kind, match=text):
        tfckpt.open(tmp_path / "p")


def in_threads(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_case_30_threads(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((100, 100), np.float32)
    found: list[NDArray[Any]] = []
    with opened(tmp_path, {"foo": array}) as ckpt:

        def work() -> None:
            for _ in range(20):
                found.extend((ckpt["foo"], ckpt.read("foo")))

        in_threads(8, work)
    assert len(found) == 8 * 40
    assert all(np.array_equal(value, array) for value in found)


def test_case_31_files_are_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask: one descriptor per file; a file that is missing stays missing."""
    tensors = {name: numbers((2,)) for name in "abc"}
    w.write_bundle(tmp_path / "p", tensors, shards=3, placement={"a": 0, "b": 1, "c": 2})
    (tmp_path / "p.data-00002-of-00003").unlink()
    opened_files: list[str] = []
    real = os.open

    def counting(path: Any, flags: int, *rest: Any) -> int:
        opened_files.append(str(path))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", counting)
    with tfckpt.open(tmp_path / "p") as ckpt:
        in_threads(8, lambda: [ckpt[name] for name in "abab"])
        for _ in range(2):
            with pytest.raises(tfckpt.CheckpointNotFoundError):
                ckpt["c"]
    data = [path[-20:] for path in opened_files if ".data-" in path]
    assert sorted(data) == [".data-00000-of-00003", ".data-00001-of-00003"]


def test_case_32_aligned(tmp_path: Path) -> None:
    tensors = {f"foo_{i}": numbers((i, 3), "float32") for i in range(1, 5)}
    with opened(tmp_path, tensors, alignment=42, filler=b"\xaa") as ckpt:
        offsets = [spec.offset or 0 for spec in ckpt.specs.values()]
        assert [offset % 42 for offset in offsets] == [0] * 4
        assert offsets[-1] > 0
        for name, array in tensors.items():
            assert_array_equal(ckpt[name], array, strict=True)


def test_case_33_merged_prefixes(tmp_path: Path) -> None:
    tensors = {
        "tensor_a": numbers((10,), "float32"),
        "tensor_b": numbers((1, 16, 18), "int64"),
        "tensor_c": np.array(True),
    }
    home = {"tensor_a": 0, "tensor_b": 1, "tensor_c": 1}
    with opened(tmp_path, tensors, shards=2, placement=home) as ckpt:
        for name, array in tensors.items():
            assert_array_equal(ckpt[name], array, strict=True)


TWELVE: dict[str, tuple[str, tuple[int, ...]]] = {
    "tensor_bool": ("bool", (2,)),
    "tensor_int": ("int32", (10,)),
    "tensor_float": ("float32", (2, 4)),
    "tensor_double": ("float64", (2, 4)),
    "tensor_qint8": ("qint8", (3, 2)),
    "tensor_qint32": ("qint32", (2, 3)),
    "tensor_uint8": ("uint8", (11,)),
    "tensor_int8": ("int8", (7,)),
    "tensor_int16": ("int16", (7,)),
    "tensor_int64": ("int64", (9,)),
    "tensor_complex64": ("complex64", (2, 3)),
    "tensor_half": ("float16", (2, 4)),
}


@FORMATS
@pytest.mark.parametrize("sliced", [False, True])
def test_case_34_saved_and_restored(
    tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint], sliced: bool
) -> None:
    tensors: dict[str, Any] = {
        name: tensor(dtype, numbers(shape) - 3) for name, (dtype, shape) in TWELVE.items()
    }
    stored = tensors
    if sliced:
        stored = {
            name: w.Sliced(each, [[(0, 1), *rest], [(1, len(w.typed(each)[1]) - 1), *rest]])
            for name, each in tensors.items()
            for rest in [[(0, -1)] * (w.typed(each)[1].ndim - 1)]
        }
    with open_new(tmp_path, stored) as ckpt:
        assert list(ckpt) == sorted(tensors)
        for name, (dtype, _) in TWELVE.items():
            assert str(ckpt.specs[name].dtype) == dtype
            assert_array_equal(ckpt[name], w.typed(tensors[name])[1], strict=True)


# 8.3 Slices, OrderedCode


def slice_of(proto: bytes) -> tuple[tuple[int, int], ...]:
    return extents(parse("Slice", proto))


def test_case_35_slices_as_text() -> None:
    assert str(piece([(0, -1)] * 3, (2, 3, 4))) == "-:-:-"
    some = [(0, -1), (0, 10), (14, 1), (0, -1)]
    assert str(piece(some, (2, 10, 20, 3))) == "-:0,10:14,1:-"
    assert slice_of(w.slice_proto(some)) == tuple(some)
    assert slice_of(w.slice_proto([(0, -1)] * 3)) == ((0, -1),) * 3


@pytest.mark.parametrize(
    "proto",
    [
        w.bytes_field(1, w.int_field(1, -1) + w.int_field(2, 2)),
        w.bytes_field(1, w.int_field(1, 1) + w.int_field(2, 0)),
        w.bytes_field(1, w.int_field(2, -1)),
        w.bytes_field(1, w.int_field(2, -4)),
        w.bytes_field(1, w.int_field(1, 2)),
        w.bytes_field(1, w.int_field(1, (1 << 63) - 2) + w.int_field(2, 10)),
        w.bytes_field(1, w.int_field(1, 1 << 62) + w.int_field(2, 1 << 62)),
    ],
    ids=["start", "empty", "minus one", "length", "start alone", "overflow", "2^63"],
)
def test_case_37_impossible_slices(tmp_path: Path, proto: bytes) -> None:
    def with_slice(rows: w.Rows) -> w.Rows:
        return w.edit_entry(rows, b"t", slices=[proto], offset=None, size=None, crc=None)

    w.write_bundle(tmp_path / "p", {"t": numbers((4,))}, edit_rows=with_slice)
    with tfckpt.open(tmp_path / "p") as ckpt, pytest.raises(tfckpt.CorruptCheckpointError):
        ckpt["t"]
    meta = w.v1_tensor(b"t", (4,), 3, []) + w.bytes_field(4, proto)
    rows = [(b"", w.v1_meta([meta], w.version_def()))]
    (tmp_path / "f").write_bytes(w.table(rows))
    with pytest.raises(tfckpt.CorruptCheckpointError):
        lists(tmp_path / "f")


def test_case_38_explicit_zeros() -> None:
    explicit = w.slice_proto([(0, 3), (2, 1), (0, -1)], explicit_zeros=True)
    absent = w.slice_proto([(0, 3), (2, 1), (0, -1)])
    assert explicit != absent
    assert slice_of(explicit) == slice_of(absent) == ((0, 3), (2, 1), (0, -1))
    with pytest.raises(tfckpt.CorruptCheckpointError, match=r"start 1, length -1"):
        slice_of(w.bytes_field(1, w.int_field(1, 1)))


def test_case_39_intersection_with_rows() -> None:
    """Of an intersection, rows are what is asked for: axis 0."""
    shape = (12, 10)
    whole, part = piece([(0, -1), (0, -1)], shape), piece([(1, 5), (2, 6)], shape)
    (cut,) = cuts([whole], range(3, 7))
    assert (cut.rows, cut.box) == (range(3, 7), (slice(0, 4), slice(0, 10)))
    (cut,) = cuts([part], range(12))
    assert (cut.rows, cut.box) == (range(5), (slice(1, 6), slice(2, 8)))
    (cut,) = cuts([part], range(1, 3))
    assert (cut.rows, cut.box) == (range(2), (slice(0, 2), slice(2, 8)))
    assert cuts([part], range(1)) == cuts([part], range(6, 12)) == []


def test_case_40_shape_of_a_slice() -> None:
    found = place([(1, 1), (0, -1), (4, 1), (2, 6)], (2, 4, 5, 8))
    assert found == ((1, 0, 4, 2), (1, 4, 1, 6))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="outside"):
        place([(1, 1), (1, 4), (0, -1), (0, -1)], (2, 4, 5, 8))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="rank"):
        place([(1, 1)], (2, 4))


def test_case_41_relative_slices() -> None:
    """Rows wanted of a piece are counted within it."""
    base = piece([(1, 2), (3, 4), (0, -1), (5, 1)], (5, 7, 2, 6))
    (cut,) = cuts([base], range(1, 2))
    assert cut.rows == range(1)
    (cut,) = cuts([base], range(2, 4))
    assert cut.rows == range(1, 2)


MATRIX = numbers((4, 5), "float32")
WITH_HOLE = [[(0, 2), (0, -1)], [(2, 2), (0, 3)], [(3, 1), (3, 2)]]


def assert_set_with_hole(ckpt: tfckpt.Checkpoint, name: str, array: NDArray[Any]) -> None:
    """All but row 2, from column 3, can be had; what touches that hole cannot."""
    assert ckpt.specs[name].shape == (4, 5)
    for rows in (slice(0, 2), slice(1, 2), slice(3, 4)):
        assert_array_equal(ckpt.read(name, rows=rows), array[rows], strict=True)
    for rows in (slice(1, 3), slice(2, 3), slice(None)):
        with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
            ckpt.read(name, rows=rows)
    with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
        ckpt[name]


def test_case_42_slices_with_a_hole(tmp_path: Path) -> None:
    with opened(tmp_path, {"t": w.Sliced(MATRIX, WITH_HOLE)}) as ckpt:
        assert_set_with_hole(ckpt, "t", MATRIX)


def test_case_42_slices_without(tmp_path: Path) -> None:
    pieces = [*WITH_HOLE, [(2, 1), (3, 2)]]
    with opened(tmp_path, {"t": w.Sliced(MATRIX, pieces)}) as ckpt:
        assert_array_equal(ckpt["t"], MATRIX, strict=True)
        for rows in (slice(0, 2), slice(1, 2), slice(1, 3), slice(2, 3)):
            assert_array_equal(ckpt.read("t", rows=rows), MATRIX[rows], strict=True)


def test_case_43_slice_key() -> None:
    found = slice_key(b"foo", [(0, -1), (0, -1), (1, 3), (4, 5)])
    assert found == bytes.fromhex("00 666f6f 0001 0104 807f 807f 8183 8485")


def test_case_44_ordered_code() -> None:
    edges = sorted({s * (1 << k) + d for k in range(63) for d in (-1, 0, 1) for s in (-1, 1)})
    for code, values in (
        (ordered_signed, edges),
        (ordered_number, [n for n in edges if n >= 0]),
    ):
        codes = [code(n) for n in values]
        assert codes == sorted(codes)
        assert len(set(codes)) == len(values)
    assert [ordered_signed(n) for n in edges] == [w.ordered_signed(n) for n in edges]
    assert ordered_string(b"") == bytes.fromhex("0001")
    assert ordered_string(b"foo") == bytes.fromhex("666f6f 0001")
    assert ordered_string(b"\x00\x01\xff") == bytes.fromhex("00ff 01 ff00 0001")
    texts = sorted(
        [b"", b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\xff", b"a", b"\xff", b"\xff\x00"]
    )
    assert [ordered_string(text) for text in texts] == sorted(map(ordered_string, texts))


# 8.4 V1


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "int16", "int8", "uint8"])
def test_case_45_two_files_with_a_hole(tmp_path: Path, dtype: str) -> None:
    array = MATRIX.astype(dtype)
    w.write_v1_shards(tmp_path / "base", {"t": w.Sliced(array, WITH_HOLE, (0, 1, 1))}, shards=2)
    with tfckpt.open(tmp_path / "base-?????-of-00002") as ckpt:
        assert ckpt.reader.shard_count == 2
        assert str(ckpt.specs["t"].dtype) == dtype
        assert_set_with_hole(ckpt, "t", array)


@pytest.mark.parametrize("dtype", [0, 101, 103], ids=["none", "float_ref", "int32_ref"])
def test_case_46_type_not_stored(tmp_path: Path, dtype: int) -> None:
    metas = [w.v1_tensor(b"t", (2,), dtype, [[(0, -1)]]), w.v1_tensor(b"x", (), 1, [[]])]
    ckpt = opened_v1(
        tmp_path,
        {"t": numbers((2,)), "x": np.array(5, np.float32)},
        edit_rows=lambda rows: w.replace_row(rows, b"", w.v1_meta(metas, w.version_def())),
    )
    with ckpt:
        with pytest.raises(tfckpt.CheckpointError):
            ckpt["t"]
        assert ckpt["x"] == 5
        assert "t" in ckpt
        assert list(ckpt) == ["t", "x"]


def test_case_47_impossible_headers(tmp_path: Path) -> None:
    bad = [
        w.v1_tensor(b"t", (-1, 2), 1, [[(0, -1), (0, -1)]]),
        w.v1_tensor(b"t", (20,), 1, []) + w.bytes_field(4, w.bytes_field(1, w.int_field(2, -10))),
    ]
    for meta in bad:
        rows = [(b"", w.v1_meta([meta], w.version_def()))]
        (tmp_path / "f").write_bytes(w.table(rows))
        with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
            lists(tmp_path / "f")
        assert (caught.value.tensor, caught.value.file) == ("t", str(tmp_path / "f"))


@pytest.mark.parametrize("count", [4, 9, 11, 20, 0])
def test_case_48_other_number_of_values(tmp_path: Path, count: int) -> None:
    key = w.slice_key(b"t", [(0, -1)])
    row = w.v1_data(b"t", [(0, -1)], w.tensor_proto(numbers((count,), "float32")))
    tensors = {"t": numbers((10,), "float32")}
    with opened_v1(tmp_path, tensors, edit_rows=lambda rows: w.replace_row(rows, key, row)) as ckpt:
        assert list(ckpt) == ["t"]
        assert ckpt.specs["t"].shape == (10,)
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
                read("t")
            assert (caught.value.expected, caught.value.got) == (10, count)


@pytest.mark.parametrize(("version", "kind", "text"), VERSIONS)
def test_case_50_v1_versions(
    tmp_path: Path, version: dict[str, Any], kind: type[Exception] | None, text: str
) -> None:
    w.write_v1(tmp_path / "f", {}, versions=w.version_def(**version))
    if kind is None:
        assert lists(tmp_path / "f") == []
        return
    with pytest.raises(kind, match=text):
        tfckpt.open(tmp_path / "f")


def test_case_54_v1_saved_and_restored(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        name: tensor(dtype, numbers(shape)) for name, (dtype, shape) in TWELVE.items()
    }
    tensors["tensor_string"] = strings(b"no", b"yes")
    tensors["tensor_float_empty"] = np.zeros((2, 0), np.float32)
    assert len(tensors) == 14
    with opened_v1(tmp_path, tensors) as ckpt:
        assert list(ckpt) == sorted(tensors)
        for name, each in tensors.items():
            assert_array_equal(ckpt[name], w.typed(each)[1], strict=True)
            assert ckpt[name].dtype == w.typed(each)[1].dtype


def test_case_55_pieces_alone(tmp_path: Path) -> None:
    stored: dict[str, tuple[tuple[int, ...], w.Extents, str]] = {
        "tensor_int": ((10,), [(0, -1)], "-"),
        "tensor_float": ((2, 4), [(0, -1), (0, 2)], "-:0,2"),
        "tensor_double": ((2, 4), [(0, 1), (2, 2)], "0,1:2,2"),
        "tensor_qint8": ((3, 2), [(0, -1), (0, -1)], "-:-"),
        "tensor_qint32": ((2, 3), [(1, 1), (2, 1)], "1,1:2,1"),
    }
    tensors = {name: w.Sliced(numbers(shape), [ext]) for name, (shape, ext, _) in stored.items()}
    with opened_v1(tmp_path, tensors) as ckpt:
        for name, (shape, _, text) in stored.items():
            spec = ckpt.specs[name]
            assert spec.shape == shape
            if text in ("-", "-:-"):
                assert_array_equal(ckpt[name], numbers(shape), strict=True)
                continue
            assert [str(found) for found in spec.slices] == [text]
            with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
                ckpt[name]


def test_case_56_rows_of_a_whole(tmp_path: Path) -> None:
    with opened_v1(tmp_path, {"t": numbers((4, 16))}) as ckpt:
        found = ckpt.read("t", rows=slice(0, 2))
        assert_array_equal(found, numbers((4, 16))[:2], strict=True)


# 8.5 Reader API


def test_case_57_not_found(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(tmp_path / "no such folder" / "")
    with opened(tmp_path, {"var1": numbers((2,))}) as ckpt:
        with pytest.raises(tfckpt.TensorNotFoundError) as caught:
            ckpt["var5"]
        assert isinstance(caught.value, KeyError)
        assert "var5" in str(caught.value)


def test_case_58_by_directory(tmp_path: Path) -> None:
    tensors = {
        "var1": numbers((1, 10), "float32"),
        "var2": numbers((10, 10), "float32"),
        "var3": numbers((100, 1), "float32"),
        "useful_scope/var4": numbers((9, 9), "float32"),
    }
    w.write_bundle(tmp_path / "model-0", tensors)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-0"\n')
    for path in (tmp_path, str(tmp_path), f"{tmp_path}/", os.fsencode(tmp_path)):
        with tfckpt.open(path) as ckpt:
            found = [(name, spec.shape) for name, spec in ckpt.specs.items()]
            assert found == [(name, tensors[name].shape) for name in sorted(tensors)]
            for name, array in tensors.items():
                assert_array_equal(ckpt[name], array, strict=True)


@FORMATS
def test_case_59_reader(tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint]) -> None:
    tensors = {"v0": np.array([[1, 2, 3], [4, 5, 6]], np.float32), "v1": numbers((3, 2, 1))}
    with open_new(tmp_path, tensors) as ckpt:
        assert "v0" in ckpt
        assert "v3" not in ckpt
        found = {name: (str(s.dtype), list(s.shape)) for name, s in ckpt.specs.items()}
        assert found == {"v0": ("float32", [2, 3]), "v1": ("int32", [3, 2, 1])}
        assert_array_equal(ckpt["v1"], tensors["v1"], strict=True)
        with pytest.raises(tfckpt.TensorNotFoundError, match="v3"):
            ckpt["v3"]
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(tmp_path / "non_existent")


@FORMATS
def test_case_60_partitions(tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint]) -> None:
    array = numbers((10, 3), "float32")
    five = w.Sliced(array, [[(2 * i, 2), (0, 3)] for i in (3, 0, 4, 1, 2)])
    with open_new(tmp_path, {"v": five}) as ckpt:
        assert_array_equal(ckpt["v"], array, strict=True)
        for parts in (5, 3, 2):
            for rows in np.array_split(np.arange(10), parts):
                part = slice(int(rows[0]), int(rows[-1]) + 1)
                assert_array_equal(ckpt.read("v", rows=part), array[part], strict=True)


# 8.6 Saver


@pytest.mark.parametrize("name", ["path", "path-5", "path-00000005"])
@FORMATS
def test_case_63_round_trip(
    tmp_path: Path, name: str, open_new: Callable[..., tfckpt.Checkpoint]
) -> None:
    tensors = {"v0": np.array(10, np.float32), "v1": np.array(20, np.float32)}
    write: Any = w.write_bundle if open_new is opened else w.write_v1
    write(tmp_path / name, tensors)
    with tfckpt.open(tmp_path / name) as ckpt:
        assert {key: float(value) for key, value in ckpt.items()} == {"v0": 10.0, "v1": 20.0}


def test_case_64_sharded(tmp_path: Path) -> None:
    tensors = {"v0": np.array(10, np.int32), "v1": np.array(20, np.int32)}
    w.write_v1_shards(tmp_path / "path", tensors, shards=2)
    (tmp_path / "path.meta").write_bytes(b"")
    pattern = f"{tmp_path}/path-?????-of-00002"
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{pattern}"\n')
    names = ["-?????-of-00002", "-?????-of-?????", "-00000-of-00002", "-00001-of-00002", ".meta"]
    for name in names:
        with tfckpt.open(f"{tmp_path}/path{name}") as ckpt:
            assert {key: int(value) for key, value in ckpt.items()} == {"v0": 10, "v1": 20}
            assert ckpt.version == "V1"
    assert tfckpt.latest_checkpoint(tmp_path) == pattern


def test_case_64_sharded_v2(tmp_path: Path) -> None:
    w.write_bundle(
        tmp_path / "path", {"v0": np.array(10, np.int32), "v1": np.array(20, np.int32)}, shards=2
    )
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "path"\n')
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "path")
    with tfckpt.open(tmp_path / "path") as ckpt:
        assert {key: int(value) for key, value in ckpt.items()} == {"v0": 10, "v1": 20}


@FORMATS
@pytest.mark.parametrize("parts", [1, 2, 10])
def test_case_65_partitions_differ(
    tmp_path: Path, parts: int, open_new: Callable[..., tfckpt.Checkpoint]
) -> None:
    array = numbers((10, 16), "float32")
    stored: Any = array
    if parts > 1:
        size = 10 // parts
        stored = w.Sliced(array, [[(i * size, size), (0, 16)] for i in range(parts)])
    with open_new(tmp_path, {"v": stored}) as ckpt:
        assert_array_equal(ckpt["v"], array, strict=True)
        assert_array_equal(ckpt.read("v", rows=slice(2, 4)), array[2:4], strict=True)
        assert_array_equal(ckpt["v"][:, 1:4], array[:, 1:4], strict=True)


def test_case_66_keys_of_a_dict(tmp_path: Path) -> None:
    with opened(tmp_path, {"save_prefix/v0": np.array(10, np.float32)}) as ckpt:
        assert ckpt["save_prefix/v0"] == 10
        with pytest.raises(tfckpt.TensorNotFoundError, match="save_prefix/v0"):
            ckpt["v0"]


def test_case_67_kept_checkpoints(tmp_path: Path) -> None:
    lines = [f'all_model_checkpoint_paths: "s{i}"\n' for i in (2, 3, 1)]
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "s1"\n' + "".join(lines))
    for i in (1, 2, 3):
        w.write_bundle(
            tmp_path / f"s{i}", {"v": np.array(i, np.int32), "w": np.array(i, np.int32)}, shards=2
        )
        (tmp_path / f"s{i}.meta").write_bytes(b"")
    assert len(list(tmp_path.glob("s1*"))) == 4
    state = read_state(str(tmp_path / "checkpoint"))
    assert (state.newest, state.kept) == ("s1", ("s2", "s3", "s1"))
    for name in state.kept:
        with tfckpt.open(tmp_path / name) as ckpt:
            assert ckpt["v"] == ckpt["w"] == int(name[1:])
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "s1")


def test_case_69_invalid_path(tmp_path: Path) -> None:
    for name in ("not/a/checkpoint", "not-?????-of-00002", "not.index", "not.data-00000-of-00001"):
        with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
            tfckpt.open(tmp_path / name)
        assert "not" in (caught.value.file or "")


@FORMATS
def test_case_71_absent_key(tmp_path: Path, open_new: Callable[..., tfckpt.Checkpoint]) -> None:
    with open_new(tmp_path, {"a": numbers((2,))}) as ckpt:
        for read in (ckpt.__getitem__, ckpt.read, ckpt.specs.__getitem__):
            with pytest.raises(tfckpt.TensorNotFoundError, match="'b'"):
                read("b")


# 8.7 State file


def test_case_75_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dir"
    folder.mkdir()
    w.write_bundle(folder / "model.ckpt-1", {"v": np.array(1, np.int32)})
    (folder / "checkpoint").write_text('model_checkpoint_path: "./model.ckpt-1"\n')
    assert tfckpt.latest_checkpoint(folder) == f"{folder}/./model.ckpt-1"
    monkeypatch.chdir(tmp_path)
    assert tfckpt.latest_checkpoint("dir") == "dir/./model.ckpt-1"
    absolute = f'model_checkpoint_path: "{folder}/model.ckpt-1"\n'
    (folder / "checkpoint").write_text(absolute)
    assert tfckpt.latest_checkpoint("dir") == f"{folder}/model.ckpt-1"
    assert tfckpt.open("dir")["v"] == 1


def test_case_76_empty_state_file(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("")
    for read in (read_state, tfckpt.open):
        with pytest.raises(tfckpt.CorruptCheckpointError, match="no checkpoint") as caught:
            read(str(tmp_path / "checkpoint"))
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_case_77_existence(tmp_path: Path, version: str, sharded: bool) -> None:
    tensors = {"a": np.array(1, np.int32), "b": np.array(2, np.int32)}
    prefix = tmp_path / "ckpt"
    if version == "V2":
        w.write_bundle(prefix, tensors, shards=2 if sharded else 1)
    elif sharded:
        w.write_v1_shards(prefix, tensors, shards=2)
        prefix = tmp_path / "ckpt-?????-of-00002"
    else:
        w.write_v1(prefix, tensors)
    for path in tmp_path.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    found = locate(prefix)
    assert found.version == version
    assert found.modified == 1_600_000_000
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        locate(prefix)


def test_case_78_manager() -> None:
    state = read_state(str(FIXTURES / "tf2_checkpoint" / "checkpoint"))
    assert (state.newest, state.kept) == ("ckpt-2", ("ckpt-1", "ckpt-2"))
    assert state.timestamps == (1700000060.25, 1700000120.25)
    assert state.last_preserved == 1699999999.25


# 8.8 Object graph: as far as keys go


def test_case_79_escaped_keys() -> None:
    """TensorFlow wrote children named `plain`, `a/b`, `a.b`, `.ATTRIBUTES` and `ß`."""
    with tfckpt.open(FIXTURES / "hash_table_tf2" / "ckpt") as ckpt:
        ending = "/.ATTRIBUTES/VARIABLE_VALUE"
        found = {
            name.removesuffix(ending).removeprefix("by_name/"): int(value)
            for name, value in ckpt.items()
            if name.startswith("by_name/")
        }
    assert set(found) == {"plain", "a.Sb", "a..b", "..ATTRIBUTES", "ß"}


def test_case_80_keys_of_the_root(tmp_path: Path) -> None:
    names = ["/.ATTRIBUTES/v1", "/.ATTRIBUTES/v2", "child/.ATTRIBUTES/v1", "child/.ATTRIBUTES/v2"]
    with opened(tmp_path, {name: np.array(i, np.int32) for i, name in enumerate(names)}) as ckpt:
        assert list(ckpt) == names
        assert [int(ckpt[name]) for name in names] == [0, 1, 2, 3]


def test_case_82_many_saves(tmp_path: Path) -> None:
    for step in range(1, 11):
        w.write_bundle(tmp_path / f"ckpt-{step}", {"v": np.array(step, np.int64)})
    text = 'model_checkpoint_path: "ckpt-10"\nall_model_checkpoint_paths: "ckpt-10"\n'
    (tmp_path / "checkpoint").write_text(text)
    assert len(list(tmp_path.glob("*.index"))) == 10
    assert tfckpt.open(tmp_path)["v"] == 10
    assert [int(tfckpt.open(tmp_path / f"ckpt-{step}")["v"]) for step in (1, 5, 9)] == [1, 5, 9]


def test_case_83_kinds_of_path(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "ckpt", {"v": np.array(4, np.int64)})
    for path in (tmp_path / "ckpt", f"{tmp_path}/ckpt", os.fsencode(tmp_path / "ckpt")):
        assert tfckpt.open(path)["v"] == 4
    model = tmp_path / "model"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"")
    w.write_bundle(model / "variables" / "variables", {"v": np.array(5, np.int64)})
    assert tfckpt.open(model)["v"] == 5
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(wrong)


def test_case_86_many_shards(tmp_path: Path) -> None:
    """As written with a largest shard of 4 bytes: an element each, the object graph last."""
    floats, ints = np.array([0, 1, 2, 3], np.float32), np.array([[4], [5], [6], [7]], np.int32)
    tensors = {
        "a": w.Sliced(floats, [[(i, 1)] for i in range(4)], shards=range(4)),
        "b": w.Sliced(ints, [[(i, 1), (0, 1)] for i in range(4)], shards=range(4, 8)),
        "_CHECKPOINTABLE_OBJECT_GRAPH": w.Strings([b"graph"], ()),
    }
    home = {"_CHECKPOINTABLE_OBJECT_GRAPH": 7}
    with opened(tmp_path, tensors, shards=8, placement=home) as ckpt:
        assert_array_equal(ckpt["a"], floats, strict=True)
        assert_array_equal(ckpt["b"], ints, strict=True)
        assert [str(found) for found in ckpt.specs["a"].slices] == ["0,1", "1,1", "2,1", "3,1"]
        assert [found.shard for found in ckpt.specs["b"].slices] == [4, 5, 6, 7]
        assert ckpt["_CHECKPOINTABLE_OBJECT_GRAPH"].item() == b"graph"
    with opened(tmp_path, {"a": w.Sliced(floats, [[(0, 2)], [(2, 2)]])}, shards=2) as ckpt:
        assert_array_equal(ckpt["a"], floats, strict=True)
