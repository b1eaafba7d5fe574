"""The command ``show``: one tensor, its statistics and its values."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.describe.notation import FIRST, json_value
from tfckpt_reader.cli.describe.statistics import summarise
from tfckpt_reader.cli.describe.tensor import (
    meaning_facts,
    meaning_lines,
    tensor_facts,
    tensor_lines,
)
from tfckpt_reader.cli.path_argument import CHECKPOINT, read_checkpoint
from tfckpt_reader.errors import TensorNotFoundError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.tensor.spec import TensorSpec

    Notes = tuple[str, ...]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``show``."""
    parser.add_argument("path", metavar="PATH", help=CHECKPOINT)
    parser.add_argument(
        "name", metavar="NAME", help="the tensor, by its key, full name or object path"
    )
    parser.add_argument("--rows", type=_rows, metavar="A:B", help="read and print these rows only")


def _rows(text: str) -> slice:
    first, colon, last = text.partition(":")
    try:
        if colon:
            return slice(int(first) if first else None, int(last) if last else None)
    except ValueError:
        pass
    raise ArgumentTypeError(f"rows are given as A:B, not {text!r}")


def run(arguments: Namespace) -> int:
    """Describe one tensor and its values."""
    rows = arguments.rows

    def described(ckpt: Checkpoint) -> tuple[TensorSpec, Any, Any, Mapping[str, Any], Notes]:
        try:
            spec = ckpt.specs[_key_of(ckpt, arguments.name)]
        except TensorNotFoundError:
            output.print_notes(ckpt.notes)  # a file that is missing may have it
            raise
        if rows is not None and not spec.shape:
            raise ValueError(f"{spec.name} is a scalar and has no rows")
        array = ckpt[spec.name] if rows is None else ckpt.read(spec.name, rows=rows, check=True)
        meaning = meaning_facts(ckpt, spec)
        return spec, array, summarise(array, spec.dtype), meaning, ckpt.notes

    spec, array, facts, meaning, notes = read_checkpoint(arguments, described)
    output.print_notes(notes)
    first = array.reshape(-1)[:FIRST]
    if arguments.json:
        key, values = ("first", first) if rows is None else ("values", array.reshape(-1))
        json_facts = {name: json_value(value) for name, value in facts.items()}
        json_facts[key] = json_value(values.tolist())
        output.print_json({**tensor_facts(spec), **meaning, "notes": list(notes), **json_facts})
        return 0
    lines = [*tensor_lines(spec), *meaning_lines(meaning)]
    if rows is not None:
        begin = rows.indices(spec.shape[0])[0]
        lines.append(f"rows    {begin}:{begin + len(array)}")
    lines += [f"{name:<7} {'none' if value is None else value}" for name, value in facts.items()]
    if rows is not None:
        lines += map(_row_text, array)
    elif array.size:
        lines.append(f"first   {_row_text(first)}{' …' if array.size > FIRST else ''}")
    output.print_lines(*lines)
    return 0


def _key_of(ckpt: Checkpoint, name: str) -> str:
    """Return the key of a tensor given by its key, full name or object path; else the name."""
    if name in ckpt:
        return name
    keys = [each.key for each in ckpt.find(name) if name in (each.full_name, *each.object_paths)]
    return keys[0] if len(keys) == 1 else name


def _row_text(row: Any) -> str:
    """Return the values of a row; of a vector, a row is one value."""
    values = row.reshape(-1).tolist() if hasattr(row, "reshape") else [row]
    return " ".join(map(_value_text, values))


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value) if isinstance(value, bytes) else str(value)
