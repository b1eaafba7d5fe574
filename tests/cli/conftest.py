"""Fixtures for the tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import NASTY_BYTES, Done, Run
from defects import FLOATS, bundle

from tfckpt_reader.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `main()` in this process."""

    def call(*arguments: object) -> Done:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    return bundle(tmp_path, dict.fromkeys(NASTY_BYTES, FLOATS))  # type: ignore[arg-type]
