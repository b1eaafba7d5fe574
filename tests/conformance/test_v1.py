"""8.4 of the format's specification: V1 files, as TensorFlow's tests pin them down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conformance import (
    MATRIX,
    TWELVE,
    VERSIONS,
    WITH_HOLE,
    assert_set_with_hole,
    lists,
    opened_v1,
    strings,
    tensor,
)
from numpy.testing import assert_array_equal
from strategies import numbers

import tfckpt_reader as tfckpt


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
