"""The command ``average``: the average of checkpoints of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.cli import edited_checkpoint
from tfckpt_reader.cli.path_argument import CHECKPOINT
from tfckpt_reader.saving.average import average

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``average``."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help=CHECKPOINT)
    edited_checkpoint.add_arguments(parser)


def run(arguments: Namespace) -> int:
    """Write the average: 0."""
    return edited_checkpoint.run(arguments, lambda *rest: average(arguments.paths, *rest))
