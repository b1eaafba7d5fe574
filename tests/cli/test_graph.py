"""The command ``graph``: what it prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import NASTY, Run
from dot_reader import NODES, drawn
from event_files import NAME, function, nodes_in
from graphs import meta_bytes, node
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.render.dot import MOST_BOXES

SAVER = FIXTURES / "saver_tf1"
META = SAVER / "model.ckpt-1.meta"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A graph with everything that is wrong with graphs, and functions."""
    path = tmp_path / "x.meta"
    path.write_bytes(meta_bytes(NODES, library=[function(node("inside", "Neg", ["x"]))]))
    return path


@pytest.mark.parametrize("path", [SAVER, SAVER / "model.ckpt-1", META])
def test_dot_by_every_path_of_a_graph(path: Path, run: Run) -> None:
    done = run("graph", path, "--dot")
    assert done.code == 0
    assert done.out == tfckpt.to_dot(tfckpt.read_meta_graph(META))
    assert done.err == ""


def test_saved_models(run: Run, tmp_path: Path) -> None:
    folder = FIXTURES / "saved_model"
    assert run("graph", folder, "--tensorboard", tmp_path).code == 0
    meta = tfckpt.read_meta_graph(folder)
    assert len(nodes_in(tmp_path / NAME)) == len(meta)
    assert run("graph", folder, "--dot").out == tfckpt.to_dot(meta)


def test_depth_and_subgraph(odd: Path, run: Run) -> None:
    meta = tfckpt.read_meta_graph(odd)
    assert run("graph", odd, "--dot", "--depth", 1).out == tfckpt.to_dot(meta, depth=1)
    done = run("graph", odd, "--dot", "--subgraph", "in/y:0", "--subgraph", "w")
    texts, _ = drawn(done.out)
    assert texts == ["in/y: Placeholder", "w: Const"]
    done = run("graph", odd, "--dot", "--depth", 2, "--json")
    found = done.json
    assert (found["path"], found["depth"], found["deepest"]) == (str(odd), 2, 3)
    assert found["boxes"][3] == {"name": "deep/er", "kind": "scope", "members": 2, "op": None}
    assert {"source": 0, "target": 3, "is_control": False, "inputs": 2} in found["edges"]
    done = run("graph", odd, "--dot", "--subgraph", "er/mul")
    assert (done.code, done.out) == (2, "")
    assert "Nearest: deep/er/mul" in done.err


def test_functions(odd: Path, run: Run) -> None:
    assert "--function NAME draws one" in run("graph", odd, "--dot").err
    done = run("graph", odd, "--dot", "--function", "f", "--subgraph", "inside")
    assert (done.code, done.err) == (0, "")
    texts, edges = drawn(done.out)
    assert texts == ["inside: Neg", "x: argument"]
    assert list(edges) == [("x", "inside", False)]
    done = run("graph", odd, "--dot", "--function", "g")
    assert (done.code, done.out) == (2, "")
    assert "there is no function 'g'. There is: f" in done.err


def test_the_chosen_depth_is_noted(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.meta"
    path.write_bytes(meta_bytes([node(f"a/{i}", "A") for i in range(MOST_BOXES + 1)]))
    assert "drawn to depth 1 of 2 (boxes: 1)" in run("graph", path, "--dot").err
    assert run("graph", path, "--dot", "--depth", 1).err == ""
    path.write_bytes(meta_bytes([node(f"a{i}", "A") for i in range(MOST_BOXES + 1)]))
    assert "--subgraph OUT" in run("graph", path, "--dot").err


def test_event_file(odd: Path, tmp_path: Path, run: Run) -> None:
    logs = tmp_path / "of two"
    done = run("graph", odd, "--tensorboard", logs)
    assert (done.code, done.err) == (0, "")
    assert f"wrote {logs / NAME}: 8 nodes, 1 function, " in done.lines[0]
    assert done.lines[1].endswith(f"tensorboard --logdir '{logs}'")
    assert nodes_in(logs / NAME) == NODES
    done = run("graph", odd, "--tensorboard", logs, "--subgraph", "w", "--json")
    assert nodes_in(logs / NAME) == [NODES[2]]
    assert done.json == {
        "schema": 1,
        "path": str(odd),
        "event_file": str(logs / NAME),
        "nodes": 1,
        "functions": 1,
        "nbytes": (logs / NAME).stat().st_size,
    }


def test_wrong_calls(odd: Path, tmp_path: Path, run: Run) -> None:
    assert "--tensorboard --dot --pb is required" in run("graph", odd).err
    for wrong in (
        ["--dot", "--tensorboard", tmp_path],
        ["--tensorboard", tmp_path, "--depth", 1],
        ["--tensorboard", tmp_path, "--function", "f"],
        ["--tensorboard", odd],
        ["--dot", "--depth", "two"],
        ["--dot", "--depth", -1],
    ):
        done = run("graph", odd, *wrong)
        assert (done.code, done.out) == (2, ""), wrong
    assert list(tmp_path.iterdir()) == [odd]


def test_names_cannot_drive_the_terminal(tmp_path: Path, run: Run) -> None:
    names = [*(name.encode() for name in NASTY), b"\xff\xfe"]
    path = tmp_path / "x.meta"
    path.write_bytes(meta_bytes([node(name, "NoOp") for name in names]))
    for more in ([], ["--depth", 0]):
        done = run("graph", path, "--dot", *more)
        assert done.code == 0
        assert done.out.isascii()
        assert all(line.isprintable() for line in done.lines)
    done = run("graph", path, "--tensorboard", tmp_path / "logs")
    assert (done.code, done.out) == (1, "")
    assert "node 6: TensorBoard shows no graph with such a node" in done.err
    assert r"\udcff\udcfe" in done.err


def test_paths_without_a_graph(tmp_path: Path, run: Run) -> None:
    done = run("graph", FIXTURES / "strings" / "model.ckpt", "--dot")
    assert (done.code, done.out) == (2, "")
    assert "there is no graph beside this checkpoint" in done.err
    (tmp_path / "x.meta").write_bytes(b"\xff" * 20)
    assert run("graph", tmp_path / "x.meta", "--tensorboard", tmp_path).code == 1
    assert run("graph", tmp_path / "none.meta", "--dot").code == 2


def test_nodes_as_a_file(tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out.pb"
    done = run("graph", META, "--pb", out)
    assert (done.code, done.lines) == (
        0,
        [f"wrote {out}: {len(tfckpt.read_meta_graph(META))} nodes"],
    )
    name = tfckpt.read_meta_graph(META).operations[0].name
    assert run("graph", META, "--pb", out, "--subgraph", name, "--json").json["nodes"] == 1
    assert len(tfckpt.read_meta_graph(out)) == 1
