"""The traps that everyone who decodes these files by hand falls into: section 9 of the format's
specification, by number.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.tensor.slices import slice_key
from tfckpt_reader.tensor.strings import string_lengths
from tfckpt_reader.tensor.tensor_proto import decode_tensor_proto

GRAPH = "the object graph and MetaGraphDef are not read yet (graph issue)"
NOT_YET = dict.fromkeys((25, 26, 27, 28, 29, 36), GRAPH)
LAST = 39
DATA = ".data-00000-of-00001"


def test_every_trap_is_a_test_or_not_yet() -> None:
    names = list(vars(sys.modules[__name__]))
    tested = {int(found[1]) for name in names if (found := re.match(r"test_trap_(\d+)_", name))}
    assert not tested & set(NOT_YET)
    assert {*tested, *NOT_YET} == set(range(1, LAST + 1))


def opened(folder: Path, tensors: dict[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_bundle(folder / "p", tensors, **options)
    return tfckpt.open(folder / "p")


def opened_v1(folder: Path, tensors: dict[Any, Any], **options: Any) -> tfckpt.Checkpoint:
    w.write_v1(folder / "f", tensors, **options)
    return tfckpt.open(folder / "f")


def test_trap_01_empty_submessages(tmp_path: Path) -> None:
    tensors = {"axis": np.zeros((3, 0, 2), np.float32), "scalar": np.array(7, np.int16)}
    rows = dict(rows_of(tensors))
    assert b"\x12\x0a\x12\x02\x08\x03\x12\x00\x12\x02\x08\x02" in rows[b"axis"]
    assert b"\x12\x00\x28\x02" in rows[b"scalar"]
    with opened(tmp_path, tensors) as ckpt:
        assert {name: ckpt[name].shape for name in ckpt} == {"axis": (3, 0, 2), "scalar": ()}
        assert ckpt["scalar"].item() == 7


def rows_of(tensors: dict[Any, Any]) -> w.Rows:
    kept: w.Rows = []

    def keep(rows: w.Rows) -> w.Rows:
        kept.extend(rows)
        return rows

    w.bundle_files(tensors, edit_rows=keep)
    return kept


def test_trap_02_zeros_are_absent(tmp_path: Path) -> None:
    entry = dict(rows_of({"t": np.zeros((0,), np.float32)}))[b"t"]
    assert [number for number, _ in w.split_fields(entry)] == [1, 2, 6]
    header = w.int_field(1, 1) + w.bytes_field(3, b"")  # producer 0
    with opened(tmp_path, {"t": np.zeros((0,), np.float32)}, header=header) as ckpt:
        spec = ckpt.specs["t"]
        assert (spec.shard, spec.offset, spec.nbytes) == (0, 0, 0)
        assert ckpt["t"].shape == (0,)
    explicit = {"shard": 0, "offset": 0}

    def spelled_out(rows: w.Rows) -> w.Rows:
        return w.edit_entry(rows, b"t", **explicit)

    with opened(tmp_path, {"t": numbers((2,))}, edit_rows=spelled_out) as ckpt:
        assert ckpt["t"].tolist() == [0, 1]


def test_trap_03_crc_is_masked(tmp_path: Path) -> None:
    array = np.array([1, 2], np.float32)
    plain = w.crc(array.tobytes())
    with opened(tmp_path, {"t": array}) as ckpt:
        assert ckpt.specs["t"].crc32c == plain
        assert_array_equal(ckpt["t"], array, strict=True)
    for raw in (
        w.Raw(1, (2,), array.tobytes(), crc=plain),
        w.Raw(1, (0,), b"", crc=0),
    ):
        with opened(tmp_path, {"t": raw}) as ckpt, pytest.raises(tfckpt.ChecksumError):
            ckpt["t"]
    with opened(tmp_path, {"t": w.Raw(1, (0,), b"", crc=0xA282EAD8)}) as ckpt:
        assert ckpt["t"].shape == (0,)


def test_trap_04_crc_of_lengths(tmp_path: Path) -> None:
    """Strings: lengths as u32, then the stored checksum, then the bytes. Variants: as u64."""
    stored = bytes.fromhex("02 00 78 27 0b 34 61 62")
    assert w.masked(struct.pack("<II", 2, 0)) == stored[2:6]
    with opened(tmp_path, {"t": w.Raw(7, (2,), stored, crc=0x4DB08891)}) as ckpt:
        assert ckpt["t"].tolist() == [b"ab", b""]
    proto = w.bytes_field(1, b"kind")
    running = w.crc(struct.pack("<Q", len(proto)) + proto)
    checksum = struct.pack("<I", w.mask(running))
    payload = w.varint(len(proto)) + proto + checksum
    raw = w.Raw(21, (), payload, crc=w.mask(w.crc(checksum, running)))
    with opened(tmp_path, {"t": raw}) as ckpt:
        assert ckpt["t"].item() == tfckpt.Variant("kind", b"", ())
    short = w.mask(w.crc(struct.pack("<I", len(proto)) + proto))
    raw = w.Raw(21, (), payload[:-4] + struct.pack("<I", short))
    with opened(tmp_path, {"t": raw}) as ckpt, pytest.raises(tfckpt.ChecksumError):
        ckpt["t"]


def test_trap_05_nothing_takes_room(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        "a": np.array([1.5]),
        "b": w.Strings([], (0, 3)),
        "c": np.zeros((2, 0), np.float32),
    }
    files = w.bundle_files(tensors)
    assert files[DATA] == np.array([1.5]).tobytes() + bytes.fromhex("d8 ea 82 a2")
    with opened(tmp_path, tensors) as ckpt:
        found = {name: (spec.offset, spec.nbytes) for name, spec in ckpt.specs.items()}
        assert found == {"a": (0, 8), "b": (8, 4), "c": (12, 0)}
        assert ckpt["b"].shape == ckpt.read("b").shape == (0, 3)
        assert ckpt["b"].dtype == object
        assert ckpt["c"].shape == ckpt.read("c").shape == (2, 0)
    w.write_bundle(tmp_path / "q", {"c": np.zeros((2, 0), np.float32)})
    assert (tmp_path / f"q{DATA}").stat().st_size == 0
    assert tfckpt.open(tmp_path / "q")["c"].shape == (2, 0)
    with opened(tmp_path, {"t": w.Raw(7, (0,), b"", crc=0xA282EAD8)}) as ckpt:
        assert ckpt["t"].shape == (0,)


@pytest.mark.parametrize("mmap", [True, False])
def test_trap_06_odd_offsets(tmp_path: Path, mmap: bool) -> None:
    tensors: dict[str, Any] = {"a": np.array([1], np.int8)}
    for i, dtype in enumerate(("f2", "f4", "f8", "i8", "c16")):
        tensors[f"t{i}"] = np.array([[1, 2], [3, 4]], dtype)
        tensors[f"u{i}"] = np.array([5], np.uint8)
    w.write_bundle(tmp_path / "p", tensors)
    with tfckpt.open(tmp_path / "p", mmap=mmap) as ckpt:
        for name, expected in tensors.items():
            for found in (ckpt[name], ckpt.read(name), ckpt.read(name, rows=slice(0, 1))):
                assert found.flags.aligned
                assert_array_equal(found, expected[: len(found)], strict=True)
        offsets = [ckpt.specs[f"t{i}"].offset or 0 for i in range(5)]
        assert any(offset % 2 for offset in offsets)


SUB_BYTE = [
    (29, "f8 1f 20 07", [-8, -1, 0, 7]),
    (30, "f8 1f 20 07", [8, 15, 0, 7]),
    (31, "fe 03 f4 11", [-2, -1, 0, 1]),
    (32, "fe 03 f4 11", [2, 3, 0, 1]),
    (33, "f2 1a 80 07", [1.0, -1.0, 0.0, 6.0]),
]


@pytest.mark.parametrize(("number", "stored", "values"), SUB_BYTE)
@pytest.mark.parametrize("mmap", [True, False])
def test_trap_07_narrow_types(
    tmp_path: Path, number: int, stored: str, values: list[float], mmap: bool
) -> None:
    """One per byte; what the upper bits say is ignored, what comes out has none."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    payload = bytes.fromhex(stored)
    w.write_bundle(tmp_path / "p", {"t": w.Raw(number, (4,), payload)})
    mask = 0x03 if number in (31, 32) else 0x0F
    with tfckpt.open(tmp_path / "p", mmap=mmap) as ckpt:
        for found in (ckpt["t"], ckpt.read("t"), ckpt.read("t", rows=slice(0, 9))):
            assert found.dtype == getattr(ml_dtypes, str(ckpt.specs["t"].dtype))
            assert found.astype(np.float64).tolist() == values
            assert found.tobytes() == bytes(byte & mask for byte in payload)
        streamed = b"".join(map(bytes, ckpt.reader.chunks(ckpt.specs["t"])))
        assert streamed == bytes(byte & mask for byte in payload)


@pytest.mark.parametrize(
    ("number", "plain"), [(11, "int8"), (12, "uint8"), (13, "int32"), (15, "int16"), (16, "uint16")]
)
def test_trap_08_quantised(tmp_path: Path, number: int, plain: str) -> None:
    limits = np.iinfo(plain)
    array = np.array([limits.min, 0, limits.max], plain)
    with opened(tmp_path, {"t": w.Typed(number, array)}) as ckpt:
        assert_array_equal(ckpt["t"], array, strict=True)
        assert str(ckpt.specs["t"].dtype) == ("q" + plain)


@pytest.mark.parametrize("explicit", [False, True])
def test_trap_09_extents_as_stored(tmp_path: Path, explicit: bool) -> None:
    """A whole axis is stored as such or by its numbers; the key follows."""
    whole = numbers((4, 3))
    rest = (0, 3) if explicit else (0, -1)
    pieces = [[(0, 2), rest], [(2, 2), rest]]
    keys = [slice_key(b"t", each) for each in pieces]
    assert all(key in dict(rows_of({"t": w.Sliced(whole, pieces)})) for key in keys)
    with opened(tmp_path, {"t": w.Sliced(whole, pieces)}) as ckpt:
        assert_array_equal(ckpt["t"], whole, strict=True)
        assert [found.extents for found in ckpt.specs["t"].slices] == [tuple(p) for p in pieces]
    with opened_v1(tmp_path, {"t": w.Sliced(whole, pieces)}) as ckpt:
        assert_array_equal(ckpt["t"], whole, strict=True)


def test_trap_10_absent_start(tmp_path: Path) -> None:
    whole = numbers((4, 3))
    pieces: list[list[tuple[int, int]]] = [[(0, 2), (0, -1)], [(2, 2), (0, -1)]]

    def spelled_out(rows: w.Rows) -> w.Rows:
        protos = [w.slice_proto(each, explicit_zeros=True) for each in pieces]
        return w.edit_entry(rows, b"t", slices=protos)

    for edit in (None, spelled_out):
        with opened(tmp_path, {"t": w.Sliced(whole, pieces)}, edit_rows=edit) as ckpt:
            first = ckpt.specs["t"].slices[0]
            assert (first.extents, first.start, first.shape) == (((0, 2), (0, -1)), (0, 0), (2, 3))
            assert_array_equal(ckpt["t"], whole, strict=True)


def test_trap_11_stray_shard(tmp_path: Path) -> None:
    pieces = [[(0, 1)], [(1, 3)]]
    with opened(
        tmp_path,
        {"t": w.Sliced(numbers((4,)), pieces, shards=(1, 0))},
        shards=2,
        edit_rows=lambda rows: w.edit_entry(rows, b"t", shard=77),
    ) as ckpt:
        assert ckpt.specs["t"].shard is None
        assert [found.shard for found in ckpt.specs["t"].slices] == [1, 0]
        assert_array_equal(ckpt["t"], numbers((4,)), strict=True)


def test_trap_12_keys_are_bytes(tmp_path: Path) -> None:
    keys = [b"\x01", b"a\x00b", b"z", "ü".encode(), b"\x80", b"\xff", b"\xff\x00", b"line\nfeed"]
    tensors: dict[Any, Any] = {key: np.array(i) for i, key in enumerate(keys)}
    tensors[b"cut\xff"] = w.Sliced(numbers((3,)), [[(0, 1)], [(1, 2)]])
    tensors[b"\x00plain"] = np.array(-1)
    names = [key.decode("utf-8", "surrogateescape") for key in sorted(tensors)]
    for open_new in (opened, opened_v1):
        with open_new(tmp_path, tensors) as ckpt:
            for key in tensors:
                assert key.decode("utf-8", "surrogateescape") in ckpt
            assert list(ckpt) == names
            for i, key in enumerate(keys):
                assert ckpt[key.decode("utf-8", "surrogateescape")] == i
            assert ckpt["cut\udcff"].tolist() == [0, 1, 2]
            assert ckpt["\x00plain"] == -1
            assert "\ud800" not in ckpt
            assert "ü\udcff" not in ckpt


def test_trap_13_separators_are_no_keys(tmp_path: Path) -> None:
    tensors = {f"layer_{i:02d}/kernel": np.array(i) for i in range(20)}
    files = w.bundle_files(tensors, block_size=1, handle_suffix=b"\x00more\xff")
    with opened(tmp_path, tensors, block_size=1, handle_suffix=b"\x00more\xff") as ckpt:
        assert files[".index"].count(b"\x00more\xff") == 21
        assert list(ckpt) == list(tensors)
        assert all(ckpt[name] == i for i, name in enumerate(tensors))
        separators = [key for key, _ in ckpt.reader.table.handles()]  # type: ignore[attr-defined]
        assert separators[-1] == b"m"
        for separator in separators:
            assert separator.decode() in ckpt or separator.decode() not in tensors
        assert "m" not in ckpt


def test_trap_14_trailers(tmp_path: Path) -> None:
    rows = rows_of({"t": numbers((3,))})
    contents = w.block(rows)
    sealed = w.seal(contents, compress=True)
    files = w.bundle_files({"t": numbers((3,))})
    (tmp_path / f"p{DATA}").write_bytes(files[DATA])
    for changed in (
        sealed[:-5] + b"\x00" + sealed[-4:],  # the type byte is covered
        sealed[:-4] + w.masked(contents + b"\x01"),  # the compressed bytes are, not the contents
        sealed[:-4] + struct.pack("<I", w.crc(sealed[:-4])),  # masked
        w.seal(contents)[:-4] + w.masked(contents),
    ):
        (tmp_path / "p.index").write_bytes(w.assemble([(b"u", changed)]))
        with pytest.raises(tfckpt.ChecksumError):
            tfckpt.open(tmp_path / "p")
    (tmp_path / "p.index").write_bytes(w.assemble([(b"u", sealed)]))
    assert tfckpt.open(tmp_path / "p")["t"].tolist() == [0, 1, 2]
    for kind in (2, 4, 255):
        table = w.assemble([(b"u", w.seal(contents, kind=kind))])
        (tmp_path / "p.index").write_bytes(table)
        with pytest.raises(tfckpt.CorruptCheckpointError, match="compression"):
            tfckpt.open(tmp_path / "p")


def test_trap_15_shard_count(tmp_path: Path) -> None:
    with opened(tmp_path, {"t": numbers((2,))}, header=w.header(2)) as ckpt:
        assert ckpt["t"].tolist() == [0, 1]
        assert any("2 shards" in note for note in ckpt.notes)
    for count in (0, -1, (1 << 31) - 1):
        (tmp_path / "p.data-00000-of-00007").write_bytes(b"")  # no one set that must be meant
        with opened(tmp_path, {"t": numbers((2,))}, header=w.header(count)) as ckpt:
            assert list(ckpt) == ["t"]
            with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
                ckpt["t"]
            assert caught.value.file == f"{tmp_path}/p.data-00000-of-{count:05d}"


def test_trap_16_index_for_prefix(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"t": numbers((2,))})
    with tfckpt.open(tmp_path / "p.index") as ckpt:
        assert list(ckpt) == ["t"]
        assert ckpt.version == "V2"
        assert any("p.index" in note for note in ckpt.notes)
    (tmp_path / "renamed").write_bytes((tmp_path / "p.index").read_bytes())
    with pytest.raises(tfckpt.CorruptCheckpointError, match="index of a V2"):
        tfckpt.open(tmp_path / "renamed")


@pytest.mark.parametrize(
    "name", ["a[b]", "a*", "a?", "{a,b}", "a b", "100%", "ü", "a[!x]", "-", "a.index", "a+(1)"]
)
def test_trap_17_no_globs(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    w.write_bundle(tmp_path / "ab", {"wrong": numbers((2,))})
    for prefix in (folder / "p", folder / name):
        w.write_bundle(prefix, {"t": numbers((2,))})
        assert tfckpt.open(prefix)["t"].tolist() == [0, 1]
    w.write_v1(folder / "f", {"t": numbers((3,))})
    assert tfckpt.open(folder / "f")["t"].tolist() == [0, 1, 2]
    w.write_v1_shards(folder / name, {"t": numbers((3,)), "u": numbers((1,))}, shards=2)
    assert set(tfckpt.open(f"{folder / name}-?????-of-00002")) == {"t", "u"}
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(tmp_path / "a*b")


def test_trap_17_backslash(tmp_path: Path) -> None:
    prefix = f"{tmp_path}/a\\b"
    w.write_bundle(prefix, {"t": numbers((2,))})
    assert tfckpt.open(prefix)["t"].tolist() == [0, 1]


def test_trap_18_state_file_alone_counts(tmp_path: Path) -> None:
    for step in (1, 2):
        w.write_bundle(tmp_path / f"ckpt-{step}", {"t": np.array(step)})
    assert tfckpt.latest_checkpoint(tmp_path) is None
    state = tmp_path / "checkpoint"
    state.write_text('model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "ckpt-2"\n')
    assert tfckpt.latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-1")
    state.write_text('model_checkpoint_path: "gone"\nall_model_checkpoint_paths: "ckpt-2"\n')
    assert tfckpt.latest_checkpoint(tmp_path) is None
    state.write_text('model_checkpoint_path: "ckpt-1"\nunknown_field: 1\n')
    assert tfckpt.latest_checkpoint(tmp_path) is None
    with pytest.raises(tfckpt.CorruptCheckpointError, match="unknown_field"):
        tfckpt.open(state)
    state.write_text("")
    with pytest.raises(tfckpt.CorruptCheckpointError):
        tfckpt.open(state)


def test_trap_19_absolute_paths(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "moved", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    w.write_bundle(folder / "ckpt-1", {"t": np.array(1)})
    w.write_bundle(elsewhere / "ckpt-1", {"t": np.array(-1)})
    w.write_bundle(elsewhere / "ckpt-2", {"t": np.array(-2)})
    for old in (
        "/old/place/ckpt-1",
        f"{elsewhere}/ckpt-1",
        "../elsewhere/ckpt-1",
        "C:\\\\x\\\\ckpt-1",
    ):
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "{old}"\n')
        for path in (folder, folder / "checkpoint"):
            with tfckpt.open(path) as ckpt:
                assert ckpt["t"] == 1
                assert any("ckpt-1 was read" in note for note in ckpt.notes)
        assert tfckpt.latest_checkpoint(folder) == str(folder / "ckpt-1")
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{elsewhere}/ckpt-2"\n')
    assert tfckpt.latest_checkpoint(folder) is None
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="not beside it"):
        tfckpt.open(folder / "checkpoint")


def test_trap_20_v1_rows_look_alike(tmp_path: Path) -> None:
    array = np.array([1, 2, 100], np.int32)
    kinds = {3: "int32", 4: "uint8", 5: "int16", 6: "int8", 11: "int8", 12: "uint8", 13: "int32"}
    kinds |= {17: "uint16", 15: "int16", 16: "uint16"}
    tensors = {f"t{n:02d}": w.Typed(n, array.astype(kind)) for n, kind in kinds.items()}
    tensors["half"] = w.Typed(19, np.array([1.5, -0.0, np.inf], np.float16))
    with opened_v1(tmp_path, tensors) as ckpt:
        for number, kind in kinds.items():
            assert_array_equal(ckpt[f"t{number:02d}"], array.astype(kind), strict=True)
        half = ckpt["half"]
        assert half.dtype == np.float16
        assert half.tobytes() == np.array([1.5, -0.0, np.inf], np.float16).tobytes()


def test_trap_21_v1_negative_integers(tmp_path: Path) -> None:
    array = np.array([-1, -128, 127], np.int8)
    key = w.slice_key(b"t", [(0, -1)])
    ten = b"".join(w.varint(int(n)) for n in array)
    assert len(ten) == 21
    low = b"".join(map(w.varint, (0x1FF, 0xFFFFFF80, 0x17F)))  # only the low 8 bits count
    for packed in (ten, low):
        row = w.v1_data(b"t", [(0, -1)], w.bytes_field(7, packed))
        with opened_v1(
            tmp_path,
            {"t": array},
            edit_rows=lambda rows, row=row: w.replace_row(rows, key, row),
        ) as ckpt:
            assert_array_equal(ckpt["t"], array, strict=True)


def test_trap_22_v1_part_of_a_tensor(tmp_path: Path) -> None:
    whole = numbers((4, 2), "float32")
    with opened_v1(tmp_path, {"t": w.Sliced(whole, [[(1, 2), (0, -1)]])}) as ckpt:
        assert list(ckpt) == ["t"]
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.CorruptCheckpointError, match="hole"):
                read("t")


def test_trap_23_repeated_values(tmp_path: Path) -> None:
    """A constant's last value repeats; a V1 row's does not."""
    label = w.int_field(1, 1) + w.bytes_field(2, w.shape_proto((2, 50)))
    one = label + w.bytes_field(5, struct.pack("<2f", 1.5, -2))
    found = decode_tensor_proto(memoryview(one))
    assert_array_equal(found, np.array([1.5] + [-2] * 99, np.float32).reshape(2, 50), strict=True)
    zeros = decode_tensor_proto(memoryview(label))
    assert_array_equal(zeros, np.zeros((2, 50), np.float32), strict=True)
    texts = w.int_field(1, 7) + w.bytes_field(2, w.shape_proto((3,)))
    assert decode_tensor_proto(memoryview(texts)).tolist() == [b""] * 3
    texts += w.bytes_field(8, b"a")
    assert decode_tensor_proto(memoryview(texts)).tolist() == [b"a"] * 3
    key = w.slice_key(b"t", [(0, -1)])
    row = w.v1_data(b"t", [(0, -1)], w.tensor_proto(np.array([1], np.float32)))
    with (
        opened_v1(
            tmp_path,
            {"t": np.ones(3, np.float32)},
            edit_rows=lambda rows: w.replace_row(rows, key, row),
        ) as ckpt,
        pytest.raises(tfckpt.CorruptCheckpointError),
    ):
        ckpt["t"]


def test_trap_24_v1_shards_have_no_base(tmp_path: Path) -> None:
    w.write_v1_shards(tmp_path / "m", {"a": numbers((2,)), "b": numbers((1,))}, shards=2)
    text = 'model_checkpoint_path: "m-?????-of-00002"\n'
    (tmp_path / "checkpoint").write_text(text)
    assert tfckpt.latest_checkpoint(tmp_path) == f"{tmp_path}/m-?????-of-00002"
    for path in (tmp_path, tmp_path / "m-?????-of-00002", tmp_path / "m"):
        with tfckpt.open(path) as ckpt:
            assert list(ckpt) == ["a", "b"]
            assert ckpt.reader.shard_count == 2


def test_trap_30_scalars_are_arrays(tmp_path: Path) -> None:
    """TensorFlow gives NumPy scalars and bytes; here each tensor is an array, of rank 0 too."""
    tensors = {"n": np.array(1.5), "s": w.Strings([b"text"], ())}
    for open_new in (opened, opened_v1):
        with open_new(tmp_path, tensors) as ckpt:
            for name, value in (("n", 1.5), ("s", b"text")):
                for found in (ckpt[name], ckpt.read(name)):
                    assert isinstance(found, np.ndarray)
                    assert found.shape == ()
                    assert found.item() == value


@pytest.mark.parametrize("values", [[b"hello", b"world"], [b"ab", b""]])
@pytest.mark.parametrize("error", [-3, 3])
def test_trap_31_size_of_strings(tmp_path: Path, values: list[bytes], error: int) -> None:
    size = len(w.string_payload(values)[0]) + error
    tensors = {"t": w.Strings(values, (2,)), "z": numbers((4,))}
    with opened(
        tmp_path, tensors, edit_rows=lambda rows: w.edit_entry(rows, b"t", size=size)
    ) as ckpt:
        assert ckpt["t"].tolist() == values
        assert ckpt.read("t").tolist() == values


def test_trap_31_varints_and_bools(tmp_path: Path) -> None:
    lengths = b"\x82\x80\x00" + b"\x80\x00"  # 2 and 0, not in the fewest bytes
    checksum = w.masked(struct.pack("<II", 2, 0))
    crc = w.mask(w.crc(checksum + b"ab", w.crc(struct.pack("<II", 2, 0))))
    tensors = {
        "s": w.Raw(7, (2,), lengths + checksum + b"ab", crc=crc),
        "b": w.Raw(10, (2, 2), b"\x00\x01\x02\xff"),
    }
    with opened(tmp_path, tensors) as ckpt:
        assert ckpt["s"].tolist() == [b"ab", b""]
        for found in (ckpt["b"], ckpt.read("b")):
            assert found.tolist() == [[False, True], [True, True]]
            assert found.tobytes() == b"\x00\x01\x01\x01"
        assert ckpt.read("b", rows=slice(1, 2)).tobytes() == b"\x01\x01"
        assert b"".join(map(bytes, ckpt.reader.chunks(ckpt.specs["b"]))) == b"\x00\x01\x01\x01"


def test_trap_32_empty_tensor_needs_its_file(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {"n": np.zeros((0, 2), np.float32), "s": w.Strings([], (0,))}
    w.write_bundle(tmp_path / "p", tensors)
    (tmp_path / f"p{DATA}").unlink()
    with tfckpt.open(tmp_path / "p") as ckpt:
        for name in tensors:
            for read in (ckpt.__getitem__, ckpt.read):
                with pytest.raises(tfckpt.CheckpointNotFoundError) as caught:
                    read(name)
                assert caught.value.file == f"{tmp_path}/p{DATA}"


BAD_SHAPES: dict[str, dict[str, Any]] = {
    "negative": {"shape": (-5, 2)},
    "overflow": {"shape": (1 << 32, 1 << 32)},
    "rank 300": {"shape": (1,) * 300},
    "dtype 0": {"dtype": None},
    "dtype ref": {"dtype": 101},
    "dtype 127": {"dtype": 127},
    "dtype 99": {"dtype": 99},
    "negative dtype": {"dtype": -1},
    "resource": {"dtype": 20},
}


@pytest.mark.parametrize("fields", BAD_SHAPES.values(), ids=BAD_SHAPES)
def test_trap_33_impossible_entries(tmp_path: Path, fields: dict[str, Any]) -> None:
    with opened(
        tmp_path,
        {"good": numbers((2,)), "t": numbers((2,))},
        edit_rows=lambda rows: w.edit_entry(rows, b"t", **fields),
    ) as ckpt:
        assert ckpt["good"].tolist() == [0, 1]
        for read in (ckpt.__getitem__, ckpt.read):
            with pytest.raises(tfckpt.CheckpointError) as caught:
                read("t")
            assert caught.value.tensor == "t"


def test_trap_33_no_message(tmp_path: Path) -> None:
    for junk in (b"\xff" * 9, b"\x08", b"\x12\x7f", b"\x0b", b"\x3a\x02\x0a\x7f"):
        with (
            opened(
                tmp_path,
                {"t": numbers((2,))},
                edit_rows=lambda rows, junk=junk: w.replace_row(rows, b"t", junk),
            ) as ckpt,
            pytest.raises(tfckpt.CorruptCheckpointError) as caught,
        ):
            ckpt["t"]
        assert (caught.value.file, caught.value.tensor) == (f"{tmp_path}/p.index", "t")


def test_trap_34_slices_are_not_listed(tmp_path: Path) -> None:
    pieces = [[(0, 2)], [(2, 1)]]
    tensors = {"cut": w.Sliced(numbers((3,)), pieces), "whole": numbers((2,))}
    with opened(tmp_path, tensors) as ckpt:
        keys = [slice_key(b"cut", each).decode("utf-8", "surrogateescape") for each in pieces]
        assert not any(key in ckpt for key in keys)
        assert list(ckpt) == ["cut", "whole"]
        assert not any(key in ckpt for key in keys)
        assert ckpt.specs["cut"].shape == (3,)


@pytest.mark.parametrize("shape", [w.int_field(3, 1), None], ids=["unknown rank", "no shape"])
def test_trap_35_scalar_without_a_shape(tmp_path: Path, shape: bytes | None) -> None:
    with opened(
        tmp_path,
        {"t": np.array(2.5)},
        edit_rows=lambda rows: w.edit_entry(rows, b"t", shape=shape),
    ) as ckpt:
        assert ckpt.specs["t"].shape == ()
        assert ckpt["t"].item() == 2.5


def test_trap_37_header_is_no_tensor(tmp_path: Path) -> None:
    for open_new in (opened, opened_v1):
        with open_new(tmp_path, {"t": numbers((2,))}) as ckpt:
            assert "" not in ckpt
            assert list(ckpt) == ["t"]
            assert "" not in ckpt
            with pytest.raises(tfckpt.TensorNotFoundError):
                ckpt[""]


@pytest.mark.parametrize("version", ["V2", "V1"])
def test_trap_38_damaged_block(tmp_path: Path, version: str) -> None:
    """In one of many blocks: never a shorter list, never "no such tensor"."""
    tensors = {f"t{i:02d}": np.array(i) for i in range(30)}
    path = tmp_path / ("p.index" if version == "V2" else "p")
    (w.write_bundle if version == "V2" else w.write_v1)(tmp_path / "p", tensors, block_size=60)
    table = path.read_bytes()
    with tfckpt.open(tmp_path / "p") as ckpt:
        reader: Any = ckpt.reader
        blocks = (reader.table if version == "V2" else reader.tables[0]).handles()
        handles = [handle for _, handle in blocks]
    assert len(handles) > 5
    damaged = handles[3].offset + 10
    path.write_bytes(table[:damaged] + bytes([table[damaged] ^ 4]) + table[damaged + 1 :])
    lost = []
    with tfckpt.open(tmp_path / "p") as ckpt:
        for i, name in enumerate(tensors):
            try:
                assert ckpt[name] == i
            except tfckpt.ChecksumError as error:
                lost.append((error.file, error.offset))
        assert 0 < len(lost) < 10
        assert set(lost) == {(str(path), handles[3].offset)}
        if version == "V1":  # all names are in the header
            assert list(ckpt) == list(tensors)
            return
        with pytest.raises(tfckpt.ChecksumError):
            list(ckpt)
        with pytest.raises(tfckpt.ChecksumError):
            len(ckpt)


@pytest.mark.parametrize("length", [(1 << 32) - 1, 1 << 32, 300, 5])
def test_trap_39_lengths_around_2_32(length: int) -> None:
    """Told by the front part alone; the bytes themselves are in a test marked slow."""
    as_summed = struct.pack("<I" if length < 1 << 32 else "<Q", length)
    data = w.varint(length) + w.masked(as_summed)
    front = string_lengths(memoryview(data), 1, len(data))
    assert front.lengths == array("Q", [length])
    assert front.end == len(data) + length
    assert front.crc == w.crc(data[-4:], w.crc(as_summed))
    other = struct.pack("<Q", length) if length < 1 << 32 else bytes(4)
    if length == (1 << 32) - 1:  # the one length for which both codings have the same crc
        assert w.crc(struct.pack("<Q", length)) == w.crc(as_summed)
    else:
        lie = w.varint(length) + w.masked(other)
        with pytest.raises(tfckpt.ChecksumError):
            string_lengths(memoryview(lie), 1, len(lie))
