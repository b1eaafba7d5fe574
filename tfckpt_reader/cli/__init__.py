"""The command ``tfckpt``: its table of commands, the options of all, and its exit codes.

Each command has a module with `add_arguments` and `run`. A call imports only the module of its own
command: ``tfckpt ls`` starts fast.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from tfckpt_reader import __version__
from tfckpt_reader.cli import output, signals
from tfckpt_reader.errors import (
    NO_MEMORY,
    CheckpointError,
    CorruptCheckpointError,
    ErrorKind,
    UnsupportedError,
    forget_frames,
)
from tfckpt_reader.storage.filesystem import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "ls": "List the tensors: dtype, shape, size, name.",
    "tree": "Count tensors, parameters and bytes by scope, or by object.",
    "show": "Describe one tensor and its values.",
    "inspect": "Print what TensorFlow's inspect_checkpoint prints.",
    "verify": "Check every block, entry and tensor.",
    "repair-state": "Rewrite the paths of a `checkpoint` file after a move.",
    "convert": "Write the tensors to an .npz or .safetensors file, or to .npy files.",
    "average": "Write the average of checkpoints of one run.",
    "merge": "Write several checkpoints, or the parts of a save, as one.",
    "set": "Write a checkpoint with other values for some tensors.",
    "meta": "Describe the graph in a .meta file, a SavedModel or a frozen graph.",
    "graph": "Draw a graph for TensorBoard or Graphviz, or write its nodes.",
    "freeze": "Write a graph with its weights as constants, to run it without TensorFlow.",
    "run": "Compute a model's outputs for given inputs, in OpenVINO.",
}
"""Each command and its line of help."""
_OPTIONS = {
    "--latest": "in a folder with several checkpoints and no state file, use the newest",
    "--json": "print JSON",
    "--debug": "show the traceback of an error",
}
"""Each option of all commands and its line of help."""
_PATHS = {"path", "paths"}
"""Arguments that may be URLs, with secrets that must not be printed."""
_EXIT_CODES = (
    "Exit code: 0 good; 1 findings or damage; 2 no checkpoint, not readable, or wrong arguments."
)
_BY_SIGNAL = 128
"""Exit code after a signal, as shells have it: this and its number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    with signals.raised_once(for_good=arguments is None) as received:
        try:
            return _main(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:
            from tfckpt_reader.storage.writing.unfinished import clean_up

            clean_up()
            output.print_message("interrupted; nothing was left half written")
    return _BY_SIGNAL + (received or [signal.SIGINT])[0]


def _main(arguments: Sequence[str]) -> int:
    debug = False
    try:
        with output.streams():
            parsed = _parse(arguments)
            debug = parsed.debug
            return int(parsed.run(parsed))
    except (CheckpointError, OSError, ValueError, MemoryError) as error:
        if debug:
            import traceback

            traceback.print_exc()
        failure = error
    forget_frames(failure)  # after the handler, which holds them too
    output.print_message(_error_text(failure))
    return _exit_code(failure)


def _exit_code(error: Exception) -> int:
    """Return 1 for a checkpoint that is there and bad, 2 where nothing is known of it."""
    if isinstance(error, CorruptCheckpointError | UnsupportedError | MemoryError):
        return 2 if getattr(error, "kind", None) is ErrorKind.CHANGED else 1
    is_incomplete = isinstance(error, CheckpointError) and error.kind is ErrorKind.INCOMPLETE
    return 1 if is_incomplete else 2


def _error_text(error: Exception) -> str:
    """Return an error in one line; errors of the system lose their number."""
    if isinstance(error, OSError) and error.strerror:
        file = "output" if error.filename is None else os.fsdecode(error.filename)
        return f"{file}: {error.strerror}"
    return NO_MEMORY if isinstance(error, MemoryError) else str(error)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; globs may follow options, too: argparse leaves those over."""
    # No option before the command takes a value.
    called = next((word for word in arguments if not word.startswith("-")), None)
    parser = _parser(called)
    parsed, rest = parser.parse_known_args(arguments)
    if rest and ("glob" not in parsed or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        parsed.glob = [*parsed.glob, *rest]
    for name in _PATHS & vars(parsed).keys():
        given = getattr(parsed, name)
        setattr(parsed, name, [*map(path_of, given)] if isinstance(given, list) else path_of(given))
    return parsed


def _parser(called: str | None) -> argparse.ArgumentParser:
    """Return the parser: with all commands for the help, else only with the called one."""
    parser = argparse.ArgumentParser(
        prog="tfckpt", description="Read TensorFlow checkpoints without TensorFlow."
    )
    parser.add_argument("--version", action="version", version=f"tfckpt {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, prog=parser.prog)
    for name in [called] if called in COMMANDS else COMMANDS:
        summary = COMMANDS[name]
        command = commands.add_parser(name, help=summary, description=summary, epilog=_EXIT_CODES)
        if name == called:
            module = import_module(f"{__name__}.{name.replace('-', '_')}")
            module.add_arguments(command)
            for option, text in _OPTIONS.items():
                command.add_argument(option, action="store_true", help=text)
            command.set_defaults(run=module.run)
    return parser
