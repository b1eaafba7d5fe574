"""The command ``set``: a checkpoint with other values for some tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.cli import edited_checkpoint
from tfckpt_reader.cli.path_argument import CHECKPOINT
from tfckpt_reader.saving.edits import replace

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``set``."""
    parser.add_argument("path", metavar="PATH", help=CHECKPOINT)
    value = "a tensor, and the .npy file of its new value"
    parser.add_argument("values", nargs="+", metavar="NAME=FILE.npy", help=value)
    edited_checkpoint.add_arguments(parser)


def run(arguments: Namespace) -> int:
    """Write the checkpoint: 0."""
    values = dict(map(_value, arguments.values))
    return edited_checkpoint.run(arguments, lambda *rest: replace(arguments.path, values, *rest))


def _value(text: str) -> tuple[str, str]:
    """Parse ``NAME=FILE``."""
    name, equals, file = text.rpartition("=")
    if not equals or not name or not file:
        raise ValueError(f"a value is written NAME=FILE.npy, not {text!r}")
    return name, file
