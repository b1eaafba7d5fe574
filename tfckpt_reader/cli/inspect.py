"""The command ``inspect``: the text of TensorFlow's ``inspect_checkpoint``, with its options."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.path_argument import CHECKPOINT, read_checkpoint
from tfckpt_reader.compat.inspection import inspected, parse_numpy_printoption
from tfckpt_reader.compat.reader import CheckpointReader

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from tfckpt_reader.checkpoint import Checkpoint


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``inspect``."""
    add = parser.add_argument
    add("path", metavar="PATH", help=CHECKPOINT)
    add("--tensor_name", default="", metavar="NAME", help="print this tensor")
    for option, text in (
        ("--all_tensors", "print all tensors with their values"),
        ("--all_tensor_names", "print dtype, shape and name of all tensors"),
    ):
        add(option, nargs="?", const=True, default=False, type=_boolean, metavar="BOOL", help=text)
    text = "regular expression for names that are left out of the count"
    add("--count_exclude_pattern", default="", metavar="REGEX", help=text)
    text = "options of numpy.set_printoptions, as threshold=100"
    kind = parse_numpy_printoption
    add("--printoptions", nargs="*", default=[], type=kind, metavar="K=V", help=text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ArgumentTypeError(f"{text!r} is neither true nor false; give PATH before the options")
    return text.lower() == "true"


def run(arguments: Namespace) -> int:
    """Print tensors of a checkpoint as TensorFlow does."""
    import numpy as np

    options: dict[str, Any] = {}
    for option in arguments.printoptions:
        options |= option

    def texts(ckpt: Checkpoint) -> tuple[list[str], str, tuple[str, ...]]:
        with np.printoptions(**options):
            printed = inspected(
                CheckpointReader(ckpt),
                arguments.tensor_name,
                all_tensors=arguments.all_tensors,
                all_tensor_names=arguments.all_tensor_names,
                count_exclude_pattern=arguments.count_exclude_pattern,
            )
            return list(printed), ckpt.reader.prefix, ckpt.notes

    printed, path, notes = read_checkpoint(arguments, texts)
    output.print_notes(notes)
    if arguments.json:
        output.print_json({"path": path, "notes": list(notes), "printed": printed})
    else:
        output.print_lines(*(line for text in printed for line in text.split("\n")))
    return 0
