"""Plugins of Dask's workers: one of them dies once, or all die always."""

from __future__ import annotations

import os
from typing import Any

from distributed import WorkerPlugin


class DiesOnce(WorkerPlugin):  # type: ignore[misc, unused-ignore] # Any without distributed
    """Ends the process at its third unit of work, unless the marker exists; makes the marker.

    Args:
        marker: A path, the same for all workers.
    """

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._units = 0

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:  # noqa: ARG002
        if finish != "executing" or not str(key).startswith("_run"):
            return
        self._units += 1
        if self._units < 3:
            return
        try:
            os.close(os.open(self._marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os._exit(1)


class DiesAlways(WorkerPlugin):  # type: ignore[misc, unused-ignore] # Any without distributed
    """Ends the process at each unit of work."""

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:  # noqa: ARG002
        if finish == "executing" and str(key).startswith("_run"):
            os._exit(1)
