"""Objects as sources: few requests, and never bytes of another object or of another range."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import OneObject

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import ErrorKind
from tfckpt_reader.storage.file_state import FileState
from tfckpt_reader.storage.remote import objects
from tfckpt_reader.storage.remote.objects import RemoteFile

SMALL = os.urandom(1000)
LARGE = os.urandom(100) * 30_000


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[OneObject], RemoteFile]:
    def make(store: OneObject) -> RemoteFile:
        monkeypatch.setattr(objects, "store_of", lambda _path: (store, "key"))
        return RemoteFile("x://key")

    return make


Opened = Callable[[OneObject], RemoteFile]


def test_a_small_one_is_fetched_whole(opened: Opened) -> None:
    store = OneObject(SMALL)
    file = opened(store)
    assert file.read(500, 10) == SMALL[500:510]
    assert file.read(0, 1000) == SMALL
    assert bytes(file.map or b"") == SMALL
    assert store.asked == [None]


def test_small_reads_of_a_large_one(opened: Opened) -> None:
    store = OneObject(LARGE)
    file = opened(store)
    for offset in (len(LARGE) - 48, len(LARGE) - 60_000, 100, 60_000, 0):
        assert file.read(offset, 10) == LARGE[offset : offset + 10]
    end = len(LARGE)
    assert store.asked == [range(end - 65536, end), range(100, 65636), range(65536)]
    assert file.map is None


def test_the_cache_is_bounded(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_CACHE", 1 << 18)
    file = opened(OneObject(LARGE))
    for offset in range(0, len(LARGE) - 65536, 65536):
        file.read(offset, 1)
    assert sum(map(len, file._cache._runs.values())) == 1 << 18


def test_near(opened: Opened) -> None:
    store = OneObject(LARGE)
    file = opened(store)
    ranges = [range(n, n + 1000) for n in range(0, 2_000_000, 100_000)]
    with file.near([*ranges, range(-5, 7), range(len(LARGE), len(LARGE) + 1)]):
        assert len(store.asked) == 1
        for each in ranges:
            assert file.read(each.start, 1000) == LARGE[each.start : each.stop]
        assert len(store.asked) == 1
    file.read(500_000, 1000)
    assert len(store.asked) == 2


@given(st.data())
def test_any_reads(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("WINDOW", 700), ("_SMALL", 900), ("_LEAST", 300), ("_CACHE", 1200)):
            patch.setattr(objects, name, value)
        contents = bytes(n * n % 251 for n in range(data.draw(st.integers(0, 5000))))
        store = OneObject(contents)
        store.says_state = data.draw(st.booleans())
        patch.setattr(objects, "store_of", lambda _path: (store, "key"))
        file = RemoteFile("x://key")
        ends = st.integers(0, len(contents))
        ranges = data.draw(st.lists(st.tuples(ends, ends).map(lambda p: range(min(p), max(p)))))
        with file.near(ranges[::2]):
            for each in ranges:
                assert file.read(each.start, len(each)) == contents[each.start : each.stop]
                buffer = bytearray(len(each))
                file.readinto(each.start, memoryview(buffer))
                assert buffer == contents[each.start : each.stop]


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "short": lambda data: data[:-1],
    "empty": lambda _data: b"",
    "long": lambda data: data + b"#",
    "all of it": lambda _data: LARGE,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("says_state", [True, False])
def test_another_length(opened: Opened, wrong: str, says_state: bool) -> None:
    store = OneObject(LARGE)
    store.says_state, store.answer = says_state, WRONG[wrong]
    with pytest.raises(tfckpt.CheckpointError, match="another range") as caught:
        opened(store).read(10, 100)
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert caught.value.advice is not None


def test_no_ranges_are_needed_for_a_small_one(opened: Opened) -> None:
    store = OneObject(SMALL)
    store.answer = lambda _data: SMALL
    assert opened(store).read(10, 100) == SMALL[10:110]


@pytest.mark.parametrize("size", [100, 40 << 20])
def test_another_in_its_place(opened: Opened, size: int) -> None:
    store = OneObject(bytes(50 << 20))
    file = opened(store)
    store.tag = "second"
    with pytest.raises(tfckpt.CorruptCheckpointError, match="replaced") as caught:
        file.read(10, size)
    assert caught.value.kind is ErrorKind.CHANGED


def test_a_shorter_one_without_states(opened: Opened) -> None:
    store = OneObject(LARGE)
    store.says_state = False
    file = opened(store)
    store.data = store.data[:50]
    with pytest.raises(tfckpt.CorruptCheckpointError, match="changed") as caught:
        file.read(10, 100)
    assert caught.value.kind is ErrorKind.CHANGED


def test_one_that_vanished(opened: Opened) -> None:
    store = OneObject(LARGE)
    file = opened(store)
    file._key = "other"
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        file.read(10, 100)


class Shrinking(OneObject):
    """Its answers to reads have another size than those to questions, and the same tag."""

    def get(self, key: str, span: range | None) -> tuple[FileState | None, bytes]:
        return FileState(len(self.data) - 1, 0, self.tag), super().get(key, span)[1]


def test_another_size_under_the_same_tag(opened: Opened) -> None:
    """No change of the file: a server compressed it, or sent too little."""
    with pytest.raises(tfckpt.CheckpointError, match="another range") as caught:
        opened(Shrinking(LARGE)).read(10, 100)
    assert caught.value.kind is ErrorKind.UNREACHABLE
