"""Verification of tensors of some roles: their numbers alone are warned of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from defects import DATA, bundle, poke
from objects import VALUE, keras_3

import tfckpt_reader as tfckpt

NAN = np.full((2, 2), np.nan, np.float32)
TENSORS = {"d/kernel": NAN, "d/kernel/Adam": NAN, "d/bias": np.ones(2, np.float32)}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["d/kernel", "d/kernel/Adam"]),
        ({"only": "weights"}, ["d/kernel"]),
        ({"without": ["optimizer"]}, ["d/kernel"]),
        ({"only": ["optimizer"]}, ["d/kernel/Adam"]),
    ],
)
def test_warnings_of_some_roles(tmp_path: Path, options: dict[str, str], found: list[str]) -> None:
    prefix = bundle(tmp_path, TENSORS)
    report = tfckpt.verify(prefix, level="values", **options)  # type: ignore[arg-type]
    assert [problem.tensor for problem in report.problems] == found
    (same,) = tfckpt.verify_all(tmp_path, level="values", **options)  # type: ignore[arg-type]
    assert same.problems == report.problems


def test_of_v1(tmp_path: Path) -> None:
    w.write_v1(tmp_path / "v1", TENSORS)
    report = tfckpt.verify(tmp_path / "v1", level="values", only="weights")
    assert [problem.tensor for problem in report.problems] == ["d/kernel"]


def test_damage_of_any_role_is_reported(tmp_path: Path) -> None:
    poke(bundle(tmp_path, TENSORS), DATA, 24)  # in d/kernel/Adam
    report = tfckpt.verify(tmp_path / "p", level="values", only="weights")
    codes = {problem.tensor: problem.code for problem in report.problems}
    assert codes == {"d/kernel": "TFC601", "d/kernel/Adam": "TFC401"}


def test_roles_come_from_the_object_graph(tmp_path: Path) -> None:
    prefix = keras_3(tmp_path)
    report = tfckpt.verify(prefix, level="values", only="weights")
    (problem,) = report.problems  # the kernel is all ones
    assert (problem.tensor, problem.code) == (f"optimizer/_trainable_variables/0{VALUE}", "TFC604")


def test_roles_need_the_level(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, TENSORS)
    with pytest.raises(ValueError, match="--level values"):
        tfckpt.verify(prefix, only="weights")
    with pytest.raises(ValueError, match="roles are weights"):
        tfckpt.verify(prefix, level="values", only="kernels")
