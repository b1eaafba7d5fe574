"""The text of `tfckpt inspect`, compared with that of TensorFlow's ``inspect_checkpoint``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from project import FIXTURES

from tfckpt_reader.cli import main
from tfckpt_reader.text import printable

pytestmark = pytest.mark.tensorflow

TOOL = "tensorflow.python.tools.inspect_checkpoint"
PATHS = ["saver_tf1/model.ckpt-1", "strings/model.ckpt", "variant/model.ckpt", "sliced/saver"]
PATHS += ["every_dtype/model.ckpt", "v1_sharded/model.ckpt-?????-of-00002", "tf2_checkpoint/ckpt-2"]


def expected(tf: object, capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    from tensorflow.python.tools import inspect_checkpoint as tool

    tool.print_tensors_in_checkpoint_file(*arguments)
    return [printable(line) for line in capsys.readouterr().out.split("\n")]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["inspect", *arguments]) == 0
    return capsys.readouterr().out.split("\n")


@pytest.mark.parametrize("path", PATHS)
def test_same_text(tf: object, capsys: pytest.CaptureFixture[str], path: str) -> None:
    prefix = str(FIXTURES / path)
    listing = expected(tf, capsys, prefix, "", False)
    ours = printed(capsys, prefix)
    # TensorFlow lists V1 tensors in the order of a hash table.
    assert (sorted(ours) == sorted(listing)) if path.startswith("v1") else ours == listing
    assert printed(capsys, prefix, "--all_tensor_names") == expected(
        tf, capsys, prefix, "", False, True
    )
    assert printed(capsys, prefix, "--all_tensors") == expected(tf, capsys, prefix, "", True)
    assert printed(capsys, prefix, "--all_tensors", "--count_exclude_pattern=e") == expected(
        tf, capsys, prefix, "", True, False, "e"
    )


@pytest.mark.parametrize("name", ["v1", "global_step", "nothing"])
def test_same_text_of_one(tf: object, capsys: pytest.CaptureFixture[str], name: str) -> None:
    prefix = str(FIXTURES / PATHS[0])
    ours = printed(capsys, prefix, "--tensor_name", name)
    assert ours == expected(tf, capsys, prefix, name, False)


def test_same_text_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = str(FIXTURES / PATHS[0])
    options = ["--all_tensors=true", "--printoptions", "threshold=3", "precision=2", "suppress=t"]
    command = [sys.executable, "-m", TOOL, f"--file_name={prefix}", *options]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "\n".join(printed(capsys, prefix, *options)) == theirs
