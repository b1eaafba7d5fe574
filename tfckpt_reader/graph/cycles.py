"""What lies on cycles.

Rank 1: sees numbers only.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def on_cycles(sources: Sequence[Sequence[int]]) -> list[int]:
    """Return what lies on cycles, or between two of them, in ascending order.

    Args:
        sources: For each number, the numbers that it needs.
    """
    users = [array("I") for _ in sources]
    for number, needed in enumerate(sources):
        for source in needed:
            users[source].append(number)
    left = bytearray(b"\1" * len(sources))
    _take_ends(left, sources, users)
    _take_ends(left, users, sources)
    return [number for number, there in enumerate(left) if there]


def _take_ends(
    left: bytearray, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
) -> None:
    """Take away, again and again, what has nothing before it."""
    counts = [sum(map(left.__getitem__, numbers)) for numbers in before]
    waiting = [number for number, count in enumerate(counts) if left[number] and not count]
    while waiting:
        number = waiting.pop()
        left[number] = 0
        for follower in after[number]:
            counts[follower] -= 1
            if left[follower] and not counts[follower]:
                waiting.append(follower)
