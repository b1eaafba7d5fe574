"""Models in OpenVINO: what they take, give and refuse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import process
from graphs import FLOAT, dtype_attr, meta_bytes, node
from project import DOCS, FIXTURES, ROOT

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.openvino import load_model

pytestmark = pytest.mark.frameworks
MODEL = FIXTURES / "saved_model_tf1"
X = np.arange(6, dtype=np.float32).reshape(2, 3)
RECIPES = re.findall(r"```python\n(.*?)```", (DOCS / "graph.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture(autouse=True)
def _openvino() -> None:
    pytest.importorskip("openvino")


def expected(x: Any) -> Any:
    with tfckpt.open(MODEL) as ckpt:
        matrix, vector = sorted(ckpt.values(), key=lambda array: -array.ndim)
        return x @ matrix + vector


def test_the_fixture_is_what_the_tests_take_it_for() -> None:
    with tfckpt.open(MODEL) as ckpt:
        assert ckpt.meta_graph is not None
        assert {"MatMul"} <= set(ckpt.meta_graph.op_counts)


def test_inputs_by_every_name() -> None:
    model = load_model(MODEL)
    for given in (X, {"x": X}, {"x:0": X}, {"x:0": X.astype(np.float64)}, X.tolist()):
        results = model(given)
        assert list(results) == ["y:0"]
        np.testing.assert_allclose(results["y:0"], expected(X), rtol=1e-5)
    np.testing.assert_allclose(model(X[:1])["y:0"], expected(X[:1]), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "an input is missing: x:0"),
        ({}, "an input is missing: x:0"),
        ({"z": X}, "no input 'z'; nearest: x"),
        (X.T, r"input 'x:0' must be float32 \[\?,3\], not float32 \[3, 2\]"),
        (X.astype(complex), "not complex128"),
    ],
)
def test_inputs_that_do_not_fit(given: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        load_model(MODEL)(given)


def test_a_frozen_graph(tmp_path: Path) -> None:
    with tfckpt.open(MODEL) as ckpt:
        assert ckpt.meta_graph is not None
        ckpt.meta_graph.freeze(values=ckpt).write(tmp_path / "m.pb")
    results = load_model(tmp_path / "m.pb", ["y:0"])({"x:0": X})
    np.testing.assert_allclose(results["y:0"], expected(X), rtol=1e-5)


def test_an_op_that_openvino_lacks(tmp_path: Path) -> None:
    odd = node("y", "Betainc", ["x", "x", "x"], dtype_attr(FLOAT, "T"))
    nodes = [node("x", "Placeholder", [], dtype_attr(FLOAT)), odd]
    nodes += [node("z", "Neg", ["y"], dtype_attr(FLOAT, "T"))]
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes))
    tfckpt.read_meta_graph(tmp_path / "x.meta").write_graph(tmp_path / "x.pb")
    with pytest.raises(
        tfckpt.UnsupportedError, match="lacks the op 'Betainc', as of node 'y'"
    ) as e:
        load_model(tmp_path / "x.pb", ["z"])
    assert "inputs=['y']" in str(e.value)
    assert load_model(tmp_path / "x.pb", ["z"], ["y"])({"y:0": X})["z:0"].sum() == -15


def test_no_graph() -> None:
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="name it with graph="):
        load_model(FIXTURES / "tf2_checkpoint")


def test_the_command(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", X)
    out = tmp_path / "out"
    done = process("run", MODEL, "--feed", f"x:0={tmp_path / 'in.npy'}", "--out", out)
    assert (done.code, done.lines) == (0, [f"float32 [2, 2]  y:0 -> {out / 'y%3A0.npy'}"])
    np.testing.assert_allclose(np.load(out / "y%3A0.npy"), expected(X), rtol=1e-5)
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    done = process("run", MODEL, "--feed", f"x:0={tmp_path / 'bad.npy'}", "--json")
    assert (done.code, "no .npy file of numbers" in done.err) == (2, True)
    assert "write it as NAME=FILE.npy" in process("run", MODEL, "--feed", "x").err


@pytest.mark.parametrize("code", RECIPES, ids=range(len(RECIPES)))
def test_recipes_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in re.findall(r"^import (\w+)$", code, re.MULTILINE):
        pytest.importorskip(module)
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/graph.md", "exec"), {})  # noqa: S102 - our own page
