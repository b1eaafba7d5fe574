"""Printing: results on stdout, everything else on stderr.

Names in files may be anything: `_line` keeps them from driving the terminal or the CI service.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tfckpt_reader.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

SCHEMA = 1
"""Version of every JSON document; raised when a field changes its meaning or goes away."""
_PATIENCE = 1.0
"""Seconds of work before a progress bar appears."""


@contextmanager
def streams() -> Iterator[None]:
    """Let stdout and stderr take any character, by escapes where necessary; flush stdout."""
    if sys.stdout is None or sys.stderr is None:  # closed by the shell: print nowhere
        null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        sys.stdout, sys.stderr = sys.stdout or null, sys.stderr or null
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with _stdout():
            sys.stdout.flush()


@contextmanager
def _stdout() -> Iterator[None]:
    """Write to stdout; after a failure, drop the rest, or Python would write it again at exit.

    A reader may close the pipe when it has seen enough: no error.
    """
    try:
        yield
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        if not isinstance(error, BrokenPipeError):
            raise


def in_github() -> bool:
    """Return whether a GitHub job runs this, and takes some lines for commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _line(text: str) -> str:
    """Return a text as one line: control characters escaped, no command for GitHub."""
    text = printable(text)
    if in_github():
        from tfckpt_reader.verification.reports.github import harmless

        text = harmless(text)
    return f"{text}\n"


def print_lines(*lines: str) -> None:
    """Print lines of a result."""
    with _stdout():
        sys.stdout.writelines(map(_line, lines))


def print_json(document: dict[str, Any]) -> None:
    """Print a JSON document, its schema version first. Lone surrogates come as escapes."""
    from tfckpt_reader.verification.reports.json_report import json_stream

    with _stdout():
        for text in json_stream({"schema": SCHEMA, **document}):
            sys.stdout.write(text.replace("##[", "#\\u0023["))  # a command for GitHub, in names
        sys.stdout.write("\n")


def print_commands(commands: Iterable[str], *, to_stderr: bool = False) -> None:
    """Print commands for the CI service."""
    lines = (f"{command}\n" for command in commands)
    if to_stderr:
        with suppress(OSError):
            sys.stderr.writelines(lines)
    else:
        with _stdout():
            sys.stdout.writelines(lines)


def print_message(text: str) -> None:
    """Print a line to stderr."""
    with suppress(OSError):  # stderr may be closed
        sys.stderr.write(_line(f"tfckpt: {text}"))
        sys.stderr.flush()


def print_notes(notes: Iterable[str]) -> None:
    """Print assumptions to stderr."""
    for note in notes:
        print_message(f"note: {note}")


class ProgressBar:
    """A bar on stderr for work of more than a second; needs a terminal and rich."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._wanted = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show the bytes done, of their total."""
        if self._wanted and self._bar is None and time.monotonic() - self._began >= _PATIENCE:
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
            progress.TextColumn(self._label),
            progress.BarColumn(),
            progress.DownloadColumn(binary_units=True),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(self._label, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
