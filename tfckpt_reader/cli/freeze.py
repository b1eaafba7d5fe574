"""The command ``freeze``: a graph with its weights as constants, as one file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import open_location
from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.interface import endpoint_facts
from tfckpt_reader.cli.describe.notation import known, shape_text, size_text
from tfckpt_reader.cli.path_argument import CHECKPOINT, graph_file
from tfckpt_reader.graph.meta_graph import read_meta_graph
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Sequence

    from tfckpt_reader.graph.freeze.frozen import FrozenGraph
    from tfckpt_reader.graph.freeze.request import Options
    from tfckpt_reader.graph.infer.endpoints import Endpoint
    from tfckpt_reader.graph.meta_graph import MetaGraph

_CASTS = {"float16": DataType.FLOAT16, "bfloat16": DataType.BFLOAT16}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``freeze``."""
    add = parser.add_argument
    add("path", metavar="PATH", help=CHECKPOINT)
    add("out", metavar="OUT.pb", help="frozen graph to write")
    add_part(parser)
    cast = "store floating-point weights as this type; the graph computes as before"
    tables = "keep lookup tables, and the operations that fill them, which have to run first"
    add("--keep-tables", action="store_true", help=tables)
    add("--cast", choices=tuple(_CASTS), help=cast)
    add("--dry-run", action="store_true", help="write nothing; print what would be written")
    add("--force", action="store_true", help="replace OUT.pb if it exists")


def add_part(parser: ArgumentParser) -> None:
    """Add the arguments that choose a part of the graph."""
    add = parser.add_argument
    outputs = "tensor to compute; may be repeated (default: the signature's, else the likeliest)"
    add("--output", action="append", default=[], metavar="NAME", help=outputs)
    inputs = "tensor to begin at, which becomes a placeholder; may be repeated"
    add("--input", action="append", default=[], metavar="NAME", help=inputs)
    add("--signature", metavar="KEY", help="take inputs and outputs of this signature")
    add("--graph", metavar="FILE", help="graph that is not beside the checkpoint")
    default = "replace placeholders that have a default value by it"
    value = "number, true or false that takes the place of a placeholder; may be repeated"
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=value)
    add("--fold-defaults", action="store_true", help=default)
    inference = "switch training and dropout off where placeholders do it; says with which values"
    add("--inference", action="store_true", help=inference)
    add("--ema", action="store_true", help="use the moving averages of variables where saved")


def run(arguments: Namespace) -> int:
    """Freeze a graph."""
    if not arguments.dry_run:
        _require_writable(arguments.out, force=arguments.force)
    meta = read_meta_graph(arguments.graph or graph_file(arguments))
    location = locate(arguments.path, latest=arguments.latest)
    with open_location(location, mmap=False) as ckpt:
        options = part_options(arguments)
        options["keep_tables"] = arguments.keep_tables
        options["cast"] = _CASTS.get(arguments.cast)
        frozen = meta.freeze(
            arguments.output or None,
            arguments.input or None,
            values=ckpt,
            signature=arguments.signature,
            **options,
        )
        if not arguments.dry_run:
            frozen.write(arguments.out)
        output.print_notes(ckpt.notes)
    _print(meta, frozen, arguments)
    return 0


def part_options(arguments: Namespace) -> Options:
    """Return the options of `add_part` that are not names of tensors."""
    given = dict(map(_given, arguments.set))
    return {
        "given": given,
        "fold_defaults": arguments.fold_defaults,
        "inference": arguments.inference,
        "average": arguments.ema,
    }


def _given(text: str) -> tuple[str, float]:
    """Return name and value of ``NAME=VALUE``."""
    name, _, value = text.rpartition("=")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        return name, int(value) if value.isdecimal() else float(value)
    except ValueError as error:
        problem = f"--set {text}: write it as NAME=VALUE, a number, true or false"
        raise ValueError(problem) from error


def _require_writable(path: str, *, force: bool) -> None:
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: there is no folder {folder}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder; name a file")
    if os.path.lexists(path) and not force:
        raise FileExistsError(f"{path} exists already; --force replaces it")


def guess_notes(outputs: Sequence[Endpoint], arguments: Namespace) -> list[str]:
    """Return a note about each output that was neither asked for nor in a signature."""
    if arguments.output or any(each.alias for each in outputs):
        return []
    more = "--output NAME chooses"
    return [f"the output {each.name} is a guess: {each.reason}; {more}" for each in outputs]


def _print(meta: MetaGraph, frozen: FrozenGraph, arguments: Namespace) -> None:
    output.print_notes(guess_notes(frozen.outputs, arguments))
    if arguments.json:
        output.print_json(_facts(meta, frozen, arguments.out, written=not arguments.dry_run))
        return
    output.print_lines(*_lines("input", frozen.inputs), *_lines("output", frozen.outputs))
    output.print_lines(*(f"run first  {name}" for name in frozen.initializers))
    output.print_lines(*frozen.changes)
    did = "would write" if arguments.dry_run else "wrote"
    amount = f"{count_of(len(frozen.nodes), 'node')}, {size_text(frozen.nbytes)} of weights"
    output.print_lines(f"{did} {arguments.out}: {amount}")


def _lines(kind: str, ends: Iterable[Endpoint]) -> list[str]:
    return [
        f"{kind:<7} {known(end.dtype)} {shape_text(end.shape)}  {end.name}"
        f"{f'  ({quoted(end.alias)})' if end.alias else ''}"
        for end in ends
    ]


def _facts(meta: MetaGraph, frozen: FrozenGraph, out: str, *, written: bool) -> dict[str, Any]:
    return {
        "path": meta.file,
        "out": out,
        "written": written,
        "inputs": endpoint_facts(frozen.inputs),
        "outputs": endpoint_facts(frozen.outputs),
        "initializers": list(frozen.initializers),
        "nodes": len(frozen.nodes),
        "weights": [
            {"node": weight.name, "key": weight.key, "dtype": str(weight.stored_as)}
            for weight in frozen.weights
        ],
        "bytes": frozen.nbytes,
        "changes": list(frozen.changes),
    }
