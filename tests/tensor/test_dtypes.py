"""The table of element types, and how NumPy gets them."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.tensor.dtypes import BY_NUMBER, DataType, to_numpy

# FORMAT 3.4: number, TensorFlow's name, bytes in a file, what holds it ("-": nothing).
TABLE = """
    1 float32 4 float32       2 float64 8 float64       3 int32 4 int32
    4 uint8 1 uint8           5 int16 2 int16           6 int8 1 int8
    7 string 0 object         8 complex64 8 complex64   9 int64 8 int64
    10 bool 1 bool            11 qint8 1 int8           12 quint8 1 uint8
    13 qint32 4 int32         14 bfloat16 2 bfloat16    15 qint16 2 int16
    16 quint16 2 uint16       17 uint16 2 uint16        18 complex128 16 complex128
    19 float16 2 float16      20 resource 0 -           21 variant 0 object
    22 uint32 4 uint32        23 uint64 8 uint64        24 float8_e5m2 1 float8_e5m2
    25 float8_e4m3fn 1 float8_e4m3fn                    26 float8_e4m3fnuz 1 float8_e4m3fnuz
    27 float8_e4m3b11fnuz 1 float8_e4m3b11fnuz          28 float8_e5m2fnuz 1 float8_e5m2fnuz
    29 int4 1 int4            30 uint4 1 uint4          31 int2 1 int2
    32 uint2 1 uint2          33 float4_e2m1fn 1 float4_e2m1fn
"""
CELLS = TABLE.split()
ROWS = [
    (int(CELLS[i]), CELLS[i + 1], int(CELLS[i + 2]), CELLS[i + 3]) for i in range(0, len(CELLS), 4)
]
NEED_ML_DTYPES = {14, *range(24, 34)}
BITS = {29: 4, 30: 4, 31: 2, 32: 2, 33: 4}
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
Row = tuple[int, str, int, str]


def test_table_is_complete() -> None:
    assert [row[0] for row in ROWS] == list(range(1, 34))
    assert {int(dtype) for dtype in DataType} == set(range(1, 34))
    assert {number: int(dtype) for number, dtype in BY_NUMBER.items()} == {
        number: number for number in range(1, 34)
    }


@each_row
def test_row(row: Row) -> None:
    number, name, itemsize, _ = row
    dtype = BY_NUMBER[number]
    assert int(dtype) == dtype == number
    assert str(dtype) == f"{dtype}" == name
    assert f"{dtype:>25}" == name.rjust(25)
    assert dtype.itemsize == itemsize
    assert dtype.bits == BITS.get(number, 0)
    assert dtype.needs_ml_dtypes == (number in NEED_ML_DTYPES)
    assert pickle.loads(pickle.dumps(dtype)) is dtype  # noqa: S301 - our own bytes


@each_row
def test_to_numpy(row: Row) -> None:
    number, _, itemsize, numpy_name = row
    if numpy_name == "-":
        with pytest.raises(tfckpt.UnsupportedError):
            to_numpy(BY_NUMBER[number])
        return
    if number in NEED_ML_DTYPES:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        expected = np.dtype(getattr(ml_dtypes, numpy_name))
    else:
        expected = np.dtype(numpy_name)
    found = to_numpy(BY_NUMBER[number])
    assert found == expected
    assert found.isnative
    assert found.itemsize == (itemsize or np.dtype(object).itemsize)
    assert to_numpy(BY_NUMBER[number]) is found


@pytest.mark.parametrize("number", [0, 34, 99, 100, 101, 133, 134, -1, 1 << 31])
def test_numbers_of_no_type(number: int) -> None:
    assert number not in BY_NUMBER
    assert all(dtype != number for dtype in DataType)


# Exact values, byte for byte: ends of ranges, signed zeros, subnormals, NaNs with a payload.
BYTES = {
    1: "00000080 01000000 ffff7f7f 0000807f 5634a27f 5634c2ff",
    2: "0000000000000080 0100000000000000 ffffffffffffef7f efcdab9078563ff0",
    8: "0000008001000000 5634a27fffff7f7f",
    14: "0080 0100 7f7f 807f a17f c2ff",
    18: "00000000000000800100000000000000",
    19: "0080 0100 ff7b 007c 017d 01fe",
    24: "00 80 01 7b 7c 7d fe ff",
    25: "00 80 01 7e 7f ff",
    26: "00 80 01 7f ff",
    27: "00 80 01 7f ff",
    28: "00 80 01 7f ff",
    29: "00 07 08 0f",
    30: "00 07 08 0f",
    31: "00 01 02 03",
    32: "00 01 02 03",
    33: "00 01 07 08 0f",
}


@pytest.mark.parametrize("number", BYTES)
def test_bits_are_kept(tmp_path: Path, number: int) -> None:
    if number in NEED_ML_DTYPES:
        pytest.importorskip("ml_dtypes")
    payload = bytes.fromhex(BYTES[number])
    count = len(payload) // BY_NUMBER[number].itemsize
    w.write_bundle(
        tmp_path / "p", {"odd": np.array([1], np.int8), "t": w.Raw(number, (count,), payload)}
    )
    for mmap in (True, False):
        with tfckpt.open(tmp_path / "p", mmap=mmap) as ckpt:
            for found in (ckpt["t"], ckpt.read("t")):
                assert found.dtype == to_numpy(BY_NUMBER[number])
                assert found.tobytes() == payload
            rows = [ckpt.read("t", rows=slice(i, i + 1)).tobytes() for i in range(count)]
            assert b"".join(rows) == payload


def test_narrow_values() -> None:
    pytest.importorskip("ml_dtypes")
    for number, values in ((29, [0, 7, -8, -1]), (31, [0, 1, -2, -1])):
        array = np.frombuffer(bytes.fromhex(BYTES[number]), to_numpy(BY_NUMBER[number]))
        assert array.astype(int).tolist() == values


WITHOUT = """
import sys
sys.modules["ml_dtypes"] = None
import tfckpt_reader as tfckpt
with tfckpt.open(sys.argv[1]) as ckpt:
    assert list(ckpt) == ["bf", "f", "i4", "s"]
    dtypes = [str(spec.dtype) for spec in ckpt.specs.values()]
    assert dtypes == ["bfloat16", "float32", "int4", "string"]
    assert ckpt["f"].tolist() == [1.5, 2.5]
    assert ckpt["s"].tolist() == [b"a"]
    for name in ("bf", "i4"):
        for read in (ckpt.__getitem__, ckpt.read):
            try:
                read(name)
            except tfckpt.UnsupportedError as error:
                assert "pip install" in str(error), str(error)
                assert error.tensor == name, error.tensor
            else:
                raise SystemExit(f"{name} was read")
        streamed = b"".join(bytes(piece) for piece in ckpt.reader.chunks(ckpt.specs[name]))
        assert streamed == {"bf": b"\\x80\\x3f", "i4": b"\\x07"}[name]
"""


def test_without_ml_dtypes(tmp_path: Path) -> None:
    """Everything else works, also the bytes of what NumPy does not know."""
    tensors: dict[str, w.Tensor] = {
        "bf": w.Raw(14, (1,), b"\x80\x3f"),
        "f": np.array([1.5, 2.5], np.float32),
        "i4": w.Raw(29, (1,), b"\xf7"),
        "s": w.Strings([b"a"], (1,)),
    }
    w.write_bundle(tmp_path / "p", tensors)
    root = str(Path(tfckpt.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path / "p")],
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_ml_dtypes_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that lacks the type is as good as none."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", types.ModuleType("ml_dtypes"))
    to_numpy.cache_clear()
    try:
        with pytest.raises(tfckpt.UnsupportedError, match="pip install"):
            to_numpy(DataType.INT2)
    finally:
        to_numpy.cache_clear()


def test_numpy_is_not_imported_by_the_table() -> None:
    code = "import sys, tfckpt_reader.tensor.dtypes; sys.exit('numpy' in sys.modules)"
    root = str(Path(tfckpt.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, check=True)
    assert importlib.util.find_spec("numpy") is not None
