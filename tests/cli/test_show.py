"""The command ``show``: numbers, rows and strings of one tensor."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from commands import Done, Run, one_line, tensors
from defects import DATA, FLOATS, bundle, poke, v1_without_shard
from numpy.typing import NDArray


def shown(run: Run, prefix: Path, name: str, *more: str) -> dict[str, Any]:
    done = run("show", prefix, name, "--json", *more)
    assert done.code == 0, done.err
    document: dict[str, Any] = done.json
    assert document["schema"] == 1
    return document


NUMBERS: dict[str, NDArray[Any]] = {
    "floats": np.array([[1.5, -2.25], [np.nan, 8.0]], np.float32),
    "large": np.array([1.7e308, 1.7e308, -1.7e308, 1.7e308]),
    "halves": np.array([65504.0, 65504.0, -65504.0, np.inf], np.float16),
    "infinite": np.array([np.inf, -np.inf, np.nan, np.nan]),
    "one": np.array(7.5),
    "int64": np.array([-(1 << 63), (1 << 63) - 1]),
    "uint64": np.array([(1 << 64) - 1, 3], np.uint64),
    "int8": np.arange(-128, 128, dtype=np.int8),
    "many": np.linspace(-1, 1, 600_000).reshape(1000, 600),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_show_numbers(run: Run, name: str, tmp_path: Path) -> None:
    array = NUMBERS[name]
    document = shown(run, bundle(tmp_path, NUMBERS), name)
    exact = [int(v) if array.dtype.kind in "iu" else float(v) for v in array.flat]
    finite = [value for value in exact if math.isfinite(value)]
    assert document["nan"] == sum(map(math.isnan, exact))
    assert document["inf"] == sum(map(math.isinf, exact))
    assert document["min"] == min(finite, default=None)
    assert document["max"] == max(finite, default=None)
    if finite:
        mean = math.fsum(value / len(finite) for value in finite)
        assert document["mean"] == pytest.approx(mean, rel=1e-9, abs=1e-12)
    else:
        assert document["mean"] is None
    first = [value if math.isfinite(value) else str(value) for value in exact[:8]]
    assert document["first"] == first


@pytest.mark.parametrize("name", NUMBERS)
def test_show_prints_no_warning(run: Run, name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = run("show", bundle(tmp_path, NUMBERS), name)
    assert (done.code, done.err) == (0, "")


def facts(done: Done) -> dict[str, str]:
    """The lines of `show`: a word, and what follows it."""
    assert done.code == 0, done.err
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in done.lines}


def test_show_in_words(run: Run, tmp_path: Path) -> None:
    found = facts(run("show", bundle(tmp_path, NUMBERS), "floats"))
    assert found["name"] == "floats"
    assert found["dtype"] == "float32"
    assert found["shape"] == "[2, 2]"
    assert found["bytes"] == "16"
    assert (float(found["min"]), float(found["max"])) == (-2.25, 8.0)
    assert float(found["mean"]) == pytest.approx((1.5 - 2.25 + 8) / 3)
    assert (found["nan"], found["inf"]) == ("1", "0")
    assert found["first"] == "1.5 -2.25 nan 8"
    crc = f"{w.crc(NUMBERS['floats'].tobytes()):#010x}"
    assert found["stored"] == f"shard 0, offset 0, crc {crc}"
    longer = facts(run("show", tmp_path / "p", "int8"))
    assert longer["first"] == "-128 -127 -126 -125 -124 -123 -122 -121 …"
    assert (longer["min"], longer["max"]) == ("-128", "127")
    assert facts(run("show", tmp_path / "p", "one"))["shape"] == "scalar"


def test_show_of_nothing_finite(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {**NUMBERS, "empty": np.zeros((0, 3))})
    for name in ("infinite", "empty"):
        done = run("show", prefix, name)
        assert done.code == 0
        assert "None" not in done.out
    document = shown(run, prefix, "empty")
    assert (document["min"], document["mean"], document["nan"]) == (None, None, 0)
    assert document["first"] == []


def test_show_other_types(run: Run, tmp_path: Path) -> None:
    tensors = {
        "bool": np.array([True, False, True]),
        "strings": w.Strings([b"ab", b"\x1b\xff", b""], (3,)),
        "complex": np.array([3 + 4j, 0, complex(np.nan, 1)], np.complex64),
        "large": np.array([3e38 + 3e38j, complex(np.nan, np.inf), np.inf], np.complex64),
        "variant": w.Variants([(b"Type", b"m", [])], (1,)),
        "pieces": w.Sliced(np.arange(4), [[(0, 3)], [(3, 1)]]),
    }
    prefix = bundle(tmp_path, tensors)
    document = shown(run, prefix, "bool")
    assert (document["true"], document["false"]) == (2, 1)
    assert document["first"] == [True, False, True]
    document = shown(run, prefix, "strings")
    assert (document["longest"], document["shortest"]) == (2, 0)
    assert document["first"] == ["ab", "\x1b\\xff", ""]
    assert "\\x1b\\xff" in run("show", prefix, "strings").out
    document = shown(run, prefix, "complex")
    assert (document["max_abs"], document["min_abs"], document["nan"]) == (5.0, 0.0, 1)
    document = shown(run, prefix, "large")
    assert document["max_abs"] == pytest.approx(math.hypot(3e38, 3e38))
    assert (document["nan"], document["inf"]) == (1, 2)
    assert "Type" in run("show", prefix, "variant").out
    document = shown(run, prefix, "pieces")
    assert document["first"] == [0, 1, 2, 3]
    assert [piece["start"] for piece in document["slices"]] == [[0], [3]]
    assert "slice" in facts(run("show", prefix, "pieces"))


def test_show_types_that_numpy_lacks(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    tensors = {
        "bfloat16": w.Raw(14, (3,), np.array([0x3FC0, 0xC000, 0x7FC0], "<u2").tobytes()),
        "int4": w.Raw(29, (3,), b"\x08\x0f\x07"),
        "uint2": w.Raw(32, (2,), b"\x03\x01"),
        "float8_e4m3fn": w.Raw(25, (2,), b"\x7e\x7f"),
    }
    prefix = bundle(tmp_path, tensors)
    document = shown(run, prefix, "bfloat16")
    assert (document["min"], document["max"], document["nan"]) == (-2.0, 1.5, 1)
    assert document["first"] == [1.5, -2.0, "nan"]
    document = shown(run, prefix, "int4")
    assert document["first"] == [-8, -1, 7]
    assert (document["min"], document["max"]) == (-8, 7)
    assert facts(run("show", prefix, "int4"))["min"] == "-8"
    assert shown(run, prefix, "uint2")["max"] == 3
    document = shown(run, prefix, "float8_e4m3fn")
    assert (document["max"], document["nan"]) == (448.0, 1)


@pytest.mark.parametrize(
    ("rows", "found"),
    [("1:3", (1, 3)), (":2", (0, 2)), ("18:", (18, 20)), ("-2:", (18, 20)), (":", (0, 20)),
     ("5:2", (5, 5)), ("19:99", (19, 20)), ("0:1", (0, 1))],
)  # fmt: skip
def test_show_rows(run: Run, rows: str, found: tuple[int, int], tmp_path: Path) -> None:
    table = np.arange(40, dtype=np.float32).reshape(20, 2)
    prefix = bundle(tmp_path, {"t": table})
    document = shown(run, prefix, "t", f"--rows={rows}")
    part = table[found[0] : found[1]]
    assert np.array(document["values"]).reshape(-1, 2).tolist() == part.tolist()
    assert document["shape"] == [20, 2]
    if part.size:
        assert (document["min"], document["max"]) == (part.min(), part.max())
    done = run("show", prefix, "t", f"--rows={rows}")
    assert facts(done)["rows"] == f"{found[0]}:{found[1]}"
    printed = [line for line in done.lines if re.fullmatch(r"[\d. ]+", line)]
    assert [[float(number) for number in line.split()] for line in printed] == part.tolist()


def test_show_rows_of_vectors_and_strings(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"v": FLOATS, "s": w.Strings([b"a", b"b\n", b"c"], (3,))})
    assert shown(run, prefix, "v", "--rows", "1:3")["values"] == [-2.0, 3.0]
    assert run("show", prefix, "v", "--rows", "1:3").lines[-2:] == ["-2", "3"]
    assert run("show", prefix, "s", "--rows", "1:3").lines[-2:] == [r"b'b\n'", "b'c'"]


def test_show_impossible_rows(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"one": np.array(1.0), "v": FLOATS})
    done = run("show", prefix, "one", "--rows", "0:1")
    assert (done.code, done.out) == (2, "")
    assert "scalar" in one_line(done.err)
    for rows in ("3", "a:b", "1:2:3", "", "1.5:2"):
        done = run("show", prefix, "v", f"--rows={rows}")
        assert (done.code, done.out) == (2, "")
        assert "A:B" in done.err


def test_show_of_an_unknown_tensor(run: Run, tmp_path: Path) -> None:
    done = run("show", bundle(tmp_path, tensors()), "dense/kernal")
    assert (done.code, done.out) == (2, "")
    assert "dense/kernel" in one_line(done.err)


def test_show_of_a_damaged_tensor(run: Run, tmp_path: Path) -> None:
    prefix = poke(bundle(tmp_path), DATA, 1)
    for more in ([], ["--rows", "3:4"], ["--json"]):  # of which row 3 is sound
        done = run("show", prefix, "f", *more)
        assert (done.code, done.out) == (1, "")
        assert "'f'" in one_line(done.err)


def test_a_tensor_that_a_missing_shard_may_have(run: Run, tmp_path: Path) -> None:
    done = run("show", v1_without_shard(tmp_path), "gone")
    assert done.code == 2
    assert "shard 1 of 2 is missing" in done.err
