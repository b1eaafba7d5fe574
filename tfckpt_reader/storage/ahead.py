"""Bytes of distant files, fetched ahead of their use in few requests.

Independent of any format. Nothing here reads a local file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from tfckpt_reader.storage.source import ByteSource

    _Near = Callable[[Sequence[range]], AbstractContextManager[None]]
    """Fetches ranges of a distant file in few requests: reads inside the block find them."""

_Item = TypeVar("_Item")

GAP = 1 << 18
"""Bytes between two ranges that are fetched with them: a request of its own takes longer."""
_MOST = 64 << 20
"""Bytes that are fetched ahead."""


def ahead(
    source: ByteSource, items: Sequence[_Item], range_of: Callable[[_Item], range]
) -> Iterator[_Item]:
    """Yield items in order; the ranges of a distant file that they need are fetched before.

    Args:
        source: The file.
        items: What is to be read of it, in the order of offsets.
        range_of: Returns the range of an item, in bytes of the file.
    """
    near: _Near | None = getattr(source, "near", None)
    if near is None:
        yield from items
        return
    ranges = list(map(range_of, items))
    for group in _groups(ranges):
        with near(ranges[group.start : group.stop]):
            yield from items[group.start : group.stop]


def _groups(ranges: Sequence[range]) -> Iterator[range]:
    """Yield the numbers of ranges that are fetched together."""
    begin = cost = 0
    previous = range(0)
    for number, each in enumerate(ranges):
        cost += each.stop - each.start + max(0, min(each.start - previous.stop, GAP))
        if cost > _MOST and number > begin:
            yield range(begin, number)
            begin, cost = number, each.stop - each.start
        previous = each
    if begin < len(ranges):
        yield range(begin, len(ranges))


def merged(ranges: Sequence[range], size: int) -> Iterator[range]:
    """Yield ranges that cover others, and small gaps between them, in a file of `size` bytes."""
    inside = [each for each in ranges if 0 <= each.start < each.stop <= size]
    begin = end = -1
    for each in sorted(inside, key=lambda each: each.start):
        if begin >= 0 and each.start - end > GAP:
            yield range(begin, end)
            begin = -1
        if begin < 0:
            begin = end = each.start
        end = max(end, each.stop)
    if begin >= 0:
        yield range(begin, end)
