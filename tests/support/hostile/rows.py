"""Cases of one kind: refused, harmless, or damaged in one tensor or one block."""

from __future__ import annotations

from typing import Any

from hostile.case import Case, Edit, Fails, Files
from hostile.good import VALUES, bundle


def refused(group: int, name: str, change: str, files: Files, fails: Fails, **more: Any) -> Case:
    """A checkpoint that cannot be opened."""
    return Case(group, name, change, files, opening=fails, **more)


def bad_entry(
    group: int, name: str, change: str, edit: Edit, fails: Fails, *, lists: bool = True, **more: Any
) -> Case:
    """Tensor b is damaged, all others are read; unless `lists`, listing fails like b does."""
    values = {**VALUES, "b": fails}
    listing = None if lists else fails
    return Case(group, name, change, bundle(edit), values, listing=listing, **more)


def harmless(group: int, name: str, change: str, files: Files, **more: Any) -> Case:
    """Odd, and read all the same."""
    return Case(group, name, change, files, **{"values": VALUES, **more})


def second_block(
    group: int, name: str, change: str, files: Files, fails: Fails, **more: Any
) -> Case:
    """The block of s and w is damaged: a and b are read, listing fails."""
    values = {"a": VALUES["a"], "b": VALUES["b"], "s": fails, "w": fails}
    return Case(group, name, change, files, values, listing=fails, **more)
