"""The command ``verify``: its lines, JSON, levels and explanations."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import writers as w
from commands import Run
from defects import DATA, FLOATS, bundle, poke, put

import tfckpt_reader as tfckpt
from tfckpt_reader.verification.codes import CODES, LEVELS


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


def test_verify_prints_the_diagnosis_before_the_total(run: Run, tmp_path: Path) -> None:
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


def test_verify_prints_the_first_problems(run: Run, tmp_path: Path) -> None:
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


def test_verify_explains_each_code_once(run: Run, tmp_path: Path) -> None:
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
