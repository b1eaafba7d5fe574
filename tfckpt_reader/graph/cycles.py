"""What lies on cycles.

Rank 1: sees names only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_Links = dict[str, set[str]]


def on_cycles(needs: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Return the names that lie on cycles, or between two of them, in the order given.

    Args:
        needs: Name -> the names it needs; those that are nowhere are passed over.
    """
    listed = [(name, set(sources)) for name, sources in needs]
    before: _Links = {name: set() for name, _ in listed}
    after: _Links = {name: set() for name in before}
    for name, sources in listed:
        for source in sources & before.keys():
            before[name].add(source)
            after[source].add(name)
    left = _without_ends(set(after), before, after)
    left = _without_ends(left, after, before)
    return [name for name in after if name in left]


def _without_ends(names: set[str], before: _Links, after: _Links) -> set[str]:
    """Take away, again and again, what has nothing before it."""
    counts = {name: len(before[name] & names) for name in names}
    waiting = [name for name, count in counts.items() if not count]
    left = set(names)
    while waiting:
        name = waiting.pop()
        left.discard(name)
        for follower in after[name] & left:
            counts[follower] -= 1
            if not counts[follower]:
                waiting.append(follower)
    return left
