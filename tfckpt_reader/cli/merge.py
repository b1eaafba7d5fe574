"""The command ``merge``: several checkpoints, or the parts of a save, as one checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.cli import edited_checkpoint
from tfckpt_reader.cli.path_argument import CHECKPOINT
from tfckpt_reader.saving.edits import merge

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``merge``."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help=CHECKPOINT)
    edited_checkpoint.add_arguments(parser)


def run(arguments: Namespace) -> int:
    """Write the checkpoint: 0."""
    return edited_checkpoint.run(arguments, lambda *rest: merge(arguments.paths, *rest))
