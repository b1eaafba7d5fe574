"""8.2 of the format's specification: bundles, as TensorFlow's tests pin them down."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conformance import (
    FORMATS,
    FOURTEEN,
    TWELVE,
    VERSIONS,
    assert_holds,
    four,
    opened,
    strings,
    tensor,
)
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.formats.v2.bundle import Bundle

Write = Callable[[Path, Mapping[str, Any]], None]


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
