"""Variables of a graph, and the keys of their values in a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.notation import json_value, known, shape_text
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.graph.variables import Variable


def variable_facts(variables: Iterable[Variable]) -> list[dict[str, Any]]:
    """Return the variables for JSON."""
    return [
        {
            "name": each.name,
            "dtype": json_value(each.dtype),
            "shape": json_value(each.shape),
            "key": each.checkpoint_key,
            "initializer": each.initializer,
            "device": each.device,
            "pieces": list(each.pieces),
        }
        for each in variables
    ]


def variable_lines(variables: Iterable[Variable]) -> list[str]:
    """Return a line per variable, with its key if the key is not its name."""
    rows = [(known(v.dtype), shape_text(v.shape), v) for v in variables]
    first = max((len(dtype) for dtype, _, _ in rows), default=0)
    second = max((len(shape) for _, shape, _ in rows), default=0)
    lines = []
    for dtype, shape, variable in rows:
        key = variable.checkpoint_key
        more = "  (not saved)" if key is None else f"  -> {key}"
        same = key == variable.name.removesuffix(":0")
        lines.append(f"{dtype:<{first}}  {shape:<{second}}  {variable.name}{'' if same else more}")
    return [*lines, count_of(len(rows), "variable")]
