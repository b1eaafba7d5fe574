"""Ctrl-C, delivered wherever it arrives.

Python drops exceptions raised in a finalizer or a weakref callback, KeyboardInterrupt too: the work
would go on as if nobody had pressed Ctrl-C.
"""

from __future__ import annotations

import _thread
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DELAY = 0.05
"""Seconds until a dropped Ctrl-C is delivered again: the finalizer has ended by then."""


@contextmanager
def redeliver_interrupts() -> Iterator[None]:
    """Deliver again each Ctrl-C dropped by a finalizer, until the context ends."""
    previous, ended = sys.unraisablehook, threading.Event()

    def deliver() -> None:
        if not ended.wait(_DELAY):
            _thread.interrupt_main()

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(deliver, ())  # Thread.start would wait here until it runs
        else:
            previous(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        ended.set()
        sys.unraisablehook = previous
