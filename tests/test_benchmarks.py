"""The benchmarks run, and the page is what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from sparse_files import linux_only

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs" / "performance.md"
TABLES = HERE / "benchmarks" / "tables.py"


def outline(page: str) -> list[str]:
    """Headings and the heads of tables, without figures."""
    lines = page.splitlines()
    heads = [line for line, rule in pairwise(lines) if rule.startswith("|---")]
    return [line for line in lines if line.startswith("#")] + heads


@linux_only
@pytest.mark.slow
def test_page_matches_the_output(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    command = [sys.executable, str(TABLES), "--quick", "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert outline(done.stdout) == outline(DOCS.read_text("utf-8"))
    assert str(tmp_path) not in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_benchmarks_run(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--benchmark-disable",
    ]
    chosen = ["-o", "python_files=bench_*.py", "-k", "not 1000000 and not 100000 and not 4096"]
    done = subprocess.run(
        [*command, *chosen, str(HERE / "benchmarks"), f"--basetemp={tmp_path / 'made'}"],
        capture_output=True,
        text=True,
        cwd=HERE.parent,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 15
