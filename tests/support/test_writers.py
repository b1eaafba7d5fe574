"""The tests' own writer: known bytes first, then TensorFlow reading what it wrote.

The tests marked `tensorflow` need TensorFlow itself; they are how the writer is known to be right.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from samples import QUANTISED, sample

FLOATS = np.array([1, 2], np.float32)
MATRIX = np.arange(20, dtype=np.float32).reshape(4, 5)


WHOLE = [(0, -1), (0, -1)]
PIECES = [[(0, 2), (0, -1)], [(2, 2), (0, 3)], [(2, 2), (3, 2)]]


DENSE = sorted({*w.DTYPES.values(), *QUANTISED} - {w.STRING})
SWAPPED = [number for number in DENSE if number < 24]  # big-endian float8 and int4: TF refuses
V1_DTYPES = (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 17, 18, 19)
V1_GET_TENSOR = (1, 2, 3, 4, 5, 6, 9, 10)


def keep(into: w.Rows) -> Callable[[w.Rows], w.Rows]:
    """An `edit_rows` that changes nothing and copies the rows."""

    def edit(rows: w.Rows) -> w.Rows:
        into.extend(rows)
        return rows

    return edit


# Known bytes.


@pytest.mark.parametrize(
    ("data", "crc", "masked"),
    [
        (b"", 0x00000000, 0xA282EAD8),
        (b"123456789", 0xE3069283, 0xC78AB0E5),
        (b"a", 0xC1D04330, 0x28E46E78),
        (b"foo", 0xCFC4AE1D, 0xFEBE8A61),
        (bytes(32), 0x8A9136AA, 0x0FD7FFFA),
        (b"\xff" * 32, 0x62A8AB43, 0xF909B029),
    ],
)
def test_crc(data: bytes, crc: int, masked: int) -> None:
    assert w.crc(data) == crc
    assert w.crc(data[2:], w.crc(data[:2])) == crc
    assert w.mask(crc) == masked
    assert w.masked(data) == struct.pack("<I", masked)


def test_varint() -> None:
    assert w.varint(0) == b"\x00"
    assert w.varint(127) == b"\x7f"
    assert w.varint(128) == b"\x80\x01"
    assert w.varint(300) == b"\xac\x02"
    assert w.varint(1 << 32) == b"\x80\x80\x80\x80\x10"
    assert w.varint(-1) == b"\xff" * 9 + b"\x01"


def test_fields() -> None:
    message = w.int_field(1, 300) + w.bytes_field(2, b"ab") + w.fixed32_field(6, 1) + b"\x39" * 9
    assert message[:-9].hex(" ") == "08 ac 02 12 02 61 62 35 01 00 00 00"
    split = w.split_fields(message)
    assert [number for number, _ in split] == [1, 2, 6, 7]
    assert b"".join(data for _, data in split) == message


EXAMPLE_INDEX = """
    00 00 06  08 01 1a 02 08 01
    00 01 0f  78  08 01  12 04 12 02 08 02  28 08  35 59 3c e5 35
    01 01 11  79  08 07 12 04 12 02 08 02 20 08 28 08 35 91 88 b0 4d
    00 00 00 00 01 00 00 00  00 c9 56 9a c3
    00 00 00 00 01 00 00 00  00 c0 f2 a1 b0
    00 01 02 79 00 39 00 00 00 00 01 00 00 00  00 70 4c 70 b5
    3e 08 4b 0e""" + 36 * " 00" + "57 fb 80 8b 24 75 47 db"  # fmt: skip
EXAMPLE_DATA = "00 00 80 3f 00 00 00 40  02 00 78 27 0b 34 61 62"


def test_annotated_example(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"x": FLOATS, "xy": w.Strings([b"ab", b""], (2,))})
    assert (tmp_path / "p.index").read_bytes() == bytes.fromhex(EXAMPLE_INDEX)
    data = tmp_path / "p.data-00000-of-00001"
    assert data.read_bytes() == bytes.fromhex(EXAMPLE_DATA)
    assert len(list(tmp_path.iterdir())) == 2


def test_v1_example() -> None:
    rows: w.Rows = []
    w.v1_table({"x": FLOATS}, edit_rows=keep(rows))
    assert rows[1][0] == bytes.fromhex("00 78 00 01 01 01 80 7f")
    value = bytes.fromhex("12 13 0a 01 78 12 02 0a 00 1a 0a 2a 08") + FLOATS.tobytes()
    assert rows[1][1] == value


def test_string_payload() -> None:
    assert w.string_payload([]) == (bytes.fromhex("d8 ea 82 a2"), 0x640CC1F6)
    assert w.string_payload([b""])[0] == bytes.fromhex("00 a6 7b 11 3a")
    assert w.string_payload([b"ab", b""]) == (bytes.fromhex(EXAMPLE_DATA)[8:], 0x4DB08891)
    little, big = (w.string_payload([b"ab"], big_endian=end)[0] for end in (False, True))
    assert (little[:1], little[5:]) == (big[:1], big[5:]) == (b"\x02", b"ab")
    assert big[1:5] == struct.pack(">I", w.mask(w.crc(b"\0\0\0\2")))


@pytest.mark.parametrize(
    ("n", "code"),
    [
        (-65, "3fbf"),
        (-64, "40"),
        (-1, "7f"),
        (0, "80"),
        (1, "81"),
        (9, "89"),
        (63, "bf"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (1 << 20, "f0100000"),
        (1 << 27, "f808000000"),
        (1 << 34, "fc0400000000"),
        (1 << 55, "ff8080000000000000"),
        (1 << 62, "ffc04000000000000000"),
    ],
)
def test_ordered_signed(n: int, code: str) -> None:
    assert w.ordered_signed(n) == bytes.fromhex(code)


def test_ordered_signed_keeps_order() -> None:
    edges = {sign * (1 << k) + d for k in range(63) for d in (-1, 0, 1) for sign in (-1, 1)}
    codes = [w.ordered_signed(n) for n in sorted(edges)]
    assert codes == sorted(codes)


def test_slice_key() -> None:
    assert w.ordered_number(0) == b"\x00"
    assert w.ordered_number(2) == b"\x01\x02"
    assert w.ordered_number(256) == b"\x02\x01\x00"
    assert w.ordered_string(b"") == b"\x00\x01"
    assert w.ordered_string(b"\x00\x01\xff") == bytes.fromhex("00ff01ff000001")
    assert w.ordered_string(b"\xff\x00\xff") == bytes.fromhex("ff0000ffff000001")
    key = w.slice_key(b"foo", [(0, -1), (0, 1)])
    assert key == bytes.fromhex("00 666f6f 0001 0102 807f 8081")
    key = w.slice_key(b"foo", [(0, -1), (0, -1), (1, 3), (4, 5)])
    assert key == bytes.fromhex("00 666f6f 0001 0104 807f 807f 8183 8485")
    assert w.slice_key(b"s", ()) == bytes.fromhex("00 73 0001 00")


def test_protos() -> None:
    assert w.header().hex(" ") == "08 01 1a 02 08 01"
    assert w.header(0, producer=0) == b"\x1a\x00"
    version = w.header(2, endianness=1, producer=-1, min_consumer=2, bad_consumers=(1, 300))
    assert version.hex(" ") == "08 02 10 01 1a 12 08" + " ff" * 9 + " 01 10 02 1a 03 01 ac 02"
    assert w.shape_proto((2, 0)).hex(" ") == "12 02 08 02 12 00"
    assert (
        w.slice_proto([(0, -1), (0, 3), (3, 1)]).hex(" ") == "0a 00 0a 02 10 03 0a 04 08 03 10 01"
    )
    assert w.slice_proto([(0, 3)], explicit_zeros=True).hex(" ") == "0a 04 08 00 10 03"
    assert w.entry(1, ()).hex(" ") == "08 01 12 00"
    assert w.entry(1, None, shard=1, size=0).hex(" ") == "08 01 18 01"
    assert w.entry(1, b"\x18\x01", slices=[b""]).hex(" ") == "08 01 12 02 18 01 3a 00"


@pytest.mark.parametrize(
    ("last", "after", "separator"),
    [
        (b"xy", None, b"y"),
        (b"\xff\xffa", None, b"\xff\xffb"),
        (b"\xff\xff", None, b"\xff\xff"),
        (b"", None, b""),
        (b"layer_08999/k", None, b"m"),
        (b"layer_05666/k", b"layer_05667/k", b"layer_05666/k"),
        (b"ab", b"abc", b"ab"),
        (b"abz", b"ad", b"ac"),
        (b"abz", b"ac", b"abz"),
        (b"", b"a", b""),
    ],
)
def test_short_separator(last: bytes, after: bytes | None, separator: bytes) -> None:
    assert w.short_separator(last, after) == separator


def test_blocks() -> None:
    assert w.block([]) == bytes.fromhex("00 00 00 00 01 00 00 00")
    rows = [(b"ab", b"1"), (b"ac", b"2"), (b"acd", b"3")]
    plain = w.block(rows)
    assert plain[:5] + plain[6:9] == b"\x00\x02\x01ab" + b"\x01\x01\x01"
    restarts = w.block(rows, restart_interval=2)[-12:]
    assert restarts == struct.pack("<3I", 0, 11, 2)
    assert w.seal(plain, kind=9) == plain + b"\x09" + w.masked(plain + b"\x09")
    packed = w.seal(bytes(100), compress=True)
    assert packed[0] == 100
    assert packed[-5:] == b"\x01" + w.masked(packed[:-4])
    assert len(packed) < 30


def test_table_cuts_blocks() -> None:
    rows = [(b"%03d" % i, bytes(20)) for i in range(100)]
    whole = w.assemble([(b"1", w.seal(w.block(rows)))])
    assert w.table(rows) == whole
    each = [(key, w.seal(w.block([(key, value)]))) for key, value in rows]
    assert w.table(rows, block_size=1, separators="last") == w.assemble(each)
    big = [(b"a", b""), (b"c", bytes(200)), (b"e", b"")]
    alone = [(k, w.seal(w.block([row]))) for k, row in zip((b"b", b"d", b"f"), big, strict=True)]
    assert w.table(big, block_size=100) == w.assemble(alone)
    assert w.table([]) == w.assemble([])
    assert len(w.assemble([])) == 2 * 13 + 48


def test_edits() -> None:
    rows = [(b"", w.header()), (b"a", w.entry(1, (2, 3), offset=4, size=24, crc=5))]
    edited = w.edit_entry(rows, b"a", shape=(6,), size=0, crc=None, shard=2, slices=[[(0, 1)]])
    value = bytes.fromhex("08 01 12 04 12 02 08 06 18 02 20 04 28 00 3a 04 0a 02 10 01")
    assert edited == [rows[0], (b"a", value)]
    assert w.replace_row(rows, b"a", b"x") == [rows[0], (b"a", b"x")]
    assert w.replace_row(rows, b"", None) == rows[1:]
    with pytest.raises(KeyError):
        w.replace_row(rows, b"b", b"")
    with pytest.raises(KeyError):
        w.edit_entry(rows, b"a", sise=1)


def test_shards_and_padding() -> None:
    tensors: dict[str, w.Tensor] = {
        "a": FLOATS,
        "b": w.Raw(4, (3,), b"abc", crc=1),
        "c": FLOATS,
        "d": FLOATS,
    }
    files = w.bundle_files(
        tensors, shards=3, placement={"c": 2}, alignment=16, filler=b"#", tail=b"junk"
    )
    assert files[".data-00000-of-00003"] == FLOATS.tobytes() + b"#" * 8 + b"junk"
    assert files[".data-00001-of-00003"] == b"abc" + b"#" * 13 + b"junk"
    assert files[".data-00002-of-00003"] == (FLOATS.tobytes() + b"#" * 8) * 2 + b"junk"
    assert w.entry(4, (3,), shard=1, size=3, crc=1) in files[".index"]
    assert w.header(3) in files[".index"]
    assert w.header(7) in w.bundle_files(tensors, header=w.header(7))[".index"]


def test_dense_payload() -> None:
    assert w.dense_payload(np.array([1, -2], ">i2")) == b"\x01\x00\xfe\xff"
    assert w.dense_payload(np.array([1, -2], "<i2"), big_endian=True) == b"\x00\x01\xff\xfe"
    complexes = w.dense_payload(np.array(1 + 2j, np.complex64), big_endian=True)
    assert complexes == struct.pack(">2f", 1, 2)
    assert w.dense_payload(np.arange(6, dtype="u1").reshape(2, 3).T) == bytes([0, 3, 1, 4, 2, 5])


def test_dense_payload_of_sub_bytes() -> None:
    pytest.importorskip("ml_dtypes")
    assert w.dense_payload(sample(29).array) == bytes([0x8, 7, 0, 1, 7, 0x8])
    assert w.dense_payload(sample(31).array) == bytes([0b10, 1, 0, 1, 1, 0b10])


def test_tensor_proto() -> None:
    ints = np.array([-1, 2], np.int32)
    assert w.tensor_proto(ints).hex(" ") == "3a 0b" + " ff" * 9 + " 01 02"
    assert w.tensor_proto(ints, packed=False).hex(" ") == "38" + " ff" * 9 + " 01 38 02"
    assert w.tensor_proto(FLOATS, packed=False) == b"\x2d\0\0\x80\x3f\x2d\0\0\0\x40"
    assert (
        w.tensor_proto(np.array([True]), label=True).hex(" ") == "08 0a 12 04 12 02 08 01 5a 01 01"
    )
    assert w.tensor_proto([b"a", b""]).hex(" ") == "42 01 61 42 00"
    assert w.tensor_proto(np.array(1, np.float16)).hex(" ") == "6a 02 80 78"
    assert w.tensor_proto(np.zeros((0, 2), np.int64)) == b""


def test_bundle_and_v1_cut_the_same_pieces(tmp_path: Path) -> None:
    tensors = {"m": w.Sliced(MATRIX, PIECES, shards=(0, 1, 0))}
    files = w.bundle_files(tensors, shards=2)
    first = MATRIX[:2].tobytes() + MATRIX[2:, 3:].tobytes()
    assert files[".data-00000-of-00002"] == first
    assert files[".data-00001-of-00002"] == MATRIX[2:, :3].tobytes()
    w.write_v1_shards(tmp_path / "f", tensors, shards=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "f-00000-of-00002",
        "f-00001-of-00002",
    ]
    assert MATRIX[2:, :3].tobytes() in (tmp_path / "f-00001-of-00002").read_bytes()


# TensorFlow reads it.


def tensorflow() -> Any:
    """TensorFlow, imported only by the tests marked for it."""
    return importlib.import_module("tensorflow")


def restored(path: Path | str, name: str, dtype: int, piece: str = "") -> Any:
    """Read a tensor by RestoreV2, as a NumPy value."""
    tf = tensorflow()

    (tensor,) = tf.raw_ops.RestoreV2(
        prefix=str(path), tensor_names=[name], shape_and_slices=[piece], dtypes=[tf.DType(dtype)]
    )
    return tensor.numpy()


def reader(path: Path | str) -> Any:
    tf = tensorflow()

    return tf.train.load_checkpoint(str(path))


def assert_same(got: Any, tensor: w.Plain) -> None:
    """The same shape and bytes; TensorFlow's dtype for quantised types is a plain integer's."""
    _, array = w.typed(tensor)
    got = np.asarray(got, object if array.dtype == object else None)
    assert got.shape == array.shape
    if array.dtype == object:
        assert list(got.flat) == list(array.flat)
    else:
        assert w.dense_payload(got) == w.dense_payload(array)


def assert_reads(path: Path | str, tensors: Mapping[str, Any]) -> None:
    """Both of TensorFlow's readers give back the tensors, sliced ones as a whole."""
    got = reader(path)
    whole = {k: v.whole if isinstance(v, w.Sliced) else v for k, v in tensors.items()}
    shapes = {name: list(w.typed(tensor)[1].shape) for name, tensor in whole.items()}
    assert got.get_variable_to_shape_map() == shapes
    for name, tensor in whole.items():
        dtype = w.typed(tensor)[0]
        assert int(got.get_variable_to_dtype_map()[name]) == dtype
        assert_same(restored(path, name, dtype), tensor)
        assert_same(got.get_tensor(name), tensor)


def many(count: int = 300) -> dict[str, Any]:
    """Small tensors enough for many blocks, strings and scalars among them, in key order."""
    tensors: dict[str, Any] = {}
    for i in range(count):
        name = f"layer_{i:04d}/kernel"
        tensors[name] = np.full((i % 4, 3), i, np.int32)
        tensors[name + "/s"] = w.Strings([b"%d" % i, b"", b"\xff\0" * 80], (3,))
        tensors[name + "/t"] = np.array(i / 7)
    return tensors


def whole_scalar_empty(number: int) -> dict[str, w.Typed]:
    """Three shapes of a dtype."""
    array = sample(number).array
    shapes = {"tensor": array, "scalar": array[1, 1:2].reshape(()), "empty": array[:, :0]}
    return {name: w.Typed(number, each) for name, each in shapes.items()}


@pytest.mark.tensorflow
@pytest.mark.parametrize("number", DENSE)
def test_tensorflow_reads_dtype(tmp_path: Path, number: int) -> None:
    w.write_bundle(tmp_path / "p", whole_scalar_empty(number))
    assert_reads(tmp_path / "p", whole_scalar_empty(number))


@pytest.mark.tensorflow
@pytest.mark.parametrize("number", SWAPPED)
def test_tensorflow_reads_big_endian(tmp_path: Path, number: int) -> None:
    w.write_bundle(tmp_path / "p", whole_scalar_empty(number), big_endian=True)
    assert_reads(tmp_path / "p", whole_scalar_empty(number))


STRINGS = {
    "names": w.Strings([b"", b"hello", b"\xff\0" * 70000, b"x" * 127, b"y" * 128, b"z"], (3, 2)),
    "scalar": w.Strings([b"one"], ()),
    "empty scalar": w.Strings([b""], ()),
    "none": w.Strings([], (0, 4)),
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("big_endian", [False, True])
def test_tensorflow_reads_strings(tmp_path: Path, big_endian: bool) -> None:
    w.write_bundle(tmp_path / "p", STRINGS, big_endian=big_endian)
    assert_reads(tmp_path / "p", STRINGS)


LIST_METADATA = b"".join(map(w.varint, (0, 1, -1))) + w.shape_proto((2,))
LIST_ITEMS = [w.tensor_proto(FLOATS, label=True), w.tensor_proto(FLOATS + 2, label=True)]
LISTS = w.Variants([(b"tensorflow::TensorList", LIST_METADATA, LIST_ITEMS)] * 2, (2,))


@pytest.mark.tensorflow
def test_tensorflow_reads_variants(tmp_path: Path) -> None:
    tf = tensorflow()

    w.write_bundle(tmp_path / "p", {"v": LISTS, "none": w.Variants([], (0,))})
    variants, none = tf.raw_ops.RestoreV2(
        prefix=str(tmp_path / "p"),
        tensor_names=["v", "none"],
        shape_and_slices=["", ""],
        dtypes=[tf.variant] * 2,
    )
    assert none.shape == (0,)
    for element in tf.unstack(variants):
        stacked = tf.raw_ops.TensorListStack(
            input_handle=element, element_shape=[2], element_dtype=tf.float32
        )
        np.testing.assert_array_equal(stacked, [[1, 2], [3, 4]])


@pytest.mark.tensorflow
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("shards", [1, 2])
def test_tensorflow_reads_slices(tmp_path: Path, shards: int, big_endian: bool) -> None:
    explicit = [[(0, 4), (0, 2)], [(0, 4), (2, 3)]]
    tensors: dict[str, w.Tensor] = {
        "mixed": w.Sliced(MATRIX, PIECES),
        "explicit/\x00\xff": w.Sliced(MATRIX.astype(np.int64), explicit, shards=(shards - 1, 0)),
        "quantised": w.Sliced(w.Typed(11, MATRIX.astype(np.int8)), PIECES),
        "vector": w.Sliced(np.arange(9000), [[(0, 8191)], [(8191, 1)], [(8192, 808)]]),
        "whole": MATRIX,
    }
    w.write_bundle(tmp_path / "p", tensors, shards=shards, big_endian=big_endian)
    assert_reads(tmp_path / "p", tensors)
    np.testing.assert_array_equal(
        restored(tmp_path / "p", "mixed", 1, "4 5 1,2:1,3"), MATRIX[1:3, 1:4]
    )


@pytest.mark.tensorflow
def test_tensorflow_reads_string_pieces(tmp_path: Path) -> None:
    names = w.Strings([b"a", b"bc", b"", b"d"], (4,))
    w.write_bundle(tmp_path / "p", {"s": w.Sliced(names, [[(0, 1)], [(1, 3)]])})
    assert list(restored(tmp_path / "p", "s", w.STRING, "4 1,3")) == [b"bc", b"", b"d"]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"block_size": 1},
        {"block_size": 100, "restart_interval": 1},
        {"block_size": 300, "restart_interval": 10**9, "separators": "last"},
        {"block_size": 4096, "compress": True},
        {"block_size": 1000, "compress": True, "index_compress": True, "handle_suffix": b"more"},
    ],
)
def test_tensorflow_reads_layout(tmp_path: Path, layout: dict[str, Any]) -> None:
    tensors = many()
    w.write_bundle(tmp_path / "p", tensors, **layout)
    assert_reads(tmp_path / "p", tensors)
    w.write_v1(tmp_path / "f", tensors, **layout)
    assert_reads(tmp_path / "f", tensors)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "options",
    [
        {"shards": 3},
        {"shards": 12, "placement": dict.fromkeys(many(20), 11)},
        {"alignment": 42},
        {"alignment": 64, "filler": b"\xaa", "tail": b"junk", "shards": 2},
        {"header": w.header(producer=7)},
        {"header": w.int_field(1, 1)},
        {"edit_rows": lambda rows: [(k, v + w.bytes_field(99, b"new")) for k, v in rows]},
    ],
)
def test_tensorflow_reads_bundle(tmp_path: Path, options: dict[str, Any]) -> None:
    tensors = many(20)
    w.write_bundle(tmp_path / "p", tensors, **options)
    assert_reads(tmp_path / "p", tensors)


@pytest.mark.tensorflow
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("number", V1_DTYPES)
def test_tensorflow_reads_v1_dtype(tmp_path: Path, number: int, packed: bool) -> None:
    tensors = whole_scalar_empty(number)
    w.write_v1(tmp_path / "f", tensors, packed=packed)
    for name, tensor in tensors.items():
        assert_same(restored(tmp_path / "f", name, number), tensor)
        if number in V1_GET_TENSOR:
            assert_same(reader(tmp_path / "f").get_tensor(name), tensor)


@pytest.mark.tensorflow
@pytest.mark.parametrize("versions", [w.version_def(), w.version_def(9), None])
def test_tensorflow_reads_v1_strings(tmp_path: Path, versions: bytes | None) -> None:
    w.write_v1(tmp_path / "f", STRINGS, versions=versions)
    assert_reads(tmp_path / "f", STRINGS)


@pytest.mark.tensorflow
def test_tensorflow_reads_v1_shards(tmp_path: Path) -> None:
    tensors: dict[str, w.Plain | w.Sliced] = {
        "mixed": w.Sliced(MATRIX, PIECES),
        "placed": w.Sliced(
            w.Strings([b"a", b"bc", b""], (3,)), [[(0, 1)], [(1, 2)]], shards=(2, 0)
        ),
        "whole": MATRIX + 1,
        "there": MATRIX.astype(np.complex128),
    }
    w.write_v1(tmp_path / "f", tensors)
    w.write_v1_shards(tmp_path / "g", tensors, shards=3, placement={"there": 1}, compress=True)
    whole = {k: v.whole if isinstance(v, w.Sliced) else v for k, v in tensors.items()}
    for path in ("f", "g-?????-of-00003"):
        shapes = reader(tmp_path / path).get_variable_to_shape_map()
        assert shapes == {"mixed": [4, 5], "placed": [3], "whole": [4, 5], "there": [4, 5]}
        for name, tensor in whole.items():
            assert_same(restored(tmp_path / path, name, w.typed(tensor)[0]), tensor)
    assert set(reader(tmp_path / "g-00001-of-00003").get_variable_to_shape_map()) == {
        "mixed",
        "there",
    }


def constants(tensors: Mapping[str, w.Plain]) -> list[Any]:
    """The values as TensorFlow's tensors."""
    tf = tensorflow()

    pairs = (w.typed(tensor) for tensor in tensors.values())
    return [tf.constant(array, tf.DType(number)) for number, array in pairs]


def save_v2(path: Path, tensors: Mapping[str, w.Plain], specs: list[str] | None = None) -> None:
    """Let TensorFlow write a bundle."""
    tf = tensorflow()

    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(tensors),
        shape_and_slices=specs or [""] * len(tensors),
        tensors=constants(tensors),
    )


def save_v1(path: Path, tensors: Mapping[str, w.Plain], specs: list[str] | None = None) -> None:
    """Let TensorFlow write a V1 file."""
    tf = tensorflow()

    tf.raw_ops.SaveSlices(
        filename=str(path),
        tensor_names=list(tensors),
        shapes_and_slices=specs or [""] * len(tensors),
        data=constants(tensors),
    )


def assert_same_files(prefix: Path, files: Mapping[str, bytes]) -> None:
    """Every file has the bytes TensorFlow wrote."""
    for suffix, contents in files.items():
        assert contents == Path(f"{prefix}{suffix}").read_bytes()


@pytest.mark.tensorflow
@pytest.mark.parametrize("count", [3, 3000])
def test_files_are_tensorflows_own(tmp_path: Path, count: int) -> None:
    tensors = many(count) | {f"x{n:02}": sample(n) for n in V1_DTYPES if n not in QUANTISED}
    save_v2(tmp_path / "p", tensors)
    assert_same_files(tmp_path / "p", w.bundle_files(tensors))
    save_v1(tmp_path / "f", tensors)
    assert w.v1_table(tensors) == (tmp_path / "f").read_bytes()


@pytest.mark.tensorflow
def test_slices_are_tensorflows_own(tmp_path: Path) -> None:
    vector = np.arange(9000, dtype=np.int32)
    tensors = {
        "a": w.Sliced(MATRIX, [[(0, 2), (0, -1)]]),
        "b": w.Sliced(MATRIX, [[(0, 4), (1, 2)]]),
        "c": w.Sliced(vector, [[(8192, 64)]]),
    }
    parts = {"a": MATRIX[:2], "b": MATRIX[:, 1:3], "c": vector[8192:8256]}
    specs = ["4 5 0,2:-", "4 5 0,4:1,2", "9000 8192,64"]
    save_v2(tmp_path / "p", parts, specs)
    assert_same_files(tmp_path / "p", w.bundle_files(tensors))
    save_v1(tmp_path / "f", parts, specs)
    assert w.v1_table(tensors) == (tmp_path / "f").read_bytes()


@pytest.mark.tensorflow
def test_variants_are_tensorflows_own(tmp_path: Path) -> None:
    tf = tensorflow()

    lists = tf.raw_ops.TensorListFromTensor(tensor=[[1.0, 2.0], [3.0, 4.0]], element_shape=[2])
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "p"),
        tensor_names=["v"],
        shape_and_slices=[""],
        tensors=[tf.stack([lists] * 2)],
    )
    assert_same_files(tmp_path / "p", w.bundle_files({"v": LISTS}))


@pytest.mark.tensorflow
@pytest.mark.parametrize("size", [524287, 524288])
def test_big_rows_are_cut_as_tensorflow_cuts(tmp_path: Path, size: int) -> None:
    rows: w.Rows = []
    tensors = {name: w.Strings([b"s"], (1,)) for name in "abc"}
    w.v1_table(tensors | {"b": w.Strings([bytes(size)], (1,))}, edit_rows=keep(rows))
    fit = size - (sum(map(len, rows[2])) - size)
    tensors["b"] = w.Strings([bytes(fit)], (1,))
    rows.clear()
    mine = w.v1_table(tensors, edit_rows=keep(rows))
    assert sum(map(len, rows[2])) == size
    save_v1(tmp_path / "f", tensors)
    assert mine == (tmp_path / "f").read_bytes()
