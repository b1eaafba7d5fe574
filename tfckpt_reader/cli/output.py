"""Printing: results on stdout, everything else on stderr.

Knows how things look, not what they mean.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tfckpt_reader.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

SCHEMA = 1
"""Version of every JSON document; raised when a field changes its meaning or goes away."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_PATIENCE = 1.0
"""Seconds before progress is shown."""


def prepare() -> None:
    """Make stdout and stderr take any character, as an escape where the terminal has not got it."""
    if sys.stdout is None or sys.stderr is None:  # closed by the shell: print nowhere
        null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        sys.stdout, sys.stderr = sys.stdout or null, sys.stderr or null
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def in_github() -> bool:
    """Tell whether a GitHub job runs this, and looks for commands in what is printed."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def say(*lines: str) -> None:
    """Print lines of a result. A reader that closed the pipe has seen enough: no complaint."""
    _write(_no_command(line) + "\n" for line in lines)


def command(*lines: str, to_stderr: bool = False) -> None:
    """Print lines that the service that runs this shall take for commands."""
    if not to_stderr:
        _write(line + "\n" for line in lines)
        return
    with suppress(OSError):
        sys.stderr.write("".join(line + "\n" for line in lines))


def _no_command(line: str) -> str:
    """Return a line so that no service takes it for a command: names may be anything."""
    if not in_github():
        return line
    from tfckpt_reader.verification.reports.github import harmless

    return harmless(line)


def _write(pieces: Iterable[str]) -> None:
    try:
        for piece in pieces:
            sys.stdout.write(piece)
    except BrokenPipeError:
        _drop_stdout()


def finish() -> None:
    """Flush stdout."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()


def _drop_stdout() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def say_json(document: dict[str, Any]) -> None:
    """Print a JSON document, its schema version first. Lone surrogates come as escapes."""
    from tfckpt_reader.verification.reports.json_report import json_stream

    pieces = json_stream({"schema": SCHEMA, **document})
    _write(piece.replace("##[", "#\\u0023[") for piece in pieces)  # GitHub's commands, in names
    _write(["\n"])


def remark(text: str) -> None:
    """Print a line to stderr."""
    with suppress(OSError):  # stderr may be closed: nobody listens
        sys.stderr.write(_no_command(f"tfckpt: {printable(text)}") + "\n")
        sys.stderr.flush()


def notes(lines: Iterable[str]) -> None:
    """Print what was assumed to stderr."""
    for line in lines:
        remark(f"note: {line}")


def size_text(nbytes: int | None) -> str:
    """Return "612.5 KiB"; "?" where the size is not known."""
    if nbytes is None:
        return "?"
    amount, unit = float(nbytes), 0
    while round(amount, 1) >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{nbytes} B"


def shape_text(shape: tuple[int, ...]) -> str:
    """Return "[784, 200]"; "scalar" for rank 0."""
    return str(list(shape)) if shape else "scalar"


class Progress:
    """A bar on stderr, for work that takes over a second, on a terminal, where rich is there."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._wanted = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is, in bytes."""
        if not self._wanted:
            return
        if self._bar is None:
            if time.monotonic() - self._began < _PATIENCE:
                return
            self._start(total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def _start(self, total: int) -> None:
        try:
            from rich import progress
            from rich.console import Console
        except ImportError:
            self._wanted = False
            return
        self._bar = progress.Progress(
            progress.TextColumn(self._what),
            progress.BarColumn(),
            progress.DownloadColumn(binary_units=True),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(self._what, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
