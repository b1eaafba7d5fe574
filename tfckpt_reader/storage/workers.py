"""Worker threads that share tasks, each with a buffer of its own that begins on a page.

Independent of the work. Threads pay because reading, writing and the crc libraries release the
interpreter's lock while they move bytes. Work for other processes goes through `spreading`.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from tfckpt_reader.storage.source import CHUNK, PAGE, page_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    Task = TypeVar("Task")
    Result = TypeVar("Result")

BUFFER = CHUNK + PAGE
"""Bytes of each thread's buffer: room for a chunk that begins anywhere in a page."""
WORTH_THREADS = 4 << 20
"""Below this many bytes, reading on threads is slower: they only wait for each other."""
MOST_THREADS = 8
"""Threads that read at once: those of as many processors, or those that wait for a network."""


def processors() -> int:
    """Return how many threads this process can run at once, at most eight."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST_THREADS)
    return min(os.cpu_count() or 1, MOST_THREADS)


def new_buffers(threads: int, size: int = CHUNK) -> list[memoryview]:
    """Return a buffer for each thread, of `size` bytes and a page.

    Raises:
        UnsupportedError: they do not fit into memory.
    """
    return [page_buffer(size + PAGE) for _ in range(max(threads, 1))]


def each(
    tasks: Iterable[Task],
    work: Callable[[Task, memoryview], Result],
    threads: int | None = None,
    buffers: Sequence[memoryview] = (),
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task with ``work(task, buffer)``, in the order of completion.

    The caller closes the generator (``contextlib.closing``). All threads have ended then, be it
    after the last task, an error or Ctrl-C. The first error raised by `work` ends the iteration.

    Args:
        tasks: Fetched one by one as threads become free, on any thread but never at once.
        work: Called on several threads at once. Its results should be small. Its buffer is
            overwritten after it returns.
        threads: Number of threads; default: that of the processors, see `processors`.
        buffers: From an earlier call; default: new ones.

    Raises:
        UnsupportedError: the buffers do not fit into memory.
    """
    from queue import SimpleQueue

    count = processors() if threads is None else threads
    buffers = buffers or new_buffers(count)
    remaining, turn, stop = iter(tasks), threading.Lock(), threading.Event()
    done: SimpleQueue[tuple[Task, Result] | BaseException] = SimpleQueue()

    def worker_loop(buffer: memoryview) -> None:
        try:
            while not stop.is_set():
                with turn:
                    task = next(remaining)
                done.put((task, work(task, buffer)))
        except BaseException as error:  # noqa: BLE001 - raised again below
            done.put(error)

    loops = [partial(worker_loop, buffer) for buffer in buffers]
    with _running(loops if count > 1 else [], stop) as started:
        if not started:
            for task in remaining:
                yield task, work(task, buffers[0])
        busy = started
        while busy:
            outcome = done.get()
            if isinstance(outcome, StopIteration):
                busy -= 1
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                yield outcome


class Spread(Protocol):
    """Runs units of work in other processes, as `each` does on threads."""

    width: int
    """Number of units that run at once."""

    def __call__(
        self, tasks: Iterable[Task], work: Callable[[Task, memoryview], Result]
    ) -> Generator[tuple[Task, Result], None, None]:
        """Yield each task with ``work(task, buffer)``, as `each` does.

        Tasks, results and `work` are pickled. A unit may run twice, if its process ends.
        """


_spread: ContextVar[Spread | None] = ContextVar("spread", default=None)
current_spread = _spread.get
"""Returns the `Spread` of the block around, or None: work then runs on threads."""


@contextmanager
def spreading(spread: Spread | None) -> Iterator[None]:
    """Run the large work of a block by `spread`, wherever it comes from."""
    token = _spread.set(spread)
    try:
        yield
    finally:
        _spread.reset(token)


def share(tasks: range, work: Callable[[int], None]) -> None:
    """Run a few short tasks on this thread and on others, which end before it returns.

    Args:
        tasks: Fetched one by one, by any free thread.
        work: Called on several threads at once; must not raise.
    """
    remaining, stop = iter(tasks), threading.Event()  # the iterator serves one thread at a time

    def worker_loop() -> None:
        for task in remaining:
            if stop.is_set():
                return
            work(task)

    with _running([worker_loop] * (min(processors(), len(tasks)) - 1), stop):
        worker_loop()


@contextmanager
def _running(loops: Sequence[Callable[[], None]], stop: threading.Event) -> Iterator[int]:
    """Run each loop on a thread, as far as the system allows; yield the number of threads.

    At the end, be it an error or Ctrl-C, threads finish their current task and are waited for.
    """
    workers = [threading.Thread(target=loop, daemon=True) for loop in loops]
    try:
        with suppress(RuntimeError):  # the system may refuse more threads
            for worker in workers:
                worker.start()
        yield sum(worker.ident is not None for worker in workers)
    finally:
        stop.set()
        for worker in workers:
            if worker.ident is not None:
                worker.join()
