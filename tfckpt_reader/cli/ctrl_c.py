"""Ctrl-C, also where it comes while Python runs a finalizer.

Rank 13: knows not what it ends.

What a finalizer raises is printed and forgotten, and Python's own threads have finalizers, too. A
KeyboardInterrupt that is raised there would be lost, and the command would go on to its end.
"""

from __future__ import annotations

import _thread
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LATER = 0.05
"""Seconds until it comes again: the finalizer is over by then."""


@contextmanager
def heard() -> Iterator[None]:
    """Let a Ctrl-C that a finalizer swallows come again, for as long as this lasts."""
    before, over = sys.unraisablehook, threading.Event()

    def again() -> None:
        if not over.wait(_LATER):
            _thread.interrupt_main()

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(again, ())  # a Thread would wait here for its own beginning
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = before
