"""A spread that does all units of work with pickled copies, as other processes would."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable
from typing import Any

from tfckpt_reader.storage.source import page_buffer
from tfckpt_reader.storage.workers import BUFFER


def copied(value: Any) -> Any:
    """The same value after a trip through pickle."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


class Pickled:
    """Runs a few units at a time, the last first; each twice, as after the death of a worker.

    Args:
        width: How many units are taken before any is done.
    """

    def __init__(self, width: int = 4) -> None:
        self.width = width
        self.units: list[int] = []
        """Bytes of each pickled unit."""

    def __call__(
        self, tasks: Iterable[Any], work: Callable[[Any, memoryview], Any]
    ) -> Generator[tuple[Any, Any], None, None]:
        waiting: list[Any] = []
        for task in tasks:
            waiting.append(task)
            if len(waiting) == self.width:
                yield from self._done(waiting, work)
        yield from self._done(waiting, work)

    def _done(
        self, waiting: list[Any], work: Callable[[Any, memoryview], Any]
    ) -> Generator[tuple[Any, Any], None, None]:
        while waiting:
            task = waiting.pop()
            sent = pickle.dumps((work, task))
            self.units.append(len(sent))
            for _ in range(2):
                there, unit = pickle.loads(sent)  # noqa: S301 - our own
                result = there(unit, page_buffer(BUFFER))
            yield task, copied(result)
