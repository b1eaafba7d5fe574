"""Names and roles in the commands: ``ls``, ``tree`` and ``show``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from commands import Run, one_line
from defects import bundle
from objects import KEY, VALUE, graph, keras_3, save, thing, variable
from project import FIXTURES

KERNEL = f"optimizer/_trainable_variables/0{VALUE}"


def names(lines: list[str]) -> list[str]:
    return [line.split("  ")[-1] for line in lines]


def test_ls_by_full_names(run: Run, tmp_path: Path) -> None:
    done = run("ls", keras_3(tmp_path), "--names", "full")
    assert (done.code, done.err) == (0, "")
    assert names(done.lines)[:3] == [KEY, "s/d/moving_mean", "adam/iteration"]
    assert names(run("ls", tmp_path / "p", "--names", "object").lines)[1] == (
        "model/_layers/0/moving_mean"
    )
    assert names(run("ls", tmp_path / "p", "s/d/*", "--names", "full").lines)[:-1] == [
        "s/d/moving_mean",
        "s/d/kernel",
        "s/d/bias",
    ]


def test_ls_names_what_keeps_its_key(run: Run, tmp_path: Path) -> None:
    objects = graph(thing({"a": 1, "b": 2}), variable("x", "a"), variable("", "b"))
    prefix = save(tmp_path, objects, {"a": np.ones(2), "b": np.ones(2)})
    done = run("ls", prefix, "--names", "full")
    assert names(done.lines)[:-1] == [KEY, "x", f"b{VALUE}"]
    assert f"without full name: b{VALUE}" in one_line(done.err)


def test_ls_roles(run: Run, tmp_path: Path) -> None:
    prefix = keras_3(tmp_path)
    rows = [re.split(r" {2,}", line) for line in run("ls", prefix, "--roles").lines[:-1]]
    by_name = {row[-1].removesuffix(VALUE): row[-2] for row in rows}
    assert by_name["optimizer/_variables/2"] == "optimizer slot momentum"
    assert by_name["optimizer/_trainable_variables/0"] == "weight"
    document = run("ls", prefix, "--roles", "--names", "full", "--json").json
    slot = next(each for each in document["tensors"] if each["full_name"].endswith("_momentum"))
    assert slot["role"] == {
        "kind": "optimizer slot",
        "of": KERNEL,
        "slot": "momentum",
        "evidence": "object graph",
    }


def test_ls_sums_up(run: Run, tmp_path: Path) -> None:
    prefix = keras_3(tmp_path)
    summary = run("ls", prefix, "--without", "optimizer").lines[-1]
    assert "object-based; 8 parameters; " in summary
    document = run("ls", prefix, "--json").json
    assert document["object_based"] is True
    assert document["parameters"] == 3 * 2 + 2
    assert document["roles"]["weight"] == 4 * 8
    assert sum(document["roles"].values()) == document["bytes"]
    (tmp_path / "names").mkdir()
    plain = run("ls", bundle(tmp_path / "names", {"w": np.ones((2, 3), np.float32)}))
    assert plain.lines[-1].endswith("name-based; 6 parameters; weights 100 % (by names)")


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (["--only", "weights"], ["s/d/moving_mean", "s/d/kernel", "s/d/bias"]),
        (["--only", "optimizer"], ["iteration", "learning_rate", "s_d_kernel_momentum"]),
        (["--only", "averages"], ["s_d_kernel_average"]),
        (["--only", "weights", "--without", "statistics"], ["s/d/kernel", "s/d/bias"]),
        (["--only", "steps", "--only", "averages"], ["iteration", "s_d_kernel_average"]),
    ],
)
def test_ls_by_role(run: Run, tmp_path: Path, chosen: list[str], found: list[str]) -> None:
    done = run("ls", keras_3(tmp_path), "--names", "full", *chosen)
    assert (done.code, done.err) == (0, "")
    assert [name.removeprefix("adam/") for name in names(done.lines[:-1])] == found


def test_ls_by_a_role_that_nothing_has(run: Run, tmp_path: Path) -> None:
    done = run("ls", keras_3(tmp_path), "--only", "tables")
    assert (done.code, done.out) == (2, "")
    assert "--only tables" in one_line(done.err)


def test_unknown_roles_are_named(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"w": np.ones((2, 3)), "ids": np.arange(4), "x": np.array(1.0)})
    done = run("ls", prefix, "--only", "weights")
    assert names(done.lines[:-1]) == ["w"]
    assert "2 tensors of unknown role left out: ids, x" in one_line(done.err)
    done = run("ls", prefix, "--without", "optimizer")
    assert (names(done.lines[:-1]), done.err) == (["ids", "w", "x"], "")


def test_tree(run: Run, tmp_path: Path) -> None:
    done = run("tree", keras_3(tmp_path), "--depth", "2")
    assert (done.code, done.err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in done.lines]
    assert ["3 tensors", "8 parameters", "40 B", "s/"] in rows
    assert ["3 tensors", "8 parameters", "40 B", "d/"] in rows
    assert ["4 tensors", "60 B", "adam/"] in rows
    assert ["1 tensor", "8 B", "iteration", "int64 scalar"] in rows
    assert done.lines[-1].startswith("8 tensors, 8 parameters, ")
    assert "weights " in done.lines[-1]


def test_tree_of_objects(run: Run, tmp_path: Path) -> None:
    prefix = keras_3(tmp_path)
    document = run("tree", prefix, "--names", "object", "--only", "weights", "--json").json
    assert (document["tensors"], document["parameters"]) == (3, 8)
    model, optimizer = document["scopes"]
    assert (model["name"], model["tensors"], model["parameters"]) == ("model", 1, 0)
    (trainable,) = optimizer["scopes"]
    kernel = trainable["scopes"][0]
    assert kernel == {
        "name": "0",
        "tensors": 1,
        "parameters": 6,
        "bytes": 24,
        "dtype": "float32",
        "shape": [3, 2],
    }


def test_tree_counts_what_lies_below(run: Run, tmp_path: Path) -> None:
    deep = "/".join("abcdefgh")
    prefix = bundle(tmp_path, {deep: np.ones(3, np.float32), "a": np.ones(2, np.float32)})
    done = run("tree", prefix, "--depth", "1")
    assert [line.split("  ")[-2:] for line in done.lines[:-1]] == [["a/", "float32 [2]"]]
    assert done.lines[0].split("  ")[:2] == ["2 tensors", "5 parameters"]
    assert len(run("tree", prefix, "--depth", "9").lines) == 9
    for depth in ("0", "x", "-1", "101", "9" * 5000):
        assert run("tree", prefix, f"--depth={depth}").code == 2
    assert run("tree", bundle(tmp_path, {})).lines == ["0 tensors, 0 parameters, 0 B"]


def test_a_deep_tree(run: Run, tmp_path: Path) -> None:
    """Of more levels than Python calls functions in each other."""
    prefix = bundle(tmp_path, {"/".join("x" * 3000): np.ones(3, np.float32)})
    assert len(run("tree", prefix, "--depth", "100").lines) == 101
    level = run("tree", prefix, "--depth", "100", "--json").json
    for _ in range(100):
        (level,) = level["scopes"]
    assert "scopes" not in level


def test_show_by_any_name(run: Run, tmp_path: Path) -> None:
    prefix = keras_3(tmp_path)
    for name in (KERNEL, "s/d/kernel", "model/_layers/0/_kernel"):
        done = run("show", prefix, name)
        assert done.code == 0
        found = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.lines}
        assert found["name"] == KERNEL
        assert found["count"] == "6"
        assert found["role"] == "weight (by object graph)"
        assert found["full"] == "s/d/kernel"
    document = run("show", prefix, "s/d/kernel", "--json").json
    assert document["object_paths"] == [KERNEL.removesuffix(VALUE), "model/_layers/0/_kernel"]
    assert run("show", prefix, "s/d").code == 2
    assert run("show", prefix, "d/kernel").code == 2


def test_names_with_control_characters_are_escaped(run: Run, tmp_path: Path) -> None:
    objects = graph(thing({"a": 1}), variable("x\x1b[31m\n/y", "a"))
    prefix = save(tmp_path, objects, {"a": np.ones(2)})
    for command in ("ls", "tree"):
        done = run(command, prefix, "--names", "full")
        assert done.code == 0
        assert all(line.isprintable() for line in done.lines)
        assert "\\x1b[31m\\n" in done.out


def test_a_damaged_object_graph_is_noted(run: Run, tmp_path: Path) -> None:
    done = run("ls", save(tmp_path, b"\xff", {"a/kernel": np.ones(2)}), "--names", "full")
    assert done.code == 0
    assert names(done.lines)[1] == f"a/kernel{VALUE}"
    assert "names come from the keys alone" in one_line(done.err)


def test_the_fixture_of_keras(run: Run) -> None:
    """A second copy of each variable is no weight."""
    done = run("ls", FIXTURES / "saved_model_keras", "--only", "weights", "--json")
    found = [each["name"] for each in done.json["tensors"]]
    assert found
    assert not [name for name in found if "_all_variables" in name]


def test_verify_of_some_roles(run: Run, tmp_path: Path) -> None:
    nan = np.full((2, 2), np.nan, np.float32)
    prefix = bundle(tmp_path, {"d/kernel": nan, "d/kernel/Adam": nan})
    assert "--level values" in one_line(run("verify", prefix, "--only", "weights").err)
    done = run("verify", prefix, "--level", "values", "--only", "weights", "--json")
    assert [problem["tensor"] for problem in done.json["problems"]] == ["d/kernel"]


def test_convert_by_role_and_name(run: Run, tmp_path: Path) -> None:
    prefix, target = keras_3(tmp_path), tmp_path / "out.npz"
    done = run("convert", prefix, target, "--only", "weights", "--names", "full", "--ema")
    assert done.code == 0
    assert done.lines[-1].endswith(": weights 80 %, batch-norm statistics 20 %")
    with np.load(target) as found:
        assert set(found.files) == {"s/d/kernel", "s/d/bias", "s/d/moving_mean"}
        assert (found["s/d/kernel"] == 3).all()


def test_convert_refuses_to_leave_out_all_weights(run: Run, tmp_path: Path) -> None:
    prefix, target = keras_3(tmp_path), tmp_path / "out.npz"
    done = run("convert", prefix, target, "--exclude", "optimizer/*")
    assert (done.code, done.out) == (1, "")
    assert "no weight is left to write: 2 of 2 weights left out" in one_line(done.err)
    assert not target.exists()
    done = run("convert", prefix, target, "--exclude", "optimizer/*", "--allow-no-weights")
    assert done.code == 0
    assert KERNEL in done.err


def test_convert_says_which_weights_a_pattern_left_out(run: Run, tmp_path: Path) -> None:
    ones = np.ones((2, 2), np.float32)
    prefix, target = bundle(tmp_path, {"a/w": ones, "b/w": ones}), tmp_path / "out.npz"
    done = run("convert", prefix, target, "--exclude", "b*", "--json")
    assert (done.code, done.json["lost"]) == (1, ["b/w"])
    assert "1 weight left out" in one_line(done.err)
    done = run("convert", prefix, target, "--exclude", "b/w", "--force", "--json")
    assert (done.code, done.err, done.json["lost"]) == (0, "", [])
    both = run("convert", prefix, target, "--names", "full", "--map", "x.json")
    assert both.code == 2
