"""JSON a piece at a time: a report of 100,000 problems need not be in memory twice.

Rank 3: knows not what it writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator


def json_pieces(value: object, indent: str = "") -> Iterator[str]:
    """Yield the text of a value, pure ASCII, indented by a space per level.

    Args:
        value: What JSON knows, and iterators. These become lists with an item on each line, and
            are asked for one only when it is its turn.
        indent: Before each line but the first.
    """
    text = _text(value, indent=1)
    inner, comma = f"\n{indent} ", ""
    if text is not None:
        yield text.replace("\n", f"\n{indent}")
    elif isinstance(value, dict):
        yield "{"
        for key, item in value.items():
            yield f"{comma}{inner}{json.dumps(key)}: "
            yield from json_pieces(item, indent + " ")
            comma = ","
        yield f"\n{indent}}}"
    elif isinstance(value, (list, Iterator)):
        yield "["
        for item in value:
            yield comma + inner
            line = _text(item)
            yield from json_pieces(item, indent + " ") if line is None else [line]
            comma = ","
        yield f"\n{indent}]" if comma else "]"


def _text(value: object, indent: int | None = None) -> str | None:
    """Return the text of a value at once; None if there is an iterator in it."""
    try:
        return json.dumps(value, indent=indent)
    except TypeError:
        return None
