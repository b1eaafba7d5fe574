"""An object of a store as a ByteSource: in few requests, each compared with the first.

Knows no library. A small object is fetched whole, by its first read. Of a large one, small reads
fetch some more around them, and large ones are split into parts that are fetched at once.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from contextlib import closing, contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ErrorKind,
)
from tfckpt_reader.storage.ahead import merged
from tfckpt_reader.storage.file_state import changed
from tfckpt_reader.storage.remote.store import asking
from tfckpt_reader.storage.remote.stores import store_of
from tfckpt_reader.storage.source import page_buffer, require_inside
from tfckpt_reader.storage.workers import each
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


WINDOW = 8 << 20
"""Bytes of a request of several that run at once."""
THREADS = 8
"""Requests that run at once."""
_SMALL = 1 << 20
"""Objects up to this size, in bytes, are fetched whole."""
_LEAST = 1 << 16
"""Bytes of the smallest request: it takes about as long as one for a single byte."""
_CACHE = 8 << 20
"""Bytes of an object that are kept from earlier reads."""
_NO_BUFFERS = [memoryview(b"")] * THREADS


class RemoteFile:
    """An object as a ByteSource; safe to use from several threads.

    Args:
        path: Its URL.

    Attributes:
        map: All of its bytes, if it is small and was read; else None.

    Raises:
        CheckpointNotFoundError: there is no such object.
        CheckpointError: access is denied, or the store cannot be reached.
    """

    window = WINDOW * THREADS

    def __init__(self, path: str) -> None:
        self.name = path
        self.map: memoryview | None = None
        self._store, self._key = store_of(path)
        entry = self._store.seen.get(self._key)
        if entry is None:
            with asking(path):
                entry = self._store.head(self._key)
            if entry is None:
                raise CheckpointNotFoundError("no such file", file=path)
            self._store.seen.put(self._key, entry)
        self._state = entry.state
        self.size = entry.state.size
        self._cache = _Cache()
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> memoryview:
        """Return `size` bytes at `offset`, read-only.

        Raises:
            TruncatedError: the object ends before.
            CorruptCheckpointError: the object has changed; of kind CHANGED.
            CheckpointError: the store did not answer as it should; of kind UNREACHABLE.
        """
        require_inside(self, offset, size)
        if not size:
            return memoryview(b"")
        if size > 2 * WINDOW and self._cache.find(offset, size) is None:
            buffer = page_buffer(size)
            self._fill(offset, buffer)
            return buffer.toreadonly()
        return self._near(offset, size)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with the bytes at `offset`; raise as `read` does."""
        require_inside(self, offset, len(buffer))
        if len(buffer) > 2 * WINDOW:
            self._fill(offset, buffer)
        elif buffer:
            buffer[:] = self._near(offset, len(buffer))

    def _near(self, offset: int, size: int) -> memoryview:
        """Return some bytes: of the cache, or fetched with those around them."""
        found = self._cache.find(offset, size)
        if found is not None:
            return found
        with self._lock if self.size <= _SMALL else _no_lock():
            found = self._cache.find(offset, size)
            if found is not None:
                return found
            span = self._worthwhile(offset, size)
            data = self._fetch(span)
            if len(span) == self.size:
                self.map = data
            self._cache.add(span.start, data)
        return data[offset - span.start :][:size]

    def _worthwhile(self, offset: int, size: int) -> range:
        """Return the range to fetch for one that is read."""
        if self.size <= _SMALL:
            return range(self.size)
        begin = max(0, min(offset, self.size - _LEAST))
        return range(begin, max(offset + size, min(self.size, begin + _LEAST)))

    def _fetch(self, span: range) -> memoryview:
        """Return the bytes of one request."""
        with asking(self.name):
            state, data = self._store.get(self._key, None if len(span) == self.size else span)
        found = memoryview(data).toreadonly()
        state = state or self._state
        is_same = state.identity and state.identity == self._state.identity
        if state != self._state and not is_same:
            raise changed(self.name, self._state, state)
        if len(found) != len(span) or state != self._state:
            self._require_unchanged()
            raise CheckpointError(
                "the server sent another range than it was asked for",
                kind=ErrorKind.UNREACHABLE,
                file=self.name,
                offset=span.start,
                expected=count_of(len(span), "byte"),
                got=count_of(len(found), "byte"),
                advice="It must support ranges, and send files as they are, without compression",
            )
        return found

    def _require_unchanged(self) -> None:
        with asking(self.name):
            entry = self._store.head(self._key)
        if entry is None or entry.state != self._state:
            raise changed(self.name, self._state, entry and entry.state)

    def _fill(self, offset: int, buffer: memoryview) -> None:
        """Fill a large buffer by several requests at once."""

        def fill(first: int, _buffer: memoryview) -> None:
            part = buffer[first : first + WINDOW]
            part[:] = self._fetch(range(offset + first, offset + first + len(part)))

        starts = range(0, len(buffer), WINDOW)
        with closing(each(starts, fill, THREADS, _NO_BUFFERS)) as done:
            for _ in done:
                pass

    @contextmanager
    def near(self, ranges: Sequence[range]) -> Iterator[None]:
        """Fetch ranges in few requests; reads inside the block find them.

        Ranges close to each other are fetched together, those far apart by requests that run at
        once. Ranges past the end are left out.
        """

        def fetch(span: range, _buffer: memoryview) -> memoryview:
            return self.read(span.start, len(span))

        spans = [] if self.size <= _SMALL else list(merged(ranges, self.size))
        with closing(each(spans, fetch, min(THREADS, len(spans)), _NO_BUFFERS)) as done:
            self._cache.hold(sorted((span.start, data) for span, data in done))
        try:
            yield
        finally:
            self._cache.hold([])


class _Cache:
    """Bytes from earlier reads, the latest ones, and those that are held."""

    def __init__(self) -> None:
        self._runs: OrderedDict[int, memoryview] = OrderedDict()
        self._lock = threading.Lock()
        self._held: list[tuple[int, memoryview]] = []

    def find(self, offset: int, size: int) -> memoryview | None:
        """Return bytes of one run; None if no run has all of them."""
        with self._lock:
            for begin, run in reversed(self._runs.items()):
                if begin <= offset and offset + size <= begin + len(run):
                    return run[offset - begin :][:size]
        held = self._held
        number = bisect_right(held, offset, key=itemgetter(0)) - 1
        begin, run = held[number] if number >= 0 else (0, memoryview(b""))
        return run[offset - begin :][:size] if offset + size <= begin + len(run) else None

    def hold(self, runs: list[tuple[int, memoryview]]) -> None:
        """Hold these runs, by offset, in place of those before."""
        self._held = runs

    def add(self, offset: int, run: memoryview) -> None:
        """Add a run, unless it is large; drop the oldest ones beyond the limit."""
        if len(run) > _SMALL:
            return
        with self._lock:
            self._runs[offset] = run
            while sum(map(len, self._runs.values())) > _CACHE:
                self._runs.popitem(last=False)


@contextmanager
def _no_lock() -> Iterator[None]:
    yield
