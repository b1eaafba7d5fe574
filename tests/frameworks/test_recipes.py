"""The code in README and docs/frameworks.md runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import DOCS, FIXTURES, ROOT

pytestmark = pytest.mark.frameworks

RECIPES = [
    code
    for path in (ROOT / "README.md", DOCS / "frameworks.md")
    for code in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    if "tfckpt_reader.frameworks" in code
]


@pytest.mark.usefixtures("keras")  # it chooses a backend
@pytest.mark.parametrize("code", RECIPES)
def test_recipes_run(code: str, tmp_path: Path) -> None:
    for name in set(re.findall(r"\b(torch|jax|keras)\b", code)):
        pytest.importorskip(name)
    (tmp_path / "fixtures").symlink_to(FIXTURES)
    done = subprocess.run(
        [sys.executable, "-W", "error:::tfckpt_reader", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in re.findall(r"print.*# ([a-z]*\d.*)", code))


def test_there_are_recipes() -> None:
    assert len(RECIPES) == 4
