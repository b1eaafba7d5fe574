"""The command ``convert``: the tensors of a checkpoint in another format."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.choosing import VIEWS, add_names_option, add_role_options
from tfckpt_reader.cli.describe.notation import shape_text, size_text
from tfckpt_reader.cli.path_argument import CHECKPOINT
from tfckpt_reader.export import convert_with
from tfckpt_reader.export.elements import CAST_TYPES
from tfckpt_reader.export.formats import FORMATS
from tfckpt_reader.export.plan import Options
from tfckpt_reader.export.rename import read_list
from tfckpt_reader.export.sources import locate_source
from tfckpt_reader.objects.totals import shares_text
from tfckpt_reader.text import count_of, shortened

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from tfckpt_reader.export import Array


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``convert``; the options have the names of `Options`."""
    add = parser.add_argument
    add("path", metavar="PATH", help=CHECKPOINT)
    add(
        "out",
        metavar="OUT",
        help="file to write: .npz, .safetensors, .h5, .zarr; folder/ of .npy; .ckpt",
    )
    _add_format_options(parser)
    matching = "tensors whose names match GLOB, or re:REGEX; may be repeated"
    for option, verb in (("--include", "write only"), ("--exclude", "leave out")):
        add(option, action="append", default=[], metavar="GLOB", help=f"{verb} {matching}")
    add("--strip-prefix", default="", metavar="TEXT", help="remove this prefix from names")
    rule = "replace matches in names; may be repeated, each applies to what the one before left"
    add("--rename", action="append", default=[], metavar="'REGEX=>TEXT'", help=rule)
    add_role_options(parser, "write")
    ema = "write the moving average of each weight in its place, under its name, if it has one"
    add("--ema", action="store_true", help=ema)
    accept = "accept that patterns or roles leave out weights, even all of them"
    add("--allow-no-weights", action="store_true", help=accept)
    either = parser.add_mutually_exclusive_group()
    add_names_option(either)
    names = ".json or .toml file of names: tensor -> array in OUT"
    either.add_argument("--map", metavar="FILE", help=names)
    add("--cast", choices=tuple(CAST_TYPES), help="store all floating-point numbers as this type")
    add("--dry-run", action="store_true", help="write nothing; print what would be written")
    add("--force", action="store_true", help="replace OUT if it exists")
    skip = "leave out tensors that the format cannot hold (exit code 1 if there are any)"
    add("--skip-unsupported", action="store_true", help=skip)
    raw = "keep the bits of bfloat16, float8, float4, int4 and int2, as uint16 or uint8"
    add("--raw", action="store_true", help=raw)


def _add_format_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--format", choices=tuple(FORMATS), help="format to write, whatever OUT ends in")
    add("--shards", type=int, default=1, metavar="N", help="data files of a checkpoint")
    cut = "store the tensors that match GLOB in N slices along an axis, 1 joins; may be repeated"
    add(
        "--partition",
        dest="partitions",
        action="append",
        default=[],
        metavar="GLOB=AXIS:N",
        help=cut,
    )
    add("--compress", action="store_true", help="deflate the arrays of an .npz, .h5 or .zarr")
    flat = "name the arrays of an .h5 or .zarr without groups: / becomes %%2F"
    add("--flat", action="store_true", help=flat)
    chunks = "store an .h5 or .zarr in chunks of at most this size"
    add("--chunk-size", type=int, metavar="BYTES", help=chunks)


def run(arguments: Namespace) -> int:
    """Convert a checkpoint: 0 if every selected tensor was written, 1 if some were skipped.

    1, too, if patterns or roles left weights out, and that was not accepted.
    """
    chosen = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    with output.ProgressBar("convert") as progress:
        location = locate_source(arguments.path, latest=arguments.latest)
        chosen["names"] = read_list(arguments.map) if arguments.map else VIEWS[arguments.names]
        chosen["partitions"] = dict(map(_partition, arguments.partitions))
        done = convert_with(location, arguments.out, Options(**chosen), progress)
    code = 1 if done.skipped or (done.lost and not arguments.allow_no_weights) else 0
    if done.lost:
        output.print_message(_loss_line(done.lost))
    if arguments.json:
        facts = asdict(done)
        output.print_json({"path": facts.pop("path"), "bytes": facts.pop("nbytes"), **facts})
        return code
    output.print_notes(done.notes)
    output.print_lines(*(f"skipped {name}: {why}" for name, why in done.skipped.items()))
    if arguments.dry_run:
        output.print_lines(*map(_plan_line, done.arrays))
    did = "would write" if arguments.dry_run else "wrote"
    amount = f"{count_of(len(done.written), 'tensor')}, {size_text(done.nbytes)}"
    output.print_lines(f"{did} {done.path}: {amount}: {shares_text(done.roles, done.roles_by)}")
    return code


def _loss_line(lost: Sequence[str]) -> str:
    counted = count_of(len(lost), "weight")
    names = shortened(", ".join(lost))
    return f"{counted} left out by patterns or roles (--allow-no-weights accepts that): {names}"


def _partition(text: str) -> tuple[str, tuple[int, int]]:
    """Parse ``GLOB=AXIS:N``."""
    pattern, _, numbers = text.rpartition("=")
    found = re.fullmatch(r"(\d{1,3}):(\d{1,9})", numbers)
    if not pattern or found is None:
        raise ValueError(f"a partition is written GLOB=AXIS:N, not {text!r}")
    return pattern, (int(found[1]), int(found[2]))


def _plan_line(array: Array) -> str:
    """Return a line for an array; the names come last: long ones disturb no column."""
    size = size_text(array.nbytes)
    names = f"{array.tensor} => {array.name}" if array.tensor != array.name else array.name
    return f"{array.dtype:<11}  {shape_text(array.shape)}  {size:>9}  {names}"
