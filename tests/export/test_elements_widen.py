"""Types that NumPy lacks, as wider ones: every pattern of every type, exact to the bit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfckpt_reader.export.elements import widened
from tfckpt_reader.tensor.dtypes import DataType

ml_dtypes = pytest.importorskip("ml_dtypes", reason="the oracle of these tests")

BYTES = np.arange(256, dtype=np.uint8)
FLOAT8 = [d for d in DataType if str(d).startswith("float8")]
INTS = {DataType.INT4: 4, DataType.UINT4: 4, DataType.INT2: 2, DataType.UINT2: 2}


def wide(dtype: DataType, data: Any) -> NDArray[Any]:
    """What the converter makes of some bytes, as an array of its target type."""
    found = widened(dtype)
    assert found is not None
    target, convert = found
    piece = memoryview(data) if convert is None else convert(memoryview(data))
    # The writer counts len(piece) as bytes.
    assert (piece.format, piece.ndim, piece.nbytes) == ("B", 1, len(piece))
    return np.frombuffer(piece, np.dtype(target.numpy_name).newbyteorder("<"))


def same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Equal values, and equal signs: of zeros and of NaNs too."""
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", FLOAT8, ids=str)
def test_all_float8(dtype: DataType) -> None:
    stored = BYTES.view(getattr(ml_dtypes, dtype.numpy_name))
    found = wide(dtype, BYTES.tobytes())
    same(found, stored.astype(np.float32))
    back = found.astype(stored.dtype).view(np.uint8)
    numbers = ~np.isnan(found)
    np.testing.assert_array_equal(back[numbers], BYTES[numbers])


# From the papers that define them: the largest value, the smallest above zero, how many NaNs.
@pytest.mark.parametrize(
    ("dtype", "largest", "smallest", "nans", "infinities", "negative_zero"),
    [
        (DataType.FLOAT8_E5M2, 57344.0, 2.0**-16, 6, 2, True),
        (DataType.FLOAT8_E4M3FN, 448.0, 2.0**-9, 2, 0, True),
        (DataType.FLOAT8_E4M3FNUZ, 240.0, 2.0**-10, 1, 0, False),
        (DataType.FLOAT8_E4M3B11FNUZ, 30.0, 2.0**-13, 1, 0, False),
        (DataType.FLOAT8_E5M2FNUZ, 57344.0, 2.0**-17, 1, 0, False),
    ],
    ids=str,
)
def test_ranges_of_float8(
    dtype: DataType,
    largest: float,
    smallest: float,
    nans: int,
    infinities: int,
    negative_zero: bool,
) -> None:
    found = wide(dtype, BYTES.tobytes())
    finite = found[np.isfinite(found)]
    assert finite.max() == largest
    assert finite.min() == -largest
    assert finite[finite > 0].min() == smallest
    assert np.isnan(found).sum() == nans
    assert np.isinf(found).sum() == infinities
    assert (np.signbit(finite) & (finite == 0)).any() == negative_zero


def test_float4() -> None:
    # OCP microscaling formats: E2M1.
    magnitudes = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    expected = np.array(magnitudes + [-m for m in magnitudes], np.float32)
    same(wide(DataType.FLOAT4_E2M1FN, bytes(range(16))), expected)
    stored = BYTES[:16].view(ml_dtypes.float4_e2m1fn)
    same(expected, stored.astype(np.float32))


def test_all_bfloat16() -> None:
    stored = np.arange(1 << 16, dtype="<u2")
    found = wide(DataType.BFLOAT16, stored.tobytes())
    np.testing.assert_array_equal(found.view("<u4"), stored.astype("<u4") << 16)
    native = stored.astype(np.uint16).view(ml_dtypes.bfloat16)
    same(found.astype(np.float32), native.astype(np.float32))


@pytest.mark.parametrize("dtype", INTS, ids=str)
def test_all_small_ints(dtype: DataType) -> None:
    count = 1 << INTS[dtype]
    found = wide(dtype, bytes(range(count)))
    half = count // 2
    signed = [*range(half), *range(-half, 0)]
    unsigned = list(range(count))
    is_signed = not str(dtype).startswith("u")
    assert found.dtype == (np.int8 if is_signed else np.uint8)
    assert found.tolist() == (signed if is_signed else unsigned)
    stored = BYTES[:count].view(getattr(ml_dtypes, dtype.numpy_name))
    assert [int(value) for value in stored] == found.tolist()


@pytest.mark.parametrize("dtype", DataType, ids=str)
def test_only_what_numpy_lacks_is_widened(dtype: DataType) -> None:
    assert (widened(dtype) is not None) == dtype.needs_ml_dtypes
    lacking = [*FLOAT8, *INTS, DataType.BFLOAT16, DataType.FLOAT4_E2M1FN]
    assert dtype.needs_ml_dtypes == (dtype in lacking)


@pytest.mark.parametrize("dtype", [*FLOAT8, *INTS, DataType.BFLOAT16], ids=str)
@pytest.mark.parametrize("make", [bytes, bytearray, lambda data: memoryview(b"?" + data)[1:]])
def test_any_buffer_will_do(dtype: DataType, make: Callable[[bytes], Any]) -> None:
    data = bytes([1, 0, 3, 2, 1, 1])
    expected = wide(dtype, data)
    np.testing.assert_array_equal(wide(dtype, make(data)), expected)
    assert wide(dtype, make(b"")).size == 0


def test_ml_dtypes_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = [d for d in DataType if d.needs_ml_dtypes]
    expected = {dtype: wide(dtype, bytes(range(16))).tobytes() for dtype in lacking}
    widened.cache_clear()
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert {dtype: wide(dtype, bytes(range(16))).tobytes() for dtype in lacking} == expected
