"""The command: what it prints, where, and the exit code; by `main()` and as a process."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from commands import NASTY, NASTY_BYTES, Done, Run, one_line, process
from defects import DATA, FLOATS, INDEX, bundle, poke, put
from numpy.typing import NDArray
from oracles import ORACLES, QUANTISED
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main, output
from tfckpt_reader.cli.describe.notation import size_text
from tfckpt_reader.export import Conversion
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.verification.codes import CODES, LEVELS


def tensors() -> dict[str, Any]:
    grid = np.arange(12, dtype=np.int16).reshape(3, 4)
    return {
        "bool": np.array([True, False]),
        "dense/bias": FLOATS,
        "dense/kernel": np.zeros((300, 200), np.float64),
        "empty": np.zeros((0, 2), np.int8),
        "pieces": w.Sliced(grid, [[(0, 2), (0, -1)], [(2, 1), (0, -1)]]),
        "scalar": np.array(3, np.int64),
        "words": w.Strings([b"ab", b"c"], (2,)),
    }


def test_ls(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, tensors(), shards=2))
    assert (done.code, done.err) == (0, "")
    expected = {
        "bool": ("bool", "[2]", "2 B"),
        "dense/bias": ("float32", "[4]", "16 B"),
        "dense/kernel": ("float64", "[300, 200]", "468.8 KiB"),
        "empty": ("int8", "[0, 2]", "0 B"),
        "pieces  (in 2 slices)": ("int16", "[3, 4]", "24 B"),
        "scalar": ("int64", "scalar", "8 B"),
        "words": ("string", "[2]", "9 B"),  # 2 lengths, 4 bytes of crc, 3 letters
    }
    found = [re.split(r" {2,}", line, maxsplit=3) for line in done.lines[:-1]]
    assert [tuple(parts) for parts in found] == [(*parts, name) for name, parts in expected.items()]
    total = 2 + 16 + 480_000 + 24 + 8 + 9
    assert done.lines[-1].startswith("7 tensors, ")
    for part in (f"{total:,} bytes", "V2", "2 shards"):
        assert part in done.lines[-1]


def test_ls_columns_are_aligned(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, tensors()))
    starts = {line.rindex(f"  {name}") for line, name in zip(done.lines, tensors(), strict=False)}
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        (["dense/*"], ["dense/bias", "dense/kernel"]),
        (["*s"], ["dense/bias", "pieces", "words"]),
        (["words", "b*"], ["bool", "words"]),
        (["Dense/*", "scalar"], ["scalar"]),
    ],
)
def test_ls_with_globs(run: Run, tmp_path: Path, globs: list[str], found: list[str]) -> None:
    prefix = bundle(tmp_path, tensors())
    done = run("ls", prefix, *globs, "--json")
    assert done.code == 0
    assert [tensor["name"] for tensor in done.json["tensors"]] == found
    assert run("ls", prefix, *globs).lines[-1].startswith(f"{len(found)} tensor")


def test_ls_takes_globs_behind_options(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    for arguments in (
        ["--json", "b*", "w*"],
        ["b*", "--json", "w*"],
        ["--sort", "name", "b*", "w*", "--json"],
    ):
        done = run("ls", prefix, *arguments)
        assert done.code == 0, done.err
        assert [tensor["name"] for tensor in done.json["tensors"]] == ["bool", "words"]


def test_ls_with_a_glob_for_nothing(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, tensors()), "x*")
    assert (done.code, done.out) == (2, "")
    assert "x*" in one_line(done.err)


def test_ls_by_size(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    sizes = [t["bytes"] for t in run("ls", prefix, "--sort", "size", "--json").json["tensors"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 480_000
    by_line = run("ls", prefix, "--sort", "size")
    assert by_line.lines[0].endswith("dense/kernel")
    assert by_line.lines[-2].endswith("empty")
    same = dict.fromkeys("cab", FLOATS)
    names = [line[-1] for line in run("ls", bundle(tmp_path, same), "--sort", "size").lines[:-1]]
    assert names == ["a", "b", "c"]


def test_ls_json(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    document = run("ls", prefix, "--json").json
    assert next(iter(document)) == "schema"
    assert {**document, "tensors": None} == {
        "schema": 1,
        "path": str(prefix),
        "version": "V2",
        "shards": 1,
        "bytes": 480_059,
        "notes": [],
        "tensors": None,
    }
    by_name = {tensor.pop("name"): tensor for tensor in document["tensors"]}
    assert list(by_name) == list(tensors())
    assert by_name["dense/bias"] == {
        "dtype": "float32",
        "shape": [4],
        "bytes": 16,
        "shard": 0,
        "offset": 2,
        "crc32c": w.crc(FLOATS.tobytes()),
    }
    assert by_name["scalar"]["shape"] == []
    pieces = by_name["pieces"]
    assert (pieces["shard"], pieces["offset"], pieces["crc32c"]) == (None, None, None)
    assert [(s["start"], s["shape"], s["bytes"]) for s in pieces["slices"]] == [
        ([0, 0], [2, 4], 16),
        ([2, 0], [1, 4], 8),
    ]


def test_ls_of_v1(run: Run, tmp_path: Path) -> None:
    w.write_v1(tmp_path / "v1", {"f": FLOATS, "s": w.Strings([b"ab"], (1,))})
    done = run("ls", tmp_path / "v1")
    assert done.code == 0
    assert "V1" in done.lines[-1]
    assert "unknown size" in done.lines[-1]  # of the strings: the index does not say
    by_name = {t["name"]: t for t in run("ls", tmp_path / "v1", "--json").json["tensors"]}
    assert by_name["f"]["bytes"] == 16
    assert by_name["s"]["bytes"] is None


def test_ls_of_nothing(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, {}))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("0 tensors, 0 B")


@pytest.mark.parametrize("folder", [name for name in ORACLES if name != "many_blocks"])
def test_ls_of_the_fixtures(run: Run, folder: str) -> None:
    for checkpoint in ORACLES[folder]["checkpoints"]:
        document = run("ls", FIXTURES / folder / checkpoint["prefix"], "--json").json
        found = {t["name"]: (t["dtype"], t["shape"]) for t in document["tensors"]}
        variables = checkpoint["variables"].items()
        assert found == {name: (record["dtype"], record["shape"]) for name, record in variables}


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    return bundle(tmp_path, dict.fromkeys(NASTY_BYTES, FLOATS))  # type: ignore[arg-type]


def test_ls_escapes_names(run: Run, nasty: Path) -> None:
    done = run("ls", nasty)
    assert len(done.lines) == len(NASTY_BYTES) + 1
    assert all(line.isprintable() for line in done.lines)
    for part in ("\\x1b[31mred", "b\\nnew line", "c\\rback", "\\u202e", "\\u200f", "\\udcff"):
        assert part in done.out


def test_json_has_names_as_they_are(run: Run, nasty: Path) -> None:
    done = run("ls", nasty, "--json")
    assert done.out.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.out)
    names = [t["name"].encode("utf-8", "surrogateescape") for t in done.json["tensors"]]
    assert names == sorted(NASTY_BYTES)


def test_every_command_escapes_names(run: Run, nasty: Path, tmp_path: Path) -> None:
    outputs = [run("show", nasty, name) for name in NASTY]
    poke(nasty, DATA, 0)
    outputs += [run("show", nasty, NASTY[0]), run("verify", nasty), run("show", nasty, "\x1b[0m")]
    outputs += [run("convert", nasty, tmp_path / "out.npz"), run("ls", nasty, "\x1b[0m*")]
    outputs += [run("ls", tmp_path / "no\x1b[31m"), run("convert", nasty, tmp_path / "\x1b.npz")]
    for done in outputs:
        assert all(line.isprintable() for line in [*done.lines, *done.err.splitlines()])
        assert done.out + done.err


def test_notes_are_escaped(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    bundle(folder)
    done = run("ls", folder)
    assert done.code == 0
    assert "note: " in one_line(done.err)


def test_names_that_an_encoding_lacks() -> None:
    prefix = FIXTURES / "strings" / "model.ckpt"  # a name of three alphabets
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    for more in ([], ["--json"]):
        done = process("ls", prefix, *more, environment=plain)
        assert (done.code, done.err) == (0, "")
        assert done.out.isascii()
    full = process("ls", prefix)
    assert not full.out.isascii()
    assert len(full.lines) == len(ORACLES["strings"]["checkpoints"][0]["variables"]) + 1


def test_path_that_an_encoding_lacks(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    folder = tmp_path / "имя"
    folder.mkdir()
    bundle(folder)
    assert process("ls", folder / "p", environment=plain).code == 0
    done = process("ls", folder / "no", environment=plain)
    assert done.code == 2
    assert one_line(done.err)


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


def test_show_rows_that_cannot_be(run: Run, tmp_path: Path) -> None:
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


def test_verify(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    done = run("verify", prefix)
    assert (done.code, done.err) == (0, "")
    assert done.lines == [f"{prefix}: sound (4 tensors, 40 bytes checked)"]
    poke(prefix, DATA, 1)
    done = run("verify", prefix)
    assert (done.code, done.err) == (1, "")
    problem, *_, total = done.lines
    assert problem.startswith("error TFC401 crc: ")
    assert "'f'" in problem
    assert total == f"{prefix}: 1 error (4 tensors, 24 bytes checked)"


def test_verify_json(run: Run, tmp_path: Path) -> None:
    prefix = poke(bundle(tmp_path), DATA, 1)
    done = run("verify", prefix, "--json")
    assert done.code == 1
    (problem,) = done.json["problems"]
    assert done.json["schema"] == 1
    assert (done.json["path"], done.json["version"], done.json["ok"]) == (str(prefix), "V2", False)
    assert (done.json["tensors"], done.json["bytes"]) == (4, 24)
    assert set(problem) == {field.name for field in fields(tfckpt.Problem)}
    assert (problem["code"], problem["severity"], problem["tensor"]) == ("TFC401", "error", "f")
    assert (problem["file"], problem["offset"]) == (f"{prefix}{DATA}", 0)


def test_verify_levels(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"g": np.full((2, 2), np.nan, np.float32)})
    for level, strict in (("index", 0), ("sizes", 0), ("data", 0), ("values", 1)):
        done = run("verify", prefix, "--level", level, "--json")
        assert (done.code, done.json["level"], done.json["ok"]) == (0, level, True)
        assert run("verify", prefix, "--level", level, "--strict").code == strict
    assert run("verify", prefix, "--json").json["level"] == "data"
    assert run("verify", prefix, "--level", "all").code == 2
    poke(prefix, DATA, 1)
    codes = [run("verify", prefix, "--level", level).code for level in LEVELS]
    assert codes == [0, 0, 1, 1]


def test_verify_says_what_happened_before_it_sums_up(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    os.truncate(f"{prefix}{DATA}", 20)
    *_, diagnosis, total = run("verify", prefix).lines
    assert diagnosis.startswith(f"diagnosis: {prefix}{DATA}: it ends 20 bytes early")
    assert total.startswith(f"{prefix}: ")
    assert run("verify", prefix, "--json").json["diagnosis"] == [diagnosis[11:]]
    assert run("verify", bundle(tmp_path), "--json").json["diagnosis"] == []


@pytest.mark.parametrize(("filler", "code"), [(b"\0", 0), (b"x", 1)])
def test_verify_of_padding(run: Run, filler: bytes, code: int, tmp_path: Path) -> None:
    tensors = {"a": np.array([1], np.int8), "b": FLOATS}
    prefix = bundle(tmp_path, tensors, alignment=16, filler=filler)
    assert run("verify", prefix).code == code
    document = run("verify", prefix, "--json").json
    assert document["ok"] == (code == 0)
    assert [p["code"] for p in document["problems"]] == ["TFC304" if code else "TFC305"]


def test_verify_strictly(run: Run, tmp_path: Path) -> None:
    """A warning is no error, unless asked for; a remark never is."""
    warned = put(tmp_path, w.bundle_files({b"\xff": FLOATS}))
    assert run("verify", warned).code == 0
    assert run("verify", warned, "--strict").code == 1
    assert run("verify", warned, "--strict", "--json").json["ok"] is True
    padded = bundle(tmp_path, {"a": np.array([1], np.int8), "b": FLOATS}, alignment=16)
    assert run("verify", padded, "--strict").code == 0


@pytest.mark.parametrize("code", CODES)
def test_explain(run: Run, code: str) -> None:
    done = run("verify", "--explain", code.lower())
    assert (done.code, done.err) == (0, "")
    assert run("verify", "--explain", CODES[code].name).out == done.out
    (line,) = done.lines
    kind = CODES[code]
    assert line.startswith(f"{code} {kind.name}, {kind.severity}: ")
    assert kind.meaning in line
    assert kind.cure in line
    assert line.endswith(f"Found at level {kind.level}.")


def test_explain_all_and_none(run: Run) -> None:
    assert [line.split()[0] for line in run("verify", "--explain").lines] == list(CODES)
    done = run("verify", "--explain", "TFC000")
    assert (done.code, done.out) == (2, "")
    assert "TFC000" in done.err
    assert "TFC101" in done.err


def test_verify_of_very_much_damage(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {f"t{i:03d}": FLOATS for i in range(200)})
    Path(f"{prefix}{DATA}").write_bytes(bytes(200 * 16))
    done = run("verify", prefix)
    assert done.code == 1
    assert len(done.lines) < 60
    told = sum(line.startswith("error") for line in done.lines)
    more, *_, total = done.lines[told:]
    assert f"{200 - told} more" in more
    assert "--json" in more
    assert "200 errors" in total
    assert len(run("verify", prefix, "--json").json["problems"]) == 200


def test_verify_says_once_what_a_code_means(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tail=b"?")
    poke(prefix, DATA, 1)
    poke(prefix, DATA, 17)
    *problems, tail, damage, diagnosis, _ = run("verify", prefix).lines
    assert diagnosis.startswith("diagnosis: ")
    assert [line.split()[1] for line in problems] == ["TFC306", "TFC401", "TFC401"]
    for line, code in ((damage, "TFC401"), (tail, "TFC306")):
        assert line.startswith(code)
        assert CODES[code].meaning in line
        assert CODES[code].cure in line


def test_convert(run: Run, tmp_path: Path) -> None:
    prefix, target = bundle(tmp_path), tmp_path / "out.npz"
    done = run("convert", prefix, target)
    assert (done.code, done.err) == (0, "")
    assert len(done.lines) == 1
    assert done.lines[0].startswith(f"wrote {target}: 4 tensors, ")
    with np.load(target) as found:
        assert sorted(found.files) == ["f", "i", "s", "zero"]


def test_convert_options(run: Run, tmp_path: Path) -> None:
    prefix, target = bundle(tmp_path, tensors()), tmp_path / "out.npz"
    chosen = ["--include", "dense/*", "--include", "b*", "--exclude", "*kernel", "--exclude", "x"]
    assert run("convert", prefix, target, *chosen).code == 0
    with np.load(target) as found:
        assert sorted(found.files) == ["bool", "dense/bias"]
    again = run("convert", prefix, target)
    assert (again.code, again.out) == (2, "")
    assert "--force" in one_line(again.err)
    assert run("convert", prefix, target, "--force").code == 0
    with np.load(target) as found:
        assert sorted(found.files) == sorted(tensors())


def test_convert_raw(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"b": w.Raw(14, (1,), b"\xc0\x3f")})
    for more, expected in (((), 1.5), (("--raw",), 0x3FC0)):
        assert run("convert", prefix, tmp_path / "out.npz", "--force", *more).code == 0
        with np.load(tmp_path / "out.npz") as found:
            assert found["b"].tolist() == [expected]


def test_convert_with_what_cannot_be_stored(run: Run, tmp_path: Path) -> None:
    tensors = {"f": FLOATS, "/abs": FLOATS, "v": w.Variants([(b"T", b"", [])], ())}
    prefix, target = bundle(tmp_path, tensors), tmp_path / "out.npz"
    done = run("convert", prefix, target)
    assert (done.code, done.out) == (1, "")
    line = one_line(done.err)
    for part in ("'/abs'", "'v'", "--skip-unsupported"):
        assert part in line
    assert not target.exists()
    done = run("convert", prefix, target, "--skip-unsupported")
    assert done.code == 1
    assert sorted(line.split(":")[0] for line in done.lines[:-1]) == ["skipped /abs", "skipped v"]
    assert "1 tensor," in done.lines[-1]
    with np.load(target) as found:
        assert found.files == ["f"]


def test_convert_says_what_it_leaves_out(run: Run, tmp_path: Path) -> None:
    tensors = {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"x"], ()), "s": w.Strings([b"a\0"], (1,))}
    done = run("convert", bundle(tmp_path, tensors), tmp_path / "out.npz")
    assert done.code == 0
    notes = [line for line in done.err.splitlines() if line.startswith("tfckpt: note: ")]
    assert len(notes) == len(done.err.splitlines()) == 2
    assert any("1 tensor left out" in note and OBJECT_GRAPH in note for note in notes)
    assert any("s/__bytes__" in note and "s/__offsets__" in note for note in notes)


def test_convert_json(run: Run, tmp_path: Path) -> None:
    tensors = {"f": FLOATS, "v": w.Variants([(b"T", b"", [])], ())}
    target = tmp_path / "out.npz"
    done = run("convert", bundle(tmp_path, tensors), target, "--json", "--skip-unsupported")
    assert done.code == 1
    names = {field.name for field in fields(Conversion)}
    assert set(done.json) == {"schema", "bytes", *names} - {"nbytes"}
    assert done.json["path"] == str(target)
    assert done.json["written"] == ["f"]
    assert list(done.json["skipped"]) == ["v"]
    assert done.json["bytes"] == 16


def test_convert_of_damage(run: Run, tmp_path: Path) -> None:
    done = run("convert", poke(bundle(tmp_path), DATA, 1), tmp_path / "out.npz")
    assert (done.code, done.out) == (1, "")
    assert "'f'" in one_line(done.err)
    assert not (tmp_path / "out.npz").exists()


def test_convert_with_a_missing_shard(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    Path(f"{prefix}{DATA}").unlink()
    done = run("convert", prefix, tmp_path / "out.npz")
    assert (done.code, done.out) == (2, "")
    assert f"p{DATA}" in one_line(done.err)


@pytest.mark.parametrize("name", ["no/such/out.npz", "out.txt", "out", "folder.npz"])
def test_convert_to_where_it_cannot(run: Run, name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    done = run("convert", bundle(tmp_path), tmp_path / name, "--force")
    assert (done.code, done.out) == (2, "")
    line = one_line(done.err)
    assert name.partition("/")[0] in line
    assert "unfinished" not in line


def test_convert_with_a_full_disk(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = run("convert", bundle(tmp_path), tmp_path / "out.npz")
    assert (done.code, done.out) == (2, "")
    line = one_line(done.err)
    assert "No space left" in line
    assert "out.npz" in line
    assert "unfinished" not in line


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


TORCH = b"PK\x03\x04" + bytes(22) + b"\x10\0\0\0archive/data.pkl" + bytes(100)


def as_file(contents: bytes) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / "x").write_bytes(contents)
        return folder / "x"

    return build


def as_index(contents: bytes) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / f"p{INDEX}").write_bytes(contents)
        (folder / f"p{DATA}").write_bytes(b"")
        return folder / "p"

    return build


def several(folder: Path) -> Path:
    for name in ("one", "two"):
        w.write_bundle(folder / name, {"f": FLOATS})
    return folder


def state(text: str) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / "checkpoint").write_text(text, encoding="utf-8")
        return folder / "checkpoint"

    return build


def orbax(folder: Path) -> Path:
    (folder / "_CHECKPOINT_METADATA").write_text("{}")
    return folder


def lost_index(folder: Path) -> Path:
    prefix = bundle(folder)
    Path(f"{prefix}{INDEX}").unlink()
    return prefix


def saved_model_without_variables(folder: Path) -> Path:
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    return folder


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x")
    return folder / "x"


# What is there, the exit code, and a word of the line that says so.
BAD_PATHS: dict[str, tuple[Callable[[Path], Path | str], int, str]] = {
    "missing": (lambda folder: folder / "no", 2, "no checkpoint"),
    "missing folder": (lambda folder: folder / "no" / "p", 2, "no folder"),
    "empty folder": (lambda folder: folder, 2, "no checkpoint in this folder"),
    "several": (several, 2, "2 checkpoints"),
    "no index": (lost_index, 2, "index"),
    "state that names nothing there": (state('model_checkpoint_path: "gone"'), 2, "gone"),
    "SavedModel without variables": (saved_model_without_variables, 2, "variables"),
    "Orbax": (orbax, 2, "Orbax"),
    "url": (lambda _: "s3://bucket/p", 2, "s3://"),
    "web page": (as_file(b"<!DOCTYPE html><html>"), 1, "HTML"),
    "LFS pointer": (as_file(LFS), 1, "12,345 bytes"),
    "PyTorch": (as_file(TORCH), 1, "PyTorch"),
    "HDF5": (as_file(b"\x89HDF\r\n\x1a\n"), 1, "HDF5"),
    "npz": (as_file(b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy"), 1, "npz"),
    "empty file": (as_file(b""), 1, "empty"),
    "junk": (as_file(bytes(range(256))), 1, "no checkpoint"),
    "index is a web page": (as_index(b"<html>"), 1, "HTML"),
    "index is an LFS pointer": (as_index(LFS), 1, "git lfs pull"),
    "index is empty": (as_index(b""), 1, "empty"),
    "index is zeros": (as_index(bytes(500)), 1, "zero bytes"),
    "damaged state file": (state("model_checkpoint_path: unquoted"), 1, "checkpoint"),
    "damaged index": (lambda folder: poke(bundle(folder), INDEX, 3), 1, "crc"),
}


if hasattr(os, "mkfifo"):
    BAD_PATHS["pipe"] = (pipe, 2, "not a regular file")


@pytest.mark.parametrize("kind", BAD_PATHS)
@pytest.mark.parametrize("command", ["ls", "show", "convert"])
def test_bad_path(run: Run, kind: str, command: str, tmp_path: Path) -> None:
    build, code, word = BAD_PATHS[kind]
    more: dict[str, list[object]] = {"show": ["f"], "convert": [tmp_path / "out.npz"]}
    done = run(command, build(tmp_path), *more.get(command, []))
    assert (done.code, done.out) == (code, "")
    assert word in one_line(done.err)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("kind", BAD_PATHS)
def test_bad_path_in_verify(run: Run, kind: str, tmp_path: Path) -> None:
    """What is there and wrong is a finding, on stdout; what is not there is none."""
    build, code, word = BAD_PATHS[kind]
    path = build(tmp_path)
    done = run("verify", path)
    assert done.code == code
    if code == 2:
        assert done.out == ""
        assert word in one_line(done.err)
        return
    assert done.err == ""
    problem, *_, total = done.lines
    assert problem.startswith("error TFC")
    assert word in problem
    assert "1 error" in total
    document = run("verify", path, "--json").json
    assert (document["ok"], len(document["problems"])) == (False, 1)


def test_several_and_the_latest(run: Run, tmp_path: Path) -> None:
    several(tmp_path)
    os.utime(tmp_path / f"two{INDEX}", (1, 1))
    w.write_bundle(tmp_path / "one", {"newest": FLOATS})
    line = one_line(run("ls", tmp_path).err)
    for part in ("--latest", "one", "two"):
        assert part in line
    commands: list[Sequence[object]] = [
        ("ls", tmp_path),
        ("verify", tmp_path),
        ("show", tmp_path, "newest"),
        ("convert", tmp_path, tmp_path / "out.npz"),
    ]
    for command in commands:
        done = run(*command, "--latest")
        assert done.code == 0, done.err
        assert str(tmp_path / "one") in done.err, "says which it took"


def test_what_was_assumed_is_said(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    for command in (["ls"], ["verify"], ["show", "f"], ["convert", str(tmp_path / "out.npz")]):
        done = run(command[0], f"{prefix}{DATA}", *command[1:])
        assert done.code == 0
        assert done.err.startswith("tfckpt: note: ")
        assert str(prefix) in done.err
        assert "note" not in done.out
    for command in (["ls"], ["verify"], ["show", "f"], ["convert", str(tmp_path / "2.npz")]):
        notes = run(command[0], f"{prefix}{INDEX}", *command[1:], "--json").json["notes"]
        assert [str(prefix) in note for note in notes] == [True]


def test_folder_with_glob_characters(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*?"
    folder.mkdir()
    assert run("ls", bundle(folder)).code == 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["ls"], ["show", "p"], ["convert", "p"], ["frob", "p"], ["ls", "p", "--sort", "colour"],
     ["verify", "p", "--frob"], ["verify", "p", "--json", "q"], ["ls", "p", "--json", "--frob"],
     ["show", "p", "n", "--rows", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_call(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: tfckpt")
    assert "GLOB" not in done.err.splitlines()[-1]  # of which none is needed


@pytest.mark.parametrize("command", ["ls", "show", "verify", "convert"])
def test_help(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    for option in ("--json", "--latest", "--debug"):
        assert option in done.out
    assert command in run("--help").out


def test_arguments_come_from_the_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tfckpt", "ls", str(bundle(tmp_path))])
    assert main() == 0
    assert "4 tensors" in capsys.readouterr().out


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = process("ls", tmp_path / "no", "--debug")
    assert "Traceback" in done.err
    assert "CheckpointNotFoundError" in done.err
    assert done.code == 2
    assert process("ls", poke(bundle(tmp_path), INDEX, 3), "--debug").code == 1


def test_interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfckpt_reader.cli.ls.run", interrupt)
    done = run("ls", bundle(tmp_path))
    assert done.code == 128 + signal.SIGINT
    assert "interrupted" in one_line(done.err)


def test_the_command_is_installed() -> None:
    text = (FIXTURES.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.scripts]\ntfckpt = "tfckpt_reader.cli:main"\n' in text
    script = shutil.which("tfckpt", path=str(Path(sys.executable).parent))
    if script is not None:
        done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"tfckpt {tfckpt.__version__}\n"


def test_as_a_process(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    listed = process("ls", prefix)
    assert (listed.code, listed.err) == (0, "")
    assert listed.lines[-1].startswith("4 tensors")
    assert process("verify", prefix).code == 0
    assert process("verify", poke(prefix, DATA, 1)).code == 1
    missing = process("verify", tmp_path / "no")
    assert (missing.code, missing.out) == (2, "")
    assert one_line(missing.err)


@pytest.mark.parametrize("more", [["ls"], ["ls", "--json"]], ids=" ".join)
def test_quiet_when_the_pipe_closes(more: list[str]) -> None:
    path = FIXTURES / "many_blocks" / "model.ckpt"
    command = [sys.executable, "-m", "tfckpt_reader", more[0], str(path), *more[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_quiet_when_nobody_reads_at_all(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    for arguments in (["ls", str(prefix)], ["ls", str(tmp_path / "no")]):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "tfckpt_reader", *arguments]
        both = subprocess.run(command, stdout=writer, stderr=writer, check=False)
        only = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert both.returncode == only.returncode == (2 if arguments[1].endswith("no") else 0)
        assert b"Traceback" not in only.stderr
        assert b"Exception" not in only.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams")
@pytest.mark.parametrize(("closed", "name", "code"), [(1, "p", 0), (2, "p", 0), (2, "no", 2)])
def test_streams_that_are_closed(closed: int, name: str, code: int, tmp_path: Path) -> None:
    bundle(tmp_path)
    command = [sys.executable, "-m", "tfckpt_reader", "ls", str(tmp_path / name)]
    shell = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert ("4 tensors" in done.stdout) == (name == "p" and closed == 2)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_stdout_that_is_full(unbuffered: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tfckpt_reader", "ls", str(bundle(tmp_path))]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment
        )
    assert done.returncode == 2
    assert "No space left" in one_line(done.stderr.decode())


ASKED_OF_RICH = ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Variables by which a user overrules what a terminal is."""


class Terminal:
    """Run the command with some of its streams on a terminal of its own."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns

    def run(self, code: str, *, stdout: bool, stderr: bool, **environment: str) -> tuple[str, str]:
        """What came over the terminal, and what through the pipe of the other stream."""
        pty = pytest.importorskip("pty", reason="no terminals here")
        import fcntl
        import struct
        import termios

        ours, theirs = pty.openpty()
        size = struct.pack("HHHH", 24, self.columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        env = {k: v for k, v in os.environ.items() if k not in ASKED_OF_RICH}
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=theirs if stdout else subprocess.PIPE,
            stderr=theirs if stderr else subprocess.PIPE,
            env={**env, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
        ) as child:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    part = os.read(ours, 1 << 16)
                except OSError:  # Linux: the other side is closed
                    break
                if not part:
                    break
                shown += part
            os.close(ours)
            piped = b"".join(s.read() for s in (child.stdout, child.stderr) if s is not None)
        return shown.decode().replace("\r\n", "\n"), piped.decode()


def calling(*arguments: object, patience: float | None = None, before: str = "") -> str:
    """Code that runs the command, with another patience for progress, and prints its exit code."""
    lines = ["import sys", before, "from tfckpt_reader.cli import main, output"]
    if patience is not None:
        lines.append(f"output._PATIENCE = {patience}")
    return "\n".join([*lines, f"sys.exit(main({[str(a) for a in arguments]!r}))"])


@pytest.fixture
def sizeable(tmp_path: Path) -> Path:
    """Some megabytes: progress is told more than once."""
    return bundle(tmp_path, {f"t{i}": np.zeros(1 << 21, np.uint8) for i in range(4)})


@pytest.mark.parametrize("command", ["verify", "convert"])
def test_progress_on_a_terminal(command: str, sizeable: Path) -> None:
    pytest.importorskip("rich")
    out = [sizeable.parent / "out.npz"] if command == "convert" else []
    code = calling(command, sizeable, *out, patience=0)
    shown, piped = Terminal().run(code, stdout=False, stderr=True)
    assert command in shown
    assert "MiB" in shown
    assert "\x1b[" in shown
    assert "\x1b" not in piped
    assert len(piped.splitlines()) == 1
    assert shown.rstrip("\n").endswith(("\x1b[2K", "\x1b[?25h")), "the bar is wiped away"


@pytest.mark.parametrize("command", ["verify", "convert"])
def test_no_progress_in_a_pipe(command: str, sizeable: Path) -> None:
    out = [sizeable.parent / "out.npz"] if command == "convert" else []
    code = calling(command, sizeable, *out, patience=0)
    shown, piped = Terminal().run(code, stdout=True, stderr=False)
    assert piped == ""
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1


def test_no_progress_for_quick_work(sizeable: Path) -> None:
    shown, _ = Terminal().run(calling("verify", sizeable, patience=60), stdout=False, stderr=True)
    assert shown == ""
    assert output._PATIENCE == 1.0  # "anything over a second"


def test_no_progress_without_rich(sizeable: Path) -> None:
    code = calling("verify", sizeable, patience=0, before="sys.modules['rich'] = None")
    shown, piped = Terminal().run(code, stdout=False, stderr=True)
    assert shown == ""
    assert "sound" in piped


def test_progress_without_colour(sizeable: Path) -> None:
    pytest.importorskip("rich")
    code = calling("verify", sizeable, patience=0)
    shown, _ = Terminal().run(code, stdout=False, stderr=True, NO_COLOR="1")
    assert "verify" in shown
    assert not re.search(r"\x1b\[[\d;]*(3[0-7]|38|9[0-7])[\d;]*m", shown)


def test_progress_is_wiped_before_an_error(sizeable: Path) -> None:
    pytest.importorskip("rich")
    poke(sizeable, DATA, -1)
    code = calling("convert", sizeable, sizeable.parent / "out.npz", patience=0)
    shown, _ = Terminal().run(code, stdout=False, stderr=True)
    last = shown.rstrip("\n").splitlines()[-1]
    assert "tfckpt: " in last
    assert "crc does not match" in shown


@pytest.mark.parametrize("columns", [10, 200])
def test_lines_do_not_depend_on_the_terminal(columns: int, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    plain = process("ls", prefix).out
    shown, piped = Terminal(columns).run(calling("ls", prefix), stdout=True, stderr=True)
    assert shown == plain
    assert piped == ""


def test_narrow_terminal_with_progress(sizeable: Path) -> None:
    code = calling("verify", sizeable, patience=0)
    shown, piped = Terminal(8).run(code, stdout=False, stderr=True)
    assert "Traceback" not in shown
    assert "sound" in piped


def test_progress_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the first second, then a bar that is updated."""
    rich = pytest.importorskip("rich.progress")
    now, updates = [100.0], []

    class Bar:
        def __init__(self, *_: object, **__: object) -> None:
            updates.append("made")

        def start(self) -> None:
            updates.append("started")

        def stop(self) -> None:
            updates.append("stopped")

        def add_task(self, *_: object, **__: object) -> int:
            return 1

        def update(self, _: int, *, completed: int, total: int) -> None:
            updates.append(f"{completed}/{total}")

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(rich, "Progress", Bar)
    with output.ProgressBar("work") as progress:
        progress(1, 10)
        now[0] += 0.9
        progress(2, 10)
        assert updates == []
        now[0] += 0.2
        progress(3, 10)
        progress(10, 10)
    assert updates == ["made", "started", "3/10", "10/10", "stopped"]


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"),
     (1_048_575, "1.0 MiB"), (5 << 30, "5.0 GiB"), (1 << 50, "1.0 PiB"), (1 << 62, "4096.0 PiB"),
     (None, "?")],
)  # fmt: skip
def test_size_text(nbytes: int | None, text: str) -> None:
    assert size_text(nbytes) == text


def test_quantised_types_keep_their_names(run: Run) -> None:
    document = run("ls", FIXTURES / "every_dtype" / "model.ckpt", "--json").json
    assert set(QUANTISED) <= {tensor["dtype"] for tensor in document["tensors"]}
