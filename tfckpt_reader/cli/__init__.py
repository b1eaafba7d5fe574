"""The command ``tfckpt``.

Arguments and exit codes; no logic worth testing without it.

Exit codes: 0 good; 1 findings or damage; 2 nothing there, not readable, or a wrong call.
"""

from __future__ import annotations

import _thread
import argparse
import os
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from tfckpt_reader import __version__
from tfckpt_reader import cli as ctrl_c
from tfckpt_reader.cli import output
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, UnsupportedError
from tfckpt_reader.verification.codes import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PATH = "checkpoint: its prefix, any of its files, a folder, or a SavedModel"
_INTERRUPTED = 130
_EXIT_CODES = (
    "Exit code: 0 good; 1 findings or damage; 2 nothing there, not readable, or a wrong call."
)
_REPORTS = {
    "--junit": "JUnit XML, a case per file and per top scope of names",
    "--sarif": "SARIF 2.1.0",
    "--markdown": "a summary in Markdown",
}
"""Options of `verify` that write a file -> what into it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    output.prepare()
    parsed = _parse(arguments)
    try:
        module = import_module(f"tfckpt_reader.cli.{HOMES[parsed.command]}")
        run = getattr(module, parsed.command)
        with ctrl_c.heard():
            return int(run(parsed))
    except KeyboardInterrupt:
        output.remark("interrupted; nothing was left half written")
        return _INTERRUPTED
    except (CheckpointError, OSError, ValueError) as error:
        if parsed.debug:
            import traceback

            traceback.print_exc()
        output.remark(_text(error))
        bad = isinstance(error, CorruptCheckpointError | UnsupportedError)
        return 1 if bad else 2
    finally:
        output.finish()


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        what = "output" if error.filename is None else os.fsdecode(error.filename)
        return f"{what}: {error.strerror}"
    return str(error)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments; globs may stand behind options too, which argparse would not have."""
    parser = _parser()
    parsed, rest = parser.parse_known_args(arguments)
    if rest and (parsed.command != "ls" or any(argument.startswith("-") for argument in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        parsed.glob = [*parsed.glob, *rest]
    return parsed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfckpt", description="Read TensorFlow checkpoints without TensorFlow."
    )
    parser.add_argument("--version", action="version", version=f"tfckpt {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (what, add_arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what, epilog=_EXIT_CODES)
        number = "+" if name == "verify" else None
        command.add_argument("path", metavar="PATH", nargs=number, help=_PATH)
        add_arguments(command)
        command.add_argument(
            "--latest",
            action="store_true",
            help="in a folder with several checkpoints and no state file, take the newest",
        )
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(command=name)
    return parser


def _ls(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "glob", metavar="GLOB", nargs="*", default=[], help="only names that match"
    )
    command.add_argument("--sort", choices=("name", "size"), default="name", help="order of lines")


def _show(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the tensor")
    command.add_argument("--rows", type=_rows, metavar="A:B", help="print these rows")


def _verify(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--level",
        choices=LEVELS,
        default="data",
        help="how far to go; each level includes those before it (default: data)",
    )
    command.add_argument("--strict", action="store_true", help="let warnings fail, too")
    command.add_argument(
        "--all", action="store_true", help="PATH is a folder: every checkpoint in and below it"
    )
    for option, what in _REPORTS.items():
        command.add_argument(option, metavar="FILE", help=f"write {what}")
    command.add_argument(
        "--github",
        action=argparse.BooleanOptionalAction,
        help="annotations and a summary for GitHub; by itself where GITHUB_ACTIONS is set",
    )
    command.add_argument(
        "--explain",
        action=_Explain,
        nargs="?",
        metavar="CODE",
        help="say what a code means, or what all do, and end",
    )


class _Explain(argparse.Action):
    """Needs no PATH, as --version needs none."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        code: object,
        _option: str | None = None,
    ) -> None:
        from tfckpt_reader.verification.codes import CODES

        names = {kind.name: number for number, kind in CODES.items()}
        wanted = "" if code is None else names.get(str(code), str(code).upper())
        if wanted and wanted not in CODES:
            parser.error(f"no problem has the code {code!r}; there are {', '.join(CODES)}")
        output.say(
            *(
                f"{number} {kind.name}, {kind.severity}: {kind.meaning} {kind.cure}"
                f" Found at level {kind.level}."
                for number, kind in CODES.items()
                if wanted in ("", number)
            )
        )
        parser.exit()


def _convert(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "out", metavar="OUT", help="the file to write, .npz or .safetensors, or a folder/ for .npy"
    )
    command.add_argument(
        "--format", choices=("npz", "safetensors", "npy"), help="whatever OUT ends in"
    )
    command.add_argument("--compress", action="store_true", help="deflate; an .npz only")
    for option, what in (("--include", "only names that match"), ("--exclude", "leave these out")):
        command.add_argument(option, action="append", default=[], metavar="GLOB", help=what)
    command.add_argument(
        "--strip-prefix", default="", metavar="TEXT", help="take this off the front of names"
    )
    command.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="'REGEX=>TEXT'",
        help="replace in names; several go one after another",
    )
    command.add_argument("--map", metavar="FILE", help=".json or .toml: name -> name in OUT")
    command.add_argument(
        "--cast",
        choices=("float32", "float16", "bfloat16"),
        help="store all floating-point numbers as this type",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="print what would be written, and write nothing"
    )
    command.add_argument("--force", action="store_true", help="replace OUT if it exists")
    command.add_argument(
        "--skip-unsupported",
        action="store_true",
        help="leave out what the format cannot hold (exit code 1 if anything was)",
    )
    command.add_argument(
        "--raw",
        action="store_true",
        help="keep the bits of bfloat16, float8, float4, int4 and int2, as uint16 or uint8",
    )


def _meta(command: argparse.ArgumentParser) -> None:
    one = command.add_mutually_exclusive_group()
    one.add_argument(
        "--ops", nargs="?", const="*", metavar="GLOB", help="list the operations, or those named so"
    )
    one.add_argument("--op", metavar="NAME", help="all about one operation")
    one.add_argument("--variables", action="store_true", help="list the variables")
    one.add_argument("--signatures", action="store_true", help="list inputs and outputs")
    command.add_argument(
        "--trainable", action="store_true", help="list only the variables that training changes"
    )


def _graph(command: argparse.ArgumentParser) -> None:
    kind = command.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--tensorboard", metavar="LOGDIR", help="write an event file that TensorBoard shows"
    )
    kind.add_argument("--dot", action="store_true", help="print it for Graphviz, scopes as boxes")
    command.add_argument(
        "--depth",
        type=int,
        metavar="N",
        help="with --dot: how many parts of names to keep; 0 takes conv and conv_1 for one"
        " (default: as many as can be read)",
    )
    command.add_argument("--function", metavar="NAME", help="with --dot: draw this function")
    command.add_argument(
        "--subgraph",
        action="append",
        default=[],
        metavar="OUT",
        help="only what this tensor or operation needs; may be given again",
    )


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "ls": ("List the tensors: dtype, shape, size, name.", _ls),
    "show": ("Describe one tensor and its values.", _show),
    "verify": ("Check every block, entry and tensor.", _verify),
    "convert": ("Write the tensors to an .npz or .safetensors file, or to .npy files.", _convert),
    "meta": ("Describe the graph in a .meta file, a SavedModel or a frozen graph.", _meta),
    "graph": ("Draw the graph that meta describes, for TensorBoard or Graphviz.", _graph),
}
"""Name -> what it does, and what adds its arguments."""
HOMES = {
    "ls": "ls",
    "show": "ls",
    "verify": "verify",
    "convert": "convert",
    "meta": "meta",
    "graph": "graph",
}
"""Name -> module that has a function of that name for it; only that one is imported."""


def _rows(text: str) -> slice:
    first, colon, last = text.partition(":")
    try:
        if colon:
            return slice(int(first) if first else None, int(last) if last else None)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"rows are given as A:B, not {text!r}")


_LATER = 0.05
"""Seconds until it comes again: the finalizer is over by then."""


@contextmanager
def heard() -> Iterator[None]:
    """Let a Ctrl-C that a finalizer swallows come again, for as long as this lasts."""
    before, over = sys.unraisablehook, threading.Event()

    def again() -> None:
        if not over.wait(_LATER):
            _thread.interrupt_main()

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(again, ())  # a Thread would wait here for its own beginning
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = before
