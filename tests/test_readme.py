"""The README's code runs, and its commands are the ones that .ci/run calls."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", [code for code in blocks("python") if "frameworks" not in code])
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "freeze" in code:
        assert "2 variables became constants" in done.stdout
        assert (tmp_path / "model.pb").exists()
        return
    if "meta_graph" in code:
        assert "v1:0 (784, 200)\nv2:0 (200,)\n" in done.stdout
        return
    if "tfckpt.save" in code:
        assert (tmp_path / "model.ckpt-7.index").exists()
        return
    if "ckpt.find" in code:
        assert "optimizer/_trainable_variables/0" in done.stdout
        assert "Role(kind=<Kind.WEIGHT: 'weight'>" in done.stdout
        return
    assert "<Checkpoint 'model.ckpt-1' V2, 1 shard>" in done.stdout
    assert "['global_step', 'v1', 'v2', 'v3']" in done.stdout
    assert (tmp_path / "weights.npz").exists()


@pytest.mark.parametrize("marker", ["install-and-convert", "install-and-test"])
def test_commands_are_marked(marker: str) -> None:
    found = re.search(rf"<!-- {marker} -->\n```console\n(.+)\n```", README)
    assert found is not None
    assert "\n" not in found[1], "one command, to be pasted"
    assert marker in (ROOT / ".ci" / "run").read_text("utf-8")


def test_shell_usage_names_every_command() -> None:
    from tfckpt_reader import cli

    usage = "".join(blocks("console"))
    assert all(f"$ tfckpt {name} " in usage for name in cli.COMMANDS)
