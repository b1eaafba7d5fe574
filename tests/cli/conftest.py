"""Fixtures for the tests of the command."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from commands import NASTY_BYTES, Run, called
from defects import FLOATS, bundle


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `main()` in this process."""
    return partial(called, capsys)


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    return bundle(tmp_path, dict.fromkeys(NASTY_BYTES, FLOATS))  # type: ignore[arg-type]
