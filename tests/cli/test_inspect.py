"""The command ``inspect``; `tests/tensorflow` compares its text with TensorFlow's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from commands import Run, one_line
from project import FIXTURES

PREFIX = FIXTURES / "saver_tf1" / "model.ckpt-1"


def test_names_dtypes_and_shapes(run: Run) -> None:
    done = run("inspect", PREFIX)
    assert done.lines == [
        "global_step (DT_INT64) []",
        "v1 (DT_FLOAT) [784,200]",
        "v2 (DT_FLOAT) [200]",
        "v3 (DT_FLOAT) [100]",
        "",
        "# Total number of params: 157101",
    ]
    named = run("inspect", PREFIX, "--all_tensor_names", "--count_exclude_pattern", "v[12]")
    assert named.lines == [
        "tensor: global_step (int64) []",
        "tensor: v1 (float32) [784, 200]",
        "tensor: v2 (float32) [200]",
        "tensor: v3 (float32) [100]",
        "# Excluding 2 tensors (157000 params) that match v[12] when counting.",
        "# Total number of params: 101",
    ]


def test_values(run: Run, tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3) / 3, "b": np.array(7)}
    w.write_bundle(tmp_path / "p", tensors)
    before = np.get_printoptions()
    done = run("inspect", tmp_path / "p", "--all_tensors", "--printoptions", "precision=2")
    assert done.lines[:3] == [
        "tensor: a (float32) [2, 3]",
        "[[0.   0.33 0.67]",
        " [1.   1.33 1.67]]",
    ]
    assert done.lines[3:5] == ["tensor: b (int64) []", "7"]
    assert np.get_printoptions() == before
    one = run("inspect", tmp_path / "p", "--tensor_name", "b", "--all_tensors=false")
    assert one.lines == ["tensor: b (int64) []", "7", "# Total number of params: 7"]
    assert run("inspect", tmp_path / "p", "--tensor_name=c").lines == [
        "Tensor c not found in checkpoint"
    ]
    assert run("inspect", tmp_path / "p", "--tensor_name=b", "--json").json["printed"] == one.lines


@pytest.mark.parametrize(
    "option", ["precision", "=3", "nothing=3", "formatter=x", "precision=x", "suppress=maybe"]
)
def test_wrong_print_options(run: Run, option: str) -> None:
    done = run("inspect", PREFIX, "--printoptions", option)
    assert done.code == 2
    assert "--printoptions" in done.err


def test_wrong_pattern(run: Run) -> None:
    done = run("inspect", PREFIX, "--count_exclude_pattern", "(")
    assert done.code == 2
    assert "no regular expression" in one_line(done.err)


def test_a_path_behind_an_option_that_takes_it_for_its_value(run: Run) -> None:
    done = run("inspect", "--all_tensors", PREFIX)
    assert done.code == 2
    assert "give PATH before the options" in done.err
    assert run("inspect", "--all_tensors", "--tensor_name", "v3", PREFIX).code == 0
