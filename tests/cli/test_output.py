"""Output on terminals and in pipes: progress, colour and width."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import process, tensors
from defects import DATA, bundle, poke

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.notation import size_text

ASKED_OF_RICH = ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Variables by which a user overrules what a terminal is."""


class Terminal:
    """Run the command with some of its streams on a terminal of its own."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns

    def run(self, code: str, *, stdout: bool, stderr: bool, **environment: str) -> tuple[str, str]:
        """What came over the terminal, and what through the pipe of the other stream."""
        pty = pytest.importorskip("pty", reason="no terminals here")
        import fcntl
        import struct
        import termios

        ours, theirs = pty.openpty()
        size = struct.pack("HHHH", 24, self.columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        env = {k: v for k, v in os.environ.items() if k not in ASKED_OF_RICH}
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=theirs if stdout else subprocess.PIPE,
            stderr=theirs if stderr else subprocess.PIPE,
            env={**env, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
        ) as child:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    part = os.read(ours, 1 << 16)
                except OSError:  # Linux: the other side is closed
                    break
                if not part:
                    break
                shown += part
            os.close(ours)
            piped = b"".join(s.read() for s in (child.stdout, child.stderr) if s is not None)
        return shown.decode().replace("\r\n", "\n"), piped.decode()


def calling(*arguments: object, patience: float | None = None, before: str = "") -> str:
    """Code that runs the command, with another patience for progress, and prints its exit code."""
    lines = ["import sys", before, "from tfckpt_reader.cli import main, output"]
    if patience is not None:
        lines.append(f"output._PATIENCE = {patience}")
    return "\n".join([*lines, f"sys.exit(main({[str(a) for a in arguments]!r}))"])


@pytest.fixture
def sizeable(tmp_path: Path) -> Path:
    """Some megabytes: progress is told more than once."""
    return bundle(tmp_path, {f"t{i}": np.zeros(1 << 21, np.uint8) for i in range(4)})


@pytest.mark.parametrize("command", ["verify", "convert"])
def test_progress_on_a_terminal(command: str, sizeable: Path) -> None:
    pytest.importorskip("rich")
    out = [sizeable.parent / "out.npz"] if command == "convert" else []
    code = calling(command, sizeable, *out, patience=0)
    shown, piped = Terminal().run(code, stdout=False, stderr=True)
    assert command in shown
    assert "MiB" in shown
    assert "\x1b[" in shown
    assert "\x1b" not in piped
    assert len(piped.splitlines()) == 1
    assert shown.rstrip("\n").endswith(("\x1b[2K", "\x1b[?25h")), "the bar is wiped away"


@pytest.mark.parametrize("command", ["verify", "convert"])
def test_no_progress_in_a_pipe(command: str, sizeable: Path) -> None:
    out = [sizeable.parent / "out.npz"] if command == "convert" else []
    code = calling(command, sizeable, *out, patience=0)
    shown, piped = Terminal().run(code, stdout=True, stderr=False)
    assert piped == ""
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1


def test_no_progress_for_quick_work(sizeable: Path) -> None:
    shown, _ = Terminal().run(calling("verify", sizeable, patience=60), stdout=False, stderr=True)
    assert shown == ""
    assert output._PATIENCE == 1.0  # "anything over a second"


def test_no_progress_without_rich(sizeable: Path) -> None:
    code = calling("verify", sizeable, patience=0, before="sys.modules['rich'] = None")
    shown, piped = Terminal().run(code, stdout=False, stderr=True)
    assert shown == ""
    assert "sound" in piped


def test_progress_without_colour(sizeable: Path) -> None:
    pytest.importorskip("rich")
    code = calling("verify", sizeable, patience=0)
    shown, _ = Terminal().run(code, stdout=False, stderr=True, NO_COLOR="1")
    assert "verify" in shown
    assert not re.search(r"\x1b\[[\d;]*(3[0-7]|38|9[0-7])[\d;]*m", shown)


def test_progress_is_wiped_before_an_error(sizeable: Path) -> None:
    pytest.importorskip("rich")
    poke(sizeable, DATA, -1)
    code = calling("convert", sizeable, sizeable.parent / "out.npz", patience=0)
    shown, _ = Terminal().run(code, stdout=False, stderr=True)
    last = shown.rstrip("\n").splitlines()[-1]
    assert "tfckpt: " in last
    assert "crc does not match" in shown


@pytest.mark.parametrize("columns", [10, 200])
def test_lines_do_not_depend_on_the_terminal(columns: int, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    plain = process("ls", prefix).out
    shown, piped = Terminal(columns).run(calling("ls", prefix), stdout=True, stderr=True)
    assert shown == plain
    assert piped == ""


def test_narrow_terminal_with_progress(sizeable: Path) -> None:
    code = calling("verify", sizeable, patience=0)
    shown, piped = Terminal(8).run(code, stdout=False, stderr=True)
    assert "Traceback" not in shown
    assert "sound" in piped


def test_progress_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the first second, then a bar that is updated."""
    rich = pytest.importorskip("rich.progress")
    now, updates = [100.0], []

    class Bar:
        def __init__(self, *_: object, **__: object) -> None:
            updates.append("made")

        def start(self) -> None:
            updates.append("started")

        def stop(self) -> None:
            updates.append("stopped")

        def add_task(self, *_: object, **__: object) -> int:
            return 1

        def update(self, _: int, *, completed: int, total: int) -> None:
            updates.append(f"{completed}/{total}")

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(rich, "Progress", Bar)
    with output.ProgressBar("work") as progress:
        progress(1, 10)
        now[0] += 0.9
        progress(2, 10)
        assert updates == []
        now[0] += 0.2
        progress(3, 10)
        progress(10, 10)
    assert updates == ["made", "started", "3/10", "10/10", "stopped"]


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"),
     (1_048_575, "1.0 MiB"), (5 << 30, "5.0 GiB"), (1 << 50, "1.0 PiB"), (1 << 62, "4096.0 PiB"),
     (None, "?")],
)  # fmt: skip
def test_size_text(nbytes: int | None, text: str) -> None:
    assert size_text(nbytes) == text
