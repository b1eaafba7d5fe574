"""The command ``convert``: arguments in, lines out, exit code back.

Rank 14: prints what the layers below say.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.path import location
from tfckpt_reader.errors import count_of, printable
from tfckpt_reader.export import convert as write

if TYPE_CHECKING:
    from argparse import Namespace


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
            on_progress=progress,
        )
    if arguments.json:
        document = asdict(done)
        output.say_json({"path": document.pop("path"), "bytes": document.pop("nbytes"), **document})
        return 1 if done.skipped else 0
    output.notes(done.notes)
    output.say(*(printable(f"skipped {name}: {why}") for name, why in done.skipped.items()))
    output.say(
        printable(
            f"wrote {done.path}: {count_of(len(done.written), 'tensor')}, "
            f"{output.size_text(done.nbytes)}"
        )
    )
    return 1 if done.skipped else 0
