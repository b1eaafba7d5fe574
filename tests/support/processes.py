"""Checks in forked processes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable


def in_child(check: Callable[[], bool]) -> bool:
    """Return whether a check holds in a forked child."""
    with warnings.catch_warnings():  # newer Pythons warn where a test runner has threads
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        good = False
        try:
            good = check()
        finally:
            os._exit(0 if good else 1)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0
