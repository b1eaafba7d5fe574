"""The command ``run`` where OpenVINO is not installed."""

from __future__ import annotations

import importlib.util

import pytest
from commands import Run, one_line
from project import FIXTURES


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is not None, reason="OpenVINO is installed"
)
def test_without_openvino(run: Run) -> None:
    done = run("run", FIXTURES / "saved_model")
    assert done.code != 0
    assert "pip install openvino" in one_line(done.err)


def test_feeds_that_are_none(run: Run) -> None:
    done = run("run", FIXTURES / "saved_model", "--feed", "x")
    assert (done.code, one_line(done.err)) == (2, "--feed x: write it as NAME=FILE.npy")
