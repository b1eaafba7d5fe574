"""8.3 of the specification: slices and ordered codes, as TensorFlow's tests pin them down."""

from __future__ import annotations

from pathlib import Path

import pytest
import writers as w
from conformance import MATRIX, WITH_HOLE, assert_set_with_hole, lists, opened
from numpy.testing import assert_array_equal
from strategies import numbers, piece

import tfckpt_reader as tfckpt
from tfckpt_reader.encoding.coding import (
    encode_ordered_number,
    encode_ordered_signed,
    encode_ordered_string,
)
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.proto_fields import extents
from tfckpt_reader.tensor.slices import box_of, overlaps, slice_key


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
    (cut,) = overlaps([whole], range(3, 7))
    assert (cut.rows, cut.box) == (range(3, 7), (slice(0, 4), slice(0, 10)))
    (cut,) = overlaps([part], range(12))
    assert (cut.rows, cut.box) == (range(5), (slice(1, 6), slice(2, 8)))
    (cut,) = overlaps([part], range(1, 3))
    assert (cut.rows, cut.box) == (range(2), (slice(0, 2), slice(2, 8)))
    assert overlaps([part], range(1)) == overlaps([part], range(6, 12)) == []


def test_case_40_shape_of_a_slice() -> None:
    found = box_of([(1, 1), (0, -1), (4, 1), (2, 6)], (2, 4, 5, 8))
    assert found == ((1, 0, 4, 2), (1, 4, 1, 6))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="outside"):
        box_of([(1, 1), (1, 4), (0, -1), (0, -1)], (2, 4, 5, 8))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="rank"):
        box_of([(1, 1)], (2, 4))


def test_case_41_relative_slices() -> None:
    """Rows wanted of a piece are counted within it."""
    base = piece([(1, 2), (3, 4), (0, -1), (5, 1)], (5, 7, 2, 6))
    (cut,) = overlaps([base], range(1, 2))
    assert cut.rows == range(1)
    (cut,) = overlaps([base], range(2, 4))
    assert cut.rows == range(1, 2)


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
        (encode_ordered_signed, edges),
        (encode_ordered_number, [n for n in edges if n >= 0]),
    ):
        codes = [code(n) for n in values]
        assert codes == sorted(codes)
        assert len(set(codes)) == len(values)
    assert [encode_ordered_signed(n) for n in edges] == [w.ordered_signed(n) for n in edges]
    assert encode_ordered_string(b"") == bytes.fromhex("0001")
    assert encode_ordered_string(b"foo") == bytes.fromhex("666f6f 0001")
    assert encode_ordered_string(b"\x00\x01\xff") == bytes.fromhex("00ff 01 ff00 0001")
    texts = sorted(
        [b"", b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\xff", b"a", b"\xff", b"\xff\x00"]
    )
    assert [encode_ordered_string(text) for text in texts] == sorted(
        map(encode_ordered_string, texts)
    )
