"""Scans of numbers against NumPy and ml_dtypes, and the anomalies that are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import INTS, bundle, codes, only, poke, shown, v1

from tfckpt_reader import verify
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.verification.checks.numbers import FLOATS, Scan, anomalies, merge, scan
from tfckpt_reader.verification.report import Report

NAN, INF = float("nan"), float("inf")
each_float = pytest.mark.parametrize("dtype", FLOATS, ids=str)


def array_type(dtype: DataType) -> np.dtype[Any]:
    if dtype.needs_ml_dtypes:
        pytest.importorskip("ml_dtypes")
    return to_numpy(dtype)


def raw(array: Any) -> memoryview:
    return memoryview(np.ascontiguousarray(array).tobytes())


def values(report: Report) -> list[tuple[str, str | None]]:
    assert set(codes(report)) <= {f"TFC60{n}" for n in range(1, 6)}, shown(report)
    return [(problem.code, problem.tensor) for problem in report.problems]


def every_pattern(dtype: DataType) -> Any:
    """All patterns of a type of up to 16 bits; of others, a sample with all kinds in it."""
    kind = array_type(dtype)
    if kind.itemsize <= 2:
        return np.arange(1 << 8 * kind.itemsize, dtype=f"u{kind.itemsize}").view(kind)
    part = np.float32 if dtype in (DataType.FLOAT32, DataType.COMPLEX64) else np.float64
    edge = np.finfo(part)
    found = [0, -0.0, 1, -1, edge.tiny, edge.smallest_subnormal, edge.max, edge.min]
    found += [NAN, -NAN, INF, -INF, edge.tiny - edge.smallest_subnormal, 3, 4, 5]
    return np.array(found, part).view(kind)


# One number, some numbers, compared with NumPy.


@each_float
def test_every_pattern_alone(dtype: DataType) -> None:
    numbers = every_pattern(dtype)
    data, size = raw(numbers), numbers.itemsize
    # NumPy knows the least normal number of its own types, ml_dtypes that of the others.
    plain = numbers.dtype if dtype.numpy_name.startswith("float") and size > 1 else None
    with np.errstate(all="ignore"):
        nan, infinite, zero = np.isnan(numbers), np.isinf(numbers), numbers == 0
    step = 1 if len(numbers) <= 256 else 13  # 13 and 65,536 have no divisor in common
    for i in range(0, len(numbers), step):
        scanned = scan(data[i * size : (i + 1) * size], dtype)
        assert scanned.elements == 1
        assert (scanned.nan, scanned.infinite) == (nan[i], infinite[i]), numbers[i]
        assert (scanned.first >= 0) == (nan[i] or infinite[i])
        if not nan[i]:
            assert (scanned.largest == 0) == zero[i], numbers[i]
        if plain is not None and not (nan[i] or infinite[i]):
            least = np.finfo(plain).tiny
            assert (scanned.largest < FLOATS[dtype].least) == (abs(numbers[i]) < least)


@each_float
def test_the_limits_are_those_of_ml_dtypes(dtype: DataType) -> None:
    kind, bits = array_type(dtype), FLOATS[dtype]
    part = {DataType.COMPLEX64: np.float32, DataType.COMPLEX128: np.float64}.get(dtype, kind)
    finfo = pytest.importorskip("ml_dtypes").finfo(part)
    assert bits.size == np.dtype(part).itemsize

    def value(pattern: int) -> float:
        return float(np.array([pattern], f"u{bits.size}").view(part)[0])

    assert value(bits.largest) == float(finfo.max)
    assert value(bits.least) == float(finfo.smallest_normal)
    if bits.infinity > 0:
        assert value(bits.infinity) == INF
        assert np.isnan(value(bits.infinity + 1))


@each_float
def test_counts_of_many(dtype: DataType) -> None:
    numbers = every_pattern(dtype)
    scanned = scan(raw(numbers), dtype)
    with np.errstate(all="ignore"):
        nan, infinite = np.isnan(numbers), np.isinf(numbers)
    assert scanned.elements == numbers.size
    assert scanned.nan == np.count_nonzero(nan)
    assert scanned.infinite == np.count_nonzero(infinite)
    odd = np.flatnonzero(nan | infinite)
    part = FLOATS[dtype].size
    assert scanned.first // numbers.itemsize * numbers.itemsize == odd[0] * numbers.itemsize
    assert scanned.first % part == 0


def test_a_complex_number_counts_once() -> None:
    scanned = scan(
        raw(np.array([complex(NAN, NAN), complex(1, NAN), 2], np.complex64)), DataType.COMPLEX64
    )
    assert (scanned.elements, scanned.nan, scanned.first) == (3, 2, 0)


@each_float
def test_merged_scans_equal_one_scan(dtype: DataType) -> None:
    numbers = every_pattern(dtype)
    half = len(numbers) // 3 * numbers.itemsize
    data = raw(numbers)
    parts = [scan(data[:half], dtype), scan(data[half:], dtype, half)]
    assert merge(parts) == scan(data, dtype)
    assert merge([scan(data[:0], dtype), *parts]) == scan(data, dtype)


def test_of_nothing() -> None:
    assert merge([]) == scan(memoryview(b""), DataType.FLOAT32)
    assert merge([]).elements == 0


# Which of it is reported.


def codes_of(name: str, array: Any, dtype: DataType = DataType.FLOAT32) -> list[str]:
    return [code for code, _, _ in anomalies(name, dtype, array.shape, scan(raw(array), dtype))]


def test_anomalies_of_weights() -> None:
    grid = np.ones((3, 4), np.float32)
    assert codes_of("w", grid * np.arange(12).reshape(3, 4)) == []
    assert codes_of("w", grid * 0) == ["TFC603"]
    assert codes_of("w", grid) == ["TFC604"]
    assert codes_of("w", grid * NAN) == ["TFC601"]
    assert codes_of("w", grid * INF) == ["TFC602"]
    mixed = grid.copy()
    mixed[1, 1], mixed[2, 2] = NAN, -INF
    assert codes_of("w", mixed) == ["TFC601", "TFC602"]
    tiny = np.arange(12, dtype=np.float32).reshape(3, 4) * np.float32(1e-44)
    assert codes_of("w", tiny) == ["TFC605"]
    tiny[0, 0] = 1
    assert codes_of("w", tiny) == []


@pytest.mark.parametrize("shape", [(), (1,), (5,), (1, 5), (1, 1, 1, 5), (0, 3)])
def test_zeros_and_ones_are_how_biases_and_scales_begin(shape: tuple[int, ...]) -> None:
    assert codes_of("bias", np.zeros(shape, np.float32)) == []
    assert codes_of("gamma", np.ones(shape, np.float32)) == []
    if 0 not in shape:
        assert codes_of("gamma", np.full(shape, NAN, np.float32)) == ["TFC601"]


@pytest.mark.parametrize(
    "name",
    [
        "w/Adam", "w/Adam_1", "scope/w/Momentum", "w/RMSProp_1", "bert/w/adam_m", "bert/w/adam_v",
        "model/w/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE",
        "optimizer/_variables/3/.ATTRIBUTES/VARIABLE_VALUE", "decoder/w_slot_vc",
    ],
)  # fmt: skip
def test_zero_slots_of_frozen_weights_are_fine(name: str) -> None:
    assert codes_of(name, np.zeros((3, 4), np.float32)) == []
    assert codes_of(name, np.full((3, 4), NAN, np.float32)) == ["TFC601"]


@pytest.mark.parametrize(
    "name", ["adam", "Adam/w", "momentum_encoder/w", "w/Adamant", "model/optimizers"]
)
def test_other_names_are_weights(name: str) -> None:
    expected = [] if name == "Adam/w" else ["TFC603"]
    assert codes_of(name, np.zeros((3, 4), np.float32)) == expected


def test_numbers_in_words() -> None:
    def got(array: Any, dtype: DataType) -> str | None:
        (found,) = anomalies("w", dtype, array.shape, scan(raw(array), dtype))
        return found[2]

    for kind, dtype in ((np.float16, DataType.FLOAT16), (np.float64, DataType.FLOAT64)):
        assert got(np.full((2, 2), -0.5, kind), dtype) == "-0.5"
    assert got(np.full((2, 2), 0xBF00, np.uint16), DataType.BFLOAT16) == "-0.5"
    assert got(np.full((2, 2), 0x38, np.uint8), DataType.FLOAT8_E4M3FN) == "0x38"


# In checkpoints.


def test_only_floats_are_scanned(tmp_path: Path) -> None:
    tensors = {
        "i": np.zeros((3, 4), np.int32),
        "b": np.zeros((3, 4), bool),
        "step": np.zeros((), np.int64),
        "s": w.Strings([b"", b""], (2,)),
        "q": w.Raw(11, (2, 2), bytes(4)),
        "int4": w.Raw(29, (2, 2), bytes(4)),
    }
    assert codes(verify(bundle(tmp_path, tensors), level="values")) == []


@each_float
def test_every_type_is_scanned(dtype: DataType, tmp_path: Path) -> None:
    kind = array_type(dtype)
    numbers = np.ones(6, kind)
    numbers[4] = NAN
    tensor = w.Raw(int(dtype), (2, 3), numbers.tobytes())
    problem = only(verify(bundle(tmp_path, {"first": INTS, "t": tensor}), level="values"))
    assert (problem.code, problem.tensor) == ("TFC601", "t")
    assert problem.offset == INTS.nbytes + 4 * kind.itemsize
    assert problem.what == "1 of 6 elements is NaN"


@pytest.mark.parametrize("at", [0, CHUNK // 4 - 1, CHUNK // 4, 600_000])
def test_a_nan_is_found_wherever_it_lies(at: int, tmp_path: Path) -> None:
    numbers = np.arange(700_000, dtype=np.float32)
    numbers[at] = NAN
    problem = only(verify(bundle(tmp_path, {"t": numbers}), level="values"))
    assert (problem.code, problem.offset) == ("TFC601", 4 * at)
    assert problem.what == "1 of 700,000 elements is NaN"


def test_constant_over_more_than_one_chunk(tmp_path: Path) -> None:
    same = np.full((700, 1000), 2.5, np.float32)
    problem = only(verify(bundle(tmp_path, {"t": same}), level="values"))
    assert (problem.code, problem.got) == ("TFC604", "2.5")
    same[699, 999] = 2.25
    assert codes(verify(bundle(tmp_path, {"t": same}), level="values")) == []


def test_big_endian_numbers_are_turned(tmp_path: Path) -> None:
    # 1.0 the wrong way round is denormal.
    assert codes(verify(bundle(tmp_path, {"t": np.ones(5, np.float32)}, big_endian=True),
                        level="values")) == []  # fmt: skip
    bad = np.array([1, NAN, 3], np.float64)
    problem = only(verify(bundle(tmp_path, {"t": bad}, big_endian=True), level="values"))
    assert (problem.code, problem.offset) == ("TFC601", 8)


def test_without_a_header_no_number_is_known(tmp_path: Path) -> None:
    numbers = {"t": np.full((3, 4), NAN, np.float32)}
    report = verify(bundle(tmp_path, numbers, edit_rows=lambda rows: rows[1:]), level="values")
    assert codes(report) == ["TFC201"]


GRID = np.arange(12, dtype=np.float32).reshape(3, 4)
PIECES = [[(0, 2), (0, -1)], [(2, 1), (0, -1)]]


def test_a_tensor_in_slices_is_one(tmp_path: Path) -> None:
    """One slice of zeros is not zeros throughout; a NaN is told with the place of its slice."""
    part = GRID.copy()
    part[:2] = 0
    assert codes(verify(bundle(tmp_path, {"g": w.Sliced(part, PIECES)}), level="values")) == []
    zero = w.Sliced(GRID * 0, PIECES)
    problem = only(verify(bundle(tmp_path, {"g": zero}), level="values"))
    assert (problem.code, problem.what) == ("TFC603", "all 12 elements are zero")
    part[2, 1] = NAN
    problem = only(verify(bundle(tmp_path, {"g": w.Sliced(part, PIECES)}), level="values"))
    assert (problem.code, problem.offset) == ("TFC601", 4 * 9)


@pytest.mark.parametrize("at", [0, 40])
def test_a_damaged_tensor_is_not_scanned(at: int, tmp_path: Path) -> None:
    sliced = w.Sliced(GRID * 0, PIECES)
    prefix = poke(bundle(tmp_path, {"g": sliced, "h": GRID * 0}), ".data-00000-of-00001", at)
    assert [(p.code, p.tensor) for p in verify(prefix, level="values").problems] == [
        ("TFC401", "g"),
        ("TFC603", "h"),
    ]


def test_v1_slices(tmp_path: Path) -> None:
    bad = GRID.copy()
    bad[2, 1] = NAN
    tensors = {"g": w.Sliced(bad, PIECES), "z": w.Sliced(GRID * 0, PIECES), "i": INTS}
    found = values(verify(v1(tmp_path, tensors), level="values"))
    assert found == [("TFC601", "g"), ("TFC603", "z")]


def test_below_level_values_nothing_is_scanned(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"g": GRID * NAN})
    for level in ("index", "sizes", "data"):
        assert codes(verify(prefix, level=level)) == []
    assert values(verify(prefix, level="values")) == [("TFC601", "g")]
    assert verify(prefix, level="values").ok


def test_a_scan_is_small() -> None:
    assert all(isinstance(field, int) for field in scan(raw(GRID), DataType.FLOAT32))
    assert isinstance(merge([]), Scan)
