"""Work shared by a few threads, each with a buffer of its own that begins on a page.

Knows not what the work is. Threads pay because reading, writing and the crc libraries let
go of the interpreter's lock while they move bytes.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from tfckpt_reader.storage.source import CHUNK, PAGE, page_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Task = TypeVar("Task")

    Result = TypeVar("Result")

BUFFER = CHUNK + PAGE
"""Bytes of each thread's buffer: room for a chunk that begins anywhere in a page."""
_MOST_THREADS = 8


def processors() -> int:
    """Return how many threads this process can run at once, and at most eight."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    return min(os.cpu_count() or 1, _MOST_THREADS)


def each(
    tasks: Iterable[Task],
    work: Callable[[Task, memoryview], Result],
    threads: int | None = None,
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task with ``work(task, buffer)``, in the order in which they are done.

    Whoever calls it closes it (``contextlib.closing``): however it ends, by the last task, an
    error or Ctrl-C, no thread is left. The first error that `work` raises ends it.

    Args:
        tasks: Taken one by one as threads become free, by any thread but one at a time.
        work: Called on the threads, several at once; its results should be small. What is in
            the buffer may be overwritten as soon as it returns.
        threads: How many; default: as many as there are processors, see `processors`.

    Raises:
        UnsupportedError: there is no memory for the buffers.
    """
    count = processors() if threads is None else threads
    buffers = [page_buffer(BUFFER) for _ in range(max(count, 1))]
    crew = _Crew(iter(tasks), work)
    try:
        if count > 1:
            crew.start(buffers)
        if crew.threads:
            yield from crew.results()
            return
    finally:
        crew.dismiss()
    for task in tasks:
        yield task, work(task, buffers[0])


def share(tasks: range, work: Callable[[int], None]) -> None:
    """Do each of a few short tasks, on this thread and on others at once; no thread is left.

    Args:
        tasks: Taken one by one, by whichever thread is free.
        work: Called on the threads, several at once; must not raise.
    """
    turns = iter(tasks)  # of which one thread at a time gets the next

    def labour() -> None:
        for task in turns:
            work(task)

    others = range(min(processors(), len(tasks)) - 1)
    helpers = [threading.Thread(target=labour, daemon=True) for _ in others]
    try:
        with suppress(RuntimeError):  # as many as the system gives
            for helper in helpers:
                helper.start()
        labour()
    finally:
        for _ in turns:  # after Ctrl-C, too, none begins another
            pass
        for helper in helpers:
            if helper.ident is not None:
                helper.join()


class _Crew:
    """Threads that take tasks in turn and put what came of them into a queue."""

    def __init__(self, tasks: Iterator[Any], work: Callable[[Any, memoryview], Any]) -> None:
        self.tasks, self.work = tasks, work
        self.threads: list[threading.Thread] = []
        self.done: SimpleQueue[tuple[Any, Any] | BaseException] = SimpleQueue()
        self.turn, self.stop = threading.Lock(), threading.Event()

    def start(self, buffers: list[memoryview]) -> None:
        """Start a thread per buffer, or as many as the system gives."""
        with suppress(RuntimeError):
            for buffer in buffers:
                thread = threading.Thread(target=self.labour, args=(buffer,), daemon=True)
                self.threads.append(thread)
                thread.start()
        self.threads = [thread for thread in self.threads if thread.ident is not None]

    def labour(self, buffer: memoryview) -> None:
        """Do tasks until there is none, or one fails: both end up in the queue."""
        try:
            while not self.stop.is_set():
                with self.turn:
                    task = next(self.tasks)
                self.done.put((task, self.work(task, buffer)))
        except BaseException as error:  # noqa: BLE001 - raised again where results are taken
            self.done.put(error)

    def results(self) -> Iterator[tuple[Any, Any]]:
        """Yield what is done until every thread has met the end of the tasks."""
        busy = len(self.threads)
        while busy:
            outcome = self.done.get()
            if isinstance(outcome, StopIteration):
                busy -= 1
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                yield outcome

    def dismiss(self) -> None:
        """Let each thread finish the task at hand, and wait for it."""
        self.stop.set()
        for thread in self.threads:
            if thread.ident is not None:
                thread.join()


WORTH_THREADS = 4 << 20
"""Bytes from which on reading them on threads pays; below, threads only wait for each other."""
