"""Choosing tensors by their names.

Rank 1: knows names only.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def select(
    names: Iterable[str], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[str]:
    """Return the names that match any of `include` (or all, if there is none) and no `exclude`.

    Patterns are globs over the whole name, case counts, and ``*`` matches ``/`` too. A pattern
    that is itself the name of a tensor matches it, whatever characters are in it.
    """
    wanted, unwanted = _matcher(include), _matcher(exclude)
    literal = frozenset(include), frozenset(exclude)
    return [
        name
        for name in names
        if (not include or name in literal[0] or wanted(name))
        and not (name in literal[1] or unwanted(name))
    ]


def _matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    joined = "|".join(f"(?:{translate(pattern)})" for pattern in patterns)
    return re.compile(joined or r"(?!)").match
