"""Notation of shapes, sizes, values and long lists, in lines and in JSON.

Imports no NumPy: a listing needs it too.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.tensor.proto_fields import PartialShape

FIRST = 8
"""Values of a tensor or an attribute to show."""
_MOST_NAMES = 5
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size_text(nbytes: int | None) -> str:
    """Return "612.5 KiB"; "?" for an unknown size."""
    if nbytes is None:
        return "?"
    amount, unit = float(nbytes), 0
    while round(amount, 1) >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{nbytes} B"


def shape_text(shape: PartialShape | list[int | None]) -> str:
    """Return "[?, 200]"; "scalar" for rank 0, "?" for an unknown rank."""
    if shape is None:
        return "?"
    return f"[{', '.join(map(known, shape))}]" if shape else "scalar"


def known(value: object) -> str:
    """Return a value as text; "?" for None, an unknown value."""
    return "?" if value is None else str(value)


def json_value(value: Any) -> Any:
    """Return a value as JSON can hold it; of an array, its type, shape and first elements."""
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no NaN
    if isinstance(value, int | float | str | None) and not isinstance(value, DataType):
        return value
    if not hasattr(value, "flat"):
        return str(value)
    dtype = "string" if value.dtype == object else str(value.dtype)
    first = json_value(value.flat[:FIRST].tolist())
    return {"dtype": dtype, "shape": list(value.shape), "first": first}


def first_names(names: Sequence[str]) -> str:
    """Return "a, b and 7 more"."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def first_lines(lines: list[str], most: int) -> list[str]:
    """Return the first lines, and a count of the rest."""
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"             and {len(lines) - most:,} more: --json has all"]
