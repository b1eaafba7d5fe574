"""Arguments and output shared by the commands that write a checkpoint out of others."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.notation import size_text
from tfckpt_reader.export.plan import Options
from tfckpt_reader.saving.edits import FORMAT
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from tfckpt_reader.export import Conversion


def add_arguments(parser: ArgumentParser) -> None:
    """Add OUT, and the options."""
    parser.add_argument("out", metavar="OUT", help="prefix of the checkpoint to write")
    parser.add_argument("--shards", type=int, default=1, metavar="N", help="data files")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def run(arguments: Namespace, write: Callable[..., Conversion]) -> int:
    """Call ``write(OUT, options, progress)`` and print its result."""
    options = Options(format=FORMAT, shards=arguments.shards, force=arguments.force)
    with output.ProgressBar("write") as progress:
        done = write(arguments.out, options, progress)
    if arguments.json:
        facts = asdict(done)
        output.print_json({"path": facts.pop("path"), "bytes": facts.pop("nbytes"), **facts})
        return 0
    output.print_notes(done.notes)
    amount = f"{count_of(len(done.written), 'tensor')}, {size_text(done.nbytes)}"
    output.print_lines(f"wrote {done.path}: {amount}")
    return 0
