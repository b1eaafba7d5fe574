"""Signals that end a command: the first is raised where the work is, the others are ignored.

They would interrupt the clean-up that the first began.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals of Ctrl-C, of services that end a job, and of a terminal that closes."""
_DELAY = 0.05
"""Seconds until a dropped interrupt is delivered again: the finalizer has ended by then."""


@contextmanager
def raised_once(*, for_good: bool) -> Iterator[list[int]]:
    """Raise the first of the signals as KeyboardInterrupt, and ignore all others.

    Those that this process ignores stay ignored, and those it has handlers for are left to these.

    Args:
        for_good: After one was raised, go on ignoring them behind the block: the process ends.

    Yields:
        A list that gets the number of the signal.
    """
    received: list[int] = []

    def receive(number: int, _frame: object) -> None:
        if not received:
            received.append(number)
            raise KeyboardInterrupt

    previous = {number: signal.getsignal(number) for number in _numbers()}
    with _redelivered(received):
        try:
            for number in previous:
                signal.signal(number, receive)
            yield received
        finally:
            for number, handler in previous.items():
                signal.signal(number, signal.SIG_IGN if received and for_good else handler)


def _numbers() -> list[int]:
    """Return the numbers of the signals that may be received here."""
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    ours = (signal.SIG_DFL, signal.default_int_handler)
    return [number for number in numbers if signal.getsignal(number) in ours]


@contextmanager
def _redelivered(received: list[int]) -> Iterator[None]:
    """Deliver again each interrupt dropped by a finalizer, until the block ends.

    Python drops exceptions raised in a finalizer or a weakref callback, KeyboardInterrupt too: the
    work would go on as if nobody had pressed Ctrl-C.
    """
    previous, ended = sys.unraisablehook, threading.Event()

    def deliver() -> None:
        if not ended.wait(_DELAY):
            number = received.pop() if received else signal.SIGINT
            _thread.interrupt_main(signal.Signals(number))

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
