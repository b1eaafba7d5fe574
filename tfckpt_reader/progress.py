"""Progress of long work: how it is reported, whatever the work is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Called on the caller's thread, now and then, with the bytes done and their total."""


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


def counter(progress: Progress, total: int) -> Callable[[int], None]:
    """Return a function that adds to the bytes done and reports the sum.

    A total that turns out too small grows with the sum.
    """
    done = 0

    def add(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        progress(done, max(total, done))

    return add
