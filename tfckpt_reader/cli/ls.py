"""The command ``ls``: the tensors of a checkpoint, from its index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.notation import shape_text, size_text
from tfckpt_reader.cli.describe.tensor import tensor_facts
from tfckpt_reader.cli.path_argument import CHECKPOINT, read_checkpoint
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.tensor.spec import TensorSpec


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``ls``."""
    add = parser.add_argument
    add("path", metavar="PATH", help=CHECKPOINT)
    add("glob", metavar="GLOB", nargs="*", default=[], help="list only names that match")
    add("--sort", choices=("name", "size"), default="name", help="order of lines")


def run(arguments: Namespace) -> int:
    """List the tensors of a checkpoint."""

    def listing(ckpt: Checkpoint) -> tuple[list[TensorSpec], tuple[str, ...], str, int, str]:
        names = select(ckpt.specs, arguments.glob)
        if arguments.glob and not names:
            raise TensorNotFoundError(
                f"no tensor matches {' '.join(arguments.glob)}", file=ckpt.reader.path
            )
        specs = [ckpt.specs[name] for name in names]
        return specs, ckpt.notes, ckpt.version, ckpt.reader.shard_count, ckpt.reader.prefix

    specs, notes, version, shards, path = read_checkpoint(arguments, listing)
    output.print_notes(notes)
    if arguments.sort == "size":
        specs.sort(key=lambda spec: -(spec.nbytes or 0))
    total = sum(spec.nbytes or 0 for spec in specs)
    if arguments.json:
        tensors = [tensor_facts(spec) for spec in specs]
        head = {"path": path, "version": version, "shards": shards, "bytes": total}
        output.print_json({**head, "notes": list(notes), "tensors": tensors})
        return 0
    unknown = sum(spec.nbytes is None for spec in specs)
    output.print_lines(
        *_table(specs),
        f"{count_of(len(specs), 'tensor')}, {size_text(total)} ({total:,} bytes), "
        + (f"and {count_of(unknown, 'tensor')} of unknown size, " if unknown else "")
        + f"{version}, {count_of(shards, 'shard')}",
    )
    return 0


def _table(specs: list[TensorSpec]) -> list[str]:
    """Return a line per tensor; the name comes last: a long one disturbs no column."""
    columns = [(str(spec.dtype), shape_text(spec.shape), size_text(spec.nbytes)) for spec in specs]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    return [
        f"{dtype:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}  {spec.name}"
        + (f"  (in {count_of(len(spec.slices), 'slice')})" if spec.slices else "")
        for (dtype, shape, size), spec in zip(columns, specs, strict=True)
    ]
