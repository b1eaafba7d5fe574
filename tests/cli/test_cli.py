"""All commands alike: names that could do harm, wrong calls, interrupts, closed pipes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import NASTY, NASTY_BYTES, Run, one_line, process
from defects import DATA, INDEX, bundle, poke
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main

# Names that could do harm on a terminal.


def test_json_has_names_as_they_are(run: Run, nasty: Path) -> None:
    done = run("ls", nasty, "--json")
    assert done.out.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.out)
    names = [t["name"].encode("utf-8", "surrogateescape") for t in done.json["tensors"]]
    assert names == sorted(NASTY_BYTES)


def test_every_command_escapes_names(run: Run, nasty: Path, tmp_path: Path) -> None:
    outputs = [run("show", nasty, name) for name in NASTY]
    poke(nasty, DATA, 0)
    outputs += [run("show", nasty, NASTY[0]), run("verify", nasty), run("show", nasty, "\x1b[0m")]
    outputs += [run("convert", nasty, tmp_path / "out.npz"), run("ls", nasty, "\x1b[0m*")]
    outputs += [run("ls", tmp_path / "no\x1b[31m"), run("convert", nasty, tmp_path / "\x1b.npz")]
    for done in outputs:
        assert all(line.isprintable() for line in [*done.lines, *done.err.splitlines()])
        assert done.out + done.err


def test_notes_are_escaped(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    bundle(folder)
    done = run("ls", folder)
    assert done.code == 0
    assert "note: " in one_line(done.err)


# Calls.


@pytest.mark.parametrize(
    "arguments",
    [[], ["ls"], ["show", "p"], ["convert", "p"], ["frob", "p"], ["ls", "p", "--sort", "colour"],
     ["verify", "p", "--frob"], ["verify", "p", "--json", "q"], ["ls", "p", "--json", "--frob"],
     ["show", "p", "n", "--rows", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_call(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: tfckpt")
    assert "GLOB" not in done.err.splitlines()[-1]  # of which none is needed


@pytest.mark.parametrize("command", ["ls", "show", "verify", "convert"])
def test_help(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    for option in ("--json", "--latest", "--debug"):
        assert option in done.out
    assert command in run("--help").out


def test_arguments_come_from_the_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tfckpt", "ls", str(bundle(tmp_path))])
    assert main() == 0
    assert "4 tensors" in capsys.readouterr().out


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = process("ls", tmp_path / "no", "--debug")
    assert "Traceback" in done.err
    assert "CheckpointNotFoundError" in done.err
    assert done.code == 2
    assert process("ls", poke(bundle(tmp_path), INDEX, 3), "--debug").code == 1


def test_interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfckpt_reader.cli.ls.run", interrupt)
    done = run("ls", bundle(tmp_path))
    assert done.code == 128 + signal.SIGINT
    assert "interrupted" in one_line(done.err)


@pytest.mark.skipif(os.name == "nt", reason="other signals there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(
    number: signal.Signals, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ends the command; what comes while it cleans up does not disturb that."""
    cleaned: list[int] = []
    everyone = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def work(_: object) -> int:
        try:
            signal.raise_signal(number)
        finally:
            for each in everyone:
                signal.raise_signal(each)
            cleaned.append(number)
        return 0

    monkeypatch.setattr("tfckpt_reader.cli.ls.run", work)
    before = {each: signal.signal(each, signal.SIG_DFL) for each in everyone}  # nohup ignores some
    try:
        done = run("ls", bundle(tmp_path))
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert done.code == 128 + number
    assert "interrupted" in one_line(done.err)
    assert cleaned == [number]


@pytest.mark.skipif(os.name == "nt", reason="other signals there")
def test_signals_ignored_before(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `nohup` and shells in the background have it."""

    def work(_: object) -> int:
        signal.raise_signal(signal.SIGHUP)
        return 0

    monkeypatch.setattr("tfckpt_reader.cli.ls.run", work)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("ls", bundle(tmp_path)).code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("inside", [False, True])
def test_memory_runs_out(
    inside: bool, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, after the frames that fill the memory are gone; whatever raises it."""
    error = MemoryError()

    def fill(_: object) -> int:
        raise error

    def fill_inside(_: object) -> int:
        try:
            return fill(None)
        except MemoryError as cause:
            raise tfckpt.UnsupportedError("needs more memory") from cause

    monkeypatch.setattr("tfckpt_reader.cli.ls.run", fill_inside if inside else fill)
    done = run("ls", tmp_path / "x")
    assert done.code == 1
    assert "more memory" in one_line(done.err)
    assert error.__traceback__ is None


def test_the_command_is_installed() -> None:
    text = (FIXTURES.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.scripts]\ntfckpt = "tfckpt_reader.cli:main"\n' in text
    script = shutil.which("tfckpt", path=str(Path(sys.executable).parent))
    if script is not None:
        done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"tfckpt {tfckpt.__version__}\n"


# Pipes and terminals.


def test_as_a_process(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    listed = process("ls", prefix)
    assert (listed.code, listed.err) == (0, "")
    assert listed.lines[-1].startswith("4 tensors")
    assert process("verify", prefix).code == 0
    assert process("verify", poke(prefix, DATA, 1)).code == 1
    missing = process("verify", tmp_path / "no")
    assert (missing.code, missing.out) == (2, "")
    assert one_line(missing.err)


@pytest.mark.parametrize("more", [["ls"], ["ls", "--json"]], ids=" ".join)
def test_quiet_when_the_pipe_closes(more: list[str]) -> None:
    path = FIXTURES / "many_blocks" / "model.ckpt"
    command = [sys.executable, "-m", "tfckpt_reader", more[0], str(path), *more[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_quiet_when_nobody_reads_at_all(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    for arguments in (["ls", str(prefix)], ["ls", str(tmp_path / "no")]):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "tfckpt_reader", *arguments]
        both = subprocess.run(command, stdout=writer, stderr=writer, check=False)
        only = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert both.returncode == only.returncode == (2 if arguments[1].endswith("no") else 0)
        assert b"Traceback" not in only.stderr
        assert b"Exception" not in only.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams")
@pytest.mark.parametrize(("closed", "name", "code"), [(1, "p", 0), (2, "p", 0), (2, "no", 2)])
def test_streams_that_are_closed(closed: int, name: str, code: int, tmp_path: Path) -> None:
    bundle(tmp_path)
    command = [sys.executable, "-m", "tfckpt_reader", "ls", str(tmp_path / name)]
    shell = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert ("4 tensors" in done.stdout) == (name == "p" and closed == 2)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_stdout_that_is_full(unbuffered: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tfckpt_reader", "ls", str(bundle(tmp_path))]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment
        )
    assert done.returncode == 2
    assert "No space left" in one_line(done.stderr.decode())
