"""What a verification looked at: files, and names by their top scope.

Rank 1: knows no format. Reports in the manner of unit tests need it, to list what passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 200
"""Files, and scopes, that are told apart: a report of a million cases serves nobody."""
OTHER = "…"
"""Stands for the scopes beyond those."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at."""

    files: tuple[str, ...] = ()
    """The index and the data files that it needs, or the V1 files; at most `MOST`."""
    scopes: Mapping[str, int] = field(default_factory=dict)
    """Top scope -> how many tensors; "" for names without a slash; at most `MOST` and `OTHER`."""

    def scope_of(self, name: str) -> str:
        """Return under which scope a name was counted, or would have been."""
        scope = top_scope(name)
        return OTHER if scope not in self.scopes and OTHER in self.scopes else scope


def top_scope(name: str) -> str:
    """Return what stands before the first slash of a name: "" if there is none."""
    scope, slash, _ = name.partition("/")
    return scope if slash else ""


def coverage_of(files: Iterable[str], names: Iterable[str]) -> Coverage:
    """Count names by scope."""
    scopes: dict[str, int] = {}
    for name in names:
        scope = top_scope(name)
        if scope not in scopes and len(scopes) >= MOST:
            scope = OTHER
        scopes[scope] = scopes.get(scope, 0) + 1
    return Coverage(tuple(files)[:MOST], dict(sorted(scopes.items())))
