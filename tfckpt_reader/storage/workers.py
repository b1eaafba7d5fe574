"""Worker threads that share tasks, each with a buffer of its own that begins on a page.

Independent of the work. Threads pay because reading, writing and the crc libraries release the
interpreter's lock while they move bytes.
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
WORTH_THREADS = 4 << 20
"""Below this many bytes, reading on threads is slower: they only wait for each other."""
_MOST_THREADS = 8


def processors() -> int:
    """Return how many threads this process can run at once, at most eight."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    return min(os.cpu_count() or 1, _MOST_THREADS)


def each(
    tasks: Iterable[Task],
    work: Callable[[Task, memoryview], Result],
    threads: int | None = None,
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task with ``work(task, buffer)``, in the order of completion.

    The caller closes the generator (``contextlib.closing``). All threads have ended then, be it
    after the last task, an error or Ctrl-C. The first error raised by `work` ends the iteration.

    Args:
        tasks: Fetched one by one as threads become free, on any thread but never at once.
        work: Called on several threads at once. Its results should be small. Its buffer is
            overwritten after it returns.
        threads: Number of threads; default: that of the processors, see `processors`.

    Raises:
        UnsupportedError: the buffers do not fit into memory.
    """
    count = processors() if threads is None else threads
    buffers = [page_buffer(BUFFER) for _ in range(max(count, 1))]
    workers = _Workers(iter(tasks), work)
    try:
        if count > 1:
            workers.start(buffers)
        if workers.threads:
            yield from workers.results()
            return
    finally:
        workers.shutdown()
    for task in tasks:
        yield task, work(task, buffers[0])


def share(tasks: range, work: Callable[[int], None]) -> None:
    """Run a few short tasks on this thread and on others, which end before it returns.

    Args:
        tasks: Fetched one by one, by any free thread.
        work: Called on several threads at once; must not raise.
    """
    remaining = iter(tasks)  # a range's iterator serves one thread at a time

    def worker_loop() -> None:
        for task in remaining:
            work(task)

    others = range(min(processors(), len(tasks)) - 1)
    threads = [threading.Thread(target=worker_loop, daemon=True) for _ in others]
    try:
        with suppress(RuntimeError):  # the system may refuse more threads
            for thread in threads:
                thread.start()
        worker_loop()
    finally:
        for _ in remaining:  # after Ctrl-C, no thread begins another task
            pass
        for thread in threads:
            if thread.ident is not None:
                thread.join()


class _Workers:
    """Threads that fetch tasks in turn and put the results into a queue."""

    def __init__(self, tasks: Iterator[Any], work: Callable[[Any, memoryview], Any]) -> None:
        self.tasks, self.work = tasks, work
        self.threads: list[threading.Thread] = []
        self.done: SimpleQueue[tuple[Any, Any] | BaseException] = SimpleQueue()
        self.turn, self.stop = threading.Lock(), threading.Event()

    def start(self, buffers: list[memoryview]) -> None:
        """Start a thread per buffer, or as many as the system allows."""
        with suppress(RuntimeError):
            for buffer in buffers:
                thread = threading.Thread(target=self.worker_loop, args=(buffer,), daemon=True)
                self.threads.append(thread)
                thread.start()
        self.threads = [thread for thread in self.threads if thread.ident is not None]

    def worker_loop(self, buffer: memoryview) -> None:
        """Run tasks until they are exhausted or one fails; queue that exception last."""
        try:
            while not self.stop.is_set():
                with self.turn:
                    task = next(self.tasks)
                self.done.put((task, self.work(task, buffer)))
        except BaseException as error:  # noqa: BLE001 - raised again by `results`
            self.done.put(error)

    def results(self) -> Iterator[tuple[Any, Any]]:
        """Yield results until every thread has exhausted the tasks."""
        busy = len(self.threads)
        while busy:
            outcome = self.done.get()
            if isinstance(outcome, StopIteration):
                busy -= 1
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                yield outcome

    def shutdown(self) -> None:
        """Let each thread finish its current task, and wait for it."""
        self.stop.set()
        for thread in self.threads:
            if thread.ident is not None:
                thread.join()
