"""The command run as a process, its exit code and its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import FLOATS

from tfckpt_reader.cli import main

NASTY = ["a\x1b[31mred", "b\nnew line", "c\rback", "d\u202eright to left", "e\u200fmark", "f\x7f"]
NASTY_BYTES = [*(name.encode() for name in NASTY), b"g\xff\xfe", b"h\x9b31m"]


@dataclass
class Done:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The document on stdout, which must be JSON by the letter."""

        def refuse(text: str) -> None:
            raise AssertionError(text)

        assert self.out.endswith("}\n")
        return json.loads(self.out, parse_constant=refuse)


Run = Callable[..., Done]


def process(*arguments: object, environment: dict[str, str] | None = None, **more: Any) -> Done:
    """Run the command as a process, its output in pipes."""
    done = subprocess.run(
        [sys.executable, "-m", "tfckpt_reader", *map(str, arguments)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        **more,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> Done:
    """Call `main()` in this process."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    captured = capsys.readouterr()
    return Done(code, captured.out, captured.err)


def one_line(text: str) -> str:
    """The only line of stderr, without what stands before all of them."""
    assert text.startswith("tfckpt: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    line = text.removeprefix("tfckpt: ").removesuffix("\n")
    assert line.isprintable()
    assert "Traceback" not in line
    assert "None" not in line
    assert "Errno" not in line
    return line


# ls


def tensors() -> dict[str, Any]:
    grid = np.arange(12, dtype=np.int16).reshape(3, 4)
    return {
        "bool": np.array([True, False]),
        "dense/bias": FLOATS,
        "dense/kernel": np.zeros((300, 200), np.float64),
        "empty": np.zeros((0, 2), np.int8),
        "pieces": w.Sliced(grid, [[(0, 2), (0, -1)], [(2, 1), (0, -1)]]),
        "scalar": np.array(3, np.int64),
        "words": w.Strings([b"ab", b"c"], (2,)),
    }
