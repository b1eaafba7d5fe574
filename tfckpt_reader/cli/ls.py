"""The commands that list and show: arguments in, lines out, exit code back.

Prints what the layers below say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import open_location
from tfckpt_reader.cli import output
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of, printable

if TYPE_CHECKING:
    from argparse import Namespace

    from tfckpt_reader.tensor.spec import TensorSpec

_FIRST = 8
"""Values that `show` prints."""


def ls(arguments: Namespace) -> int:
    """List the tensors of a checkpoint."""
    with open_location(locate(arguments.path, latest=arguments.latest)) as ckpt:
        names = select(ckpt.specs, arguments.glob)
        if arguments.glob and not names:
            raise TensorNotFoundError(
                f"no tensor matches {' '.join(arguments.glob)}", file=ckpt.reader.path
            )
        specs = [ckpt.specs[name] for name in names]
        notes = ckpt.notes
        version, shards, path = ckpt.version, ckpt.reader.shard_count, ckpt.reader.prefix
    output.notes(notes)
    if arguments.sort == "size":
        specs.sort(key=lambda spec: -(spec.nbytes or 0))
    total = sum(spec.nbytes or 0 for spec in specs)
    if arguments.json:
        tensors = [spec_json(spec) for spec in specs]
        head = {"path": path, "version": version, "shards": shards, "bytes": total}
        output.say_json({**head, "notes": list(notes), "tensors": tensors})
        return 0
    output.say(*_table(specs))
    unknown = sum(spec.nbytes is None for spec in specs)
    output.say(
        f"{count_of(len(specs), 'tensor')}, {output.size_text(total)} ({total:,} bytes), "
        + (f"and {count_of(unknown, 'tensor')} of unknown size, " if unknown else "")
        + f"{version}, {count_of(shards, 'shard')}"
    )
    return 0


def _table(specs: list[TensorSpec]) -> list[str]:
    """Return a line per tensor; the name comes last, so that a long one disturbs no column."""
    columns = [
        (str(spec.dtype), output.shape_text(spec.shape), output.size_text(spec.nbytes))
        for spec in specs
    ]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    return [
        f"{dtype:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}  {printable(spec.name)}"
        + (f"  (in {count_of(len(spec.slices), 'slice')})" if spec.slices else "")
        for (dtype, shape, size), spec in zip(columns, specs, strict=True)
    ]


def spec_json(spec: TensorSpec) -> dict[str, Any]:
    """Return a spec as JSON has it."""
    found: dict[str, Any] = {
        "name": spec.name,
        "dtype": str(spec.dtype),
        "shape": list(spec.shape),
        "bytes": spec.nbytes,
        "shard": spec.shard,
        "offset": spec.offset,
        "crc32c": spec.crc32c,
    }
    if spec.slices:
        found["slices"] = [
            {
                "start": list(piece.start),
                "shape": list(piece.shape),
                "shard": piece.shard,
                "offset": piece.offset,
                "bytes": piece.nbytes,
            }
            for piece in spec.slices
        ]
    return found


def show(arguments: Namespace) -> int:
    """Describe one tensor and its values."""
    from tfckpt_reader.cli.describe.statistics import summarise

    rows = arguments.rows
    with open_location(locate(arguments.path, latest=arguments.latest)) as ckpt:
        spec = ckpt.specs[arguments.name]
        if rows is not None and not spec.shape:
            raise ValueError(f"{spec.name} is a scalar and has no rows")
        array = ckpt[spec.name] if rows is None else ckpt.read(spec.name, rows=rows, check=True)
        notes = ckpt.notes
    output.notes(notes)
    facts = summarise(array, spec.dtype)
    flat = array.reshape(-1)
    shown = flat.tolist() if rows is not None else flat[:_FIRST].tolist()
    if arguments.json:
        key = "values" if rows is not None else "first"
        values = {name: _json_value(value) for name, value in facts.items()}
        shown = [_json_value(value) for value in shown]
        output.say_json({**spec_json(spec), "notes": list(notes), **values, key: shown})
        return 0
    output.say(*_description(spec))
    if rows is not None:
        first = rows.indices(spec.shape[0])[0]
        output.say(f"rows    {first}:{first + array.shape[0]}")
    output.say(*(f"{name:<7} {_fact_text(value)}" for name, value in facts.items()))
    if rows is not None:
        output.say(*(printable(_row_text(row)) for row in array))
    elif array.size:
        more = " …" if array.size > _FIRST else ""
        output.say(f"first   {printable(' '.join(map(_value_text, shown)))}{more}")
    return 0


def _description(spec: TensorSpec) -> list[str]:
    lines = [
        f"name    {printable(spec.name)}",
        f"dtype   {spec.dtype}",
        f"shape   {output.shape_text(spec.shape)}",
        f"bytes   {'?' if spec.nbytes is None else f'{spec.nbytes:,}'}",
    ]
    if spec.offset is not None:
        lines.append(f"stored  shard {spec.shard}, offset {spec.offset:,}, crc {spec.crc32c:#010x}")
    lines += [
        f"slice   {piece}" + ("" if piece.shard is None else f" in shard {piece.shard}")
        for piece in spec.slices
    ]
    return lines


def _row_text(row: Any) -> str:
    values = row.reshape(-1).tolist() if hasattr(row, "reshape") else [row]
    return " ".join(map(_value_text, values))


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value) if isinstance(value, bytes) else str(value)


def _fact_text(value: object) -> str:
    return "none" if value is None else printable(str(value))


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and value - value != 0:
        return str(value)  # NaN and infinities are not JSON
    return value if isinstance(value, bool | int | float | None) else str(value)
