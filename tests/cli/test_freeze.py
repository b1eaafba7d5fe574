"""The command ``freeze``: what it prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from commands import Run, one_line
from graphs import dtype_attr, meta_bytes, node
from project import FIXTURES

import tfckpt_reader as tfckpt

MODEL = FIXTURES / "saved_model_tf1"


def test_a_saved_model(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.pb"
    done = run("freeze", MODEL, out)
    assert done.code == 0
    assert done.lines[:2] == [
        "input   float32 [?, 3]  x:0  ('x')",
        "output  float32 [?, 2]  y:0  ('y')",
    ]
    assert done.lines[-1].startswith(f"wrote {out}: 7 nodes, ")
    assert tfckpt.read_meta_graph(out).find("x") is not None
    again = run("freeze", MODEL, out)
    assert again.code == 2
    assert "--force replaces it" in one_line(again.err)
    assert run("freeze", MODEL, out, "--force", "--signature", "serving_default").code == 0


def test_json_and_dry_run(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.pb"
    done = run("freeze", MODEL, out, "--json", "--dry-run", "--output", "y:0")
    found = done.json
    assert (found["written"], found["nodes"], len(found["weights"])) == (False, 7, 2)
    assert [each["name"] for each in (*found["inputs"], *found["outputs"])] == ["x:0", "y:0"]
    assert not out.exists()


def test_a_guess_is_said(run: Run, tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1)),
        node("w", "VariableV2", [], dtype_attr(1)),
    ]
    nodes.append(node("y", "MatMul", ["x", "w"], dtype_attr(1, "T")))
    w.write_bundle(tmp_path / "model", {"w": np.ones((2, 2), np.float32)})
    (tmp_path / "model.meta").write_bytes(meta_bytes(nodes))
    done = run("freeze", tmp_path / "model", tmp_path / "out.pb", "--dry-run")
    assert done.code == 0
    assert "the output y:0 is a guess: " in done.err
    done = run("freeze", FIXTURES / "sliced" / "saver", tmp_path / "out.pb")
    assert (done.code, "Name one with --output" in done.err) == (2, True)


def test_inference_and_tables(run: Run, tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1)),
        node("training", "Placeholder", [], dtype_attr(10)),
        node("switch", "Switch", ["x", "training"], dtype_attr(1, "T")),
        node("y", "Neg", ["switch"], dtype_attr(1, "T")),
        node("w", "VariableV2", [], dtype_attr(1)),
        node("t", "HashTableV2", [], dtype_attr(9, "key_dtype"), dtype_attr(1, "value_dtype")),
        node("fill", "InitializeTableV2", ["t", "w", "w"]),
        node("z", "LookupTableFindV2", ["t", "w", "w"], dtype_attr(1, "Tout")),
    ]
    w.write_bundle(tmp_path / "model", {"w": np.ones((2, 2), np.float32)})
    (tmp_path / "model.meta").write_bytes(meta_bytes(nodes))
    arguments = ["freeze", tmp_path / "model", tmp_path / "out.pb", "--output", "y"]
    done = run(*arguments, "--inference")
    assert done.code == 0
    assert "input 'training' is always False" in done.lines
    arguments = [*arguments[:2], tmp_path / "tables.pb", "--output", "z"]
    assert "--keep-tables" in run(*arguments).err
    done = run(*arguments, "--keep-tables")
    assert (done.code, "run first  fill" in done.lines) == (0, True)
    assert run(*arguments, "--keep-tables", "--dry-run", "--json").json["initializers"] == ["fill"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--output", "z"], "there is no operation 'z'"),
        (["--signature", "z"], "there is no signature 'z'. There is: serving_default"),
        (["--graph", "nowhere.meta"], "nowhere.meta"),
        (["--set", "x"], "--set x: write it as NAME=VALUE"),
        (["--set", "z=1"], "the outputs need no placeholder 'z'. There is: x"),
        (["--set", "x=true"], "'x' is float32"),
    ],
)
def test_wrong_names(run: Run, tmp_path: Path, arguments: list[str], problem: str) -> None:
    done = run("freeze", MODEL, tmp_path / "out.pb", *arguments)
    assert done.code == 2
    assert problem in done.err
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    assert "is a folder; name a file" in run("freeze", MODEL, tmp_path).err
    assert "there is no folder" in run("freeze", MODEL, tmp_path / "no" / "out.pb").err
