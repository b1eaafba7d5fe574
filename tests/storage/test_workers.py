"""Worker threads: every task runs, errors and Ctrl-C come through, every thread ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tfckpt_reader.storage import workers
from tfckpt_reader.storage.workers import BUFFER, each, share


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def fill(task: int, buffer: memoryview) -> tuple[int, bool]:
    """Fill the buffer with one byte; return its size and whether no other thread wrote to it."""
    buffer[:] = bytes([task % 256]) * len(buffer)
    time.sleep(0)
    return len(buffer), bytes(buffer) == bytes([task % 256]) * len(buffer)


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_every_task_runs_once_with_a_buffer_of_its_own(threads: int) -> None:
    done = dict(each(range(40), fill, threads))
    assert sorted(done) == list(range(40))
    assert set(done.values()) == {(BUFFER, True)}


def test_no_tasks() -> None:
    assert list(each([], fill, 3)) == []


def test_tasks_run_on_other_threads_at_once() -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(_task: int, _buffer: memoryview) -> int:
        both.wait()
        return threading.get_ident()

    idents = {ident for _, ident in each(range(2), meet, 2)}
    assert len(idents) == 2
    assert threading.get_ident() not in idents


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_the_work_ends_the_iteration(threads: int) -> None:
    def fail(task: int, _buffer: memoryview) -> None:
        if task == 5:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        list(each(range(10**9), fail, threads))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_the_tasks_ends_the_iteration(threads: int) -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(each(tasks(), fill, threads))


def test_closing_early_ends_all_threads() -> None:
    with closing(each(range(10**9), lambda task, _: task, 3)) as results:
        assert next(results)[0] < 10**9


def test_an_interrupt_ends_all_threads() -> None:
    def interrupted() -> None:
        with closing(each(range(10**9), lambda task, _: task, 3)) as results:
            for _ in results:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def few_threads(monkeypatch: pytest.MonkeyPatch, given: int) -> None:
    """Let the system start this many threads and refuse more."""
    start, left = threading.Thread.start, [given]

    def start_some(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)


@pytest.mark.parametrize("given", [0, 1])
def test_a_system_that_refuses_threads(monkeypatch: pytest.MonkeyPatch, given: int) -> None:
    few_threads(monkeypatch, given)
    assert sorted(dict(each(range(50), lambda task, _: task, 4))) == list(range(50))


@pytest.mark.parametrize("processors", [1, 2, 5])
@pytest.mark.parametrize("given", [0, 1, 9])
def test_shared_tasks_run_once(
    processors: int, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_threads(monkeypatch, given)
    monkeypatch.setattr(workers, "processors", lambda: processors)
    done: list[int] = []
    share(range(3, 90), done.append)
    assert sorted(done) == list(range(3, 90))
    share(range(0), done.append)
    assert len(done) == 87


def test_tasks_are_shared_with_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "processors", lambda: 2)
    both, threads = threading.Barrier(2, timeout=60), set()

    def work(_task: int) -> None:
        both.wait()
        threads.add(threading.current_thread())

    share(range(2), work)
    assert len(threads) == 2


def test_an_interrupt_ends_shared_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "processors", lambda: 3)
    here, begun, tasks = threading.current_thread(), threading.Event(), range(3_000_000)
    done = []

    def work(task: int) -> None:
        if threading.current_thread() is here:
            begun.set()
            raise KeyboardInterrupt
        begun.wait(60)
        done.append(task)

    with pytest.raises(KeyboardInterrupt):
        share(tasks, work)
    assert len(done) < len(tasks)


def test_there_is_a_processor() -> None:
    assert 1 <= workers.processors() <= 8
