"""The command ``convert``: arguments in, lines out, exit code back.

Prints what the layers below say.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.paths import location
from tfckpt_reader.export import convert as write
from tfckpt_reader.export.rename import read_list
from tfckpt_reader.text import count_of, printable

if TYPE_CHECKING:
    from argparse import Namespace

    from tfckpt_reader.export import Array


def convert(arguments: Namespace) -> int:
    """Convert a checkpoint: 0 if all that was selected was written, 1 if some was skipped."""
    with output.Progress("convert") as progress:
        done = write(
            location(arguments),
            arguments.out,
            include=arguments.include,
            exclude=arguments.exclude,
            force=arguments.force,
            skip_unsupported=arguments.skip_unsupported,
            raw=arguments.raw,
            strip_prefix=arguments.strip_prefix,
            rename=arguments.rename,
            names=read_list(arguments.map) if arguments.map else None,
            cast=arguments.cast,
            dry_run=arguments.dry_run,
            format=arguments.format,
            compress=arguments.compress,
            on_progress=progress,
        )
    if arguments.json:
        document = asdict(done)
        output.say_json({"path": document.pop("path"), "bytes": document.pop("nbytes"), **document})
        return 1 if done.skipped else 0
    output.notes(done.notes)
    output.say(*(printable(f"skipped {name}: {why}") for name, why in done.skipped.items()))
    if arguments.dry_run:
        output.say(*map(_plan_line, done.arrays))
    did = "would write" if arguments.dry_run else "wrote"
    amount = f"{count_of(len(done.written), 'tensor')}, {output.size_text(done.nbytes)}"
    output.say(printable(f"{did} {done.path}: {amount}"))
    return 1 if done.skipped else 0


def _plan_line(array: Array) -> str:
    """Return what becomes of a tensor; the names come last, so that long ones disturb no column."""
    size = output.size_text(array.nbytes)
    renamed = f"{array.tensor} => {array.name}" if array.tensor != array.name else array.name
    return printable(f"{array.dtype:<11}  {output.shape_text(array.shape)}  {size:>9}  {renamed}")
