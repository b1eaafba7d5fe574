"""Descriptors of open files, bounded because a process may have only a few.

Independent of contents. A checkpoint can have thousands of files, and the usual limit is 1,024
descriptors. So only the files opened last hold a descriptor. Maps with one of their own (before
Python 3.13) are counted.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections import deque
from typing import Any, Protocol
from weakref import WeakSet, ref

_LIMIT = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1
_MAY_OPEN = _LIMIT if _LIMIT > 0 else 512
MOST_KEPT = min(64, _MAY_OPEN // 8)
"""Most files that hold a descriptor at a time."""
_MOST_MAPS = _MAY_OPEN // 4
"""Most maps with a descriptor of their own, including those that only arrays still need."""
MAP_HAS_ITS_OWN = sys.version_info < (3, 13) or sys.platform == "win32"
_UNTRACKED: dict[str, Any] = {} if MAP_HAS_ITS_OWN else {"trackfd": False}


class Descriptor:
    """A descriptor that is closed with its last reference."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self, _close=os.close) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        _close(self.number)


class Holder(Protocol):
    """An open file that can do without its descriptor."""

    def make_room(self) -> None:
        """Give up the descriptor."""


_holders: deque[ref[Holder]] = deque()
"""The files with a descriptor, oldest first."""
_maps: WeakSet[mmap.mmap] = WeakSet()
"""Maps with a descriptor of their own."""


def keep(holder: Holder) -> None:
    """Register a holder of a descriptor; beyond the limit, the oldest one makes room."""
    _holders.append(ref(holder))  # no lock: a forked child would wait for it for ever
    if len(_holders) > MOST_KEPT:
        oldest = _holders.popleft()()
        if oldest is not None:
            oldest.make_room()


def map_file(descriptor: Descriptor) -> mmap.mmap | None:
    """Map a file for reading; None at the limit of maps.

    Raises:
        OSError: the system refuses.
        ValueError: the file is empty.
    """
    if len(_maps) >= _MOST_MAPS:
        return None
    mapped = mmap.mmap(descriptor.number, 0, access=mmap.ACCESS_READ, **_UNTRACKED)
    if MAP_HAS_ITS_OWN:
        _maps.add(mapped)
    return mapped
