"""Descriptors of open files, of which a process may have few: who keeps one, and for how long.

Knows not what is read by them.

A checkpoint can have thousands of files, and the usual limit is 1,024 descriptors. So only those
files keep one that opened theirs last, and what keeps its own, a map before Python 3.13, is
counted.
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
"""How many keep a descriptor."""
_MOST_MAPS = _MAY_OPEN // 4
"""Maps with a descriptor of their own, also those that only arrays still need."""
MAP_HAS_ITS_OWN = sys.version_info < (3, 13) or sys.platform == "win32"
_UNTRACKED: dict[str, Any] = {} if MAP_HAS_ITS_OWN else {"trackfd": False}


class Descriptor:
    """A descriptor that is closed when the last reference to it goes."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self, _close=os.close) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        _close(self.number)


class Keeper(Protocol):
    """Something that keeps a descriptor, and can open its file again."""

    def make_room(self) -> None:
        """Let go of the descriptor; whoever just reads by it has a reference of its own."""


_keepers: deque[ref[Keeper]] = deque()
"""Those that keep one, the one that has had it longest first."""
_maps: WeakSet[mmap.mmap] = WeakSet()
"""Those that have one of their own."""


def keep(keeper: Keeper) -> None:
    """Take note of who keeps a new descriptor; whoever has kept one longest may have to let go."""
    _keepers.append(ref(keeper))  # no lock: a forked child would wait for it for ever
    if len(_keepers) > MOST_KEPT:
        oldest = _keepers.popleft()()
        if oldest is not None:
            oldest.make_room()


def map_file(descriptor: Descriptor) -> mmap.mmap | None:
    """Map a file for reading; None if there are as many maps as there should be.

    Raises:
        OSError: the system gives no map.
        ValueError: nor of an empty file.
    """
    if len(_maps) >= _MOST_MAPS:
        return None
    found = mmap.mmap(descriptor.number, 0, access=mmap.ACCESS_READ, **_UNTRACKED)
    if MAP_HAS_ITS_OWN:
        _maps.add(found)
    return found
