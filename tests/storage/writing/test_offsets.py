"""Writing at offsets of a new file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfckpt_reader.storage.writing import offsets
from tfckpt_reader.storage.writing.offsets import Room, write_at

needs_allocation = pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="no such call on this system"
)
FILE = 1 << 20
"""The least bytes of a file for which room is set aside."""


@pytest.fixture
def new(tmp_path: Path) -> Iterator[int]:
    """A new file."""
    fd = os.open(tmp_path / "new", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
    yield fd
    os.close(fd)


def contents(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    return os.read(fd, 1 << 24)


# -- writing ---------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(7)), st.lists(st.integers(0, 40), min_size=7, max_size=7))
def test_all_bytes_are_where_they_belong(new: int, order: list[int], sizes: list[int]) -> None:
    os.ftruncate(new, 0)
    parts = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offsets, "_STRIDE", 16)
        patch.setattr(offsets, "_WORTH_WRITEBACK", 8)
        patch.setattr(offsets, "_CACHED", 32)
        for number in order:
            write_at(new, memoryview(parts[number]), sum(sizes[:number]))
    assert contents(new) == b"".join(parts)


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="no positioned write on this system")
def test_writes_end_on_borders(new: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, really = [], os.pwrite

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        ends.append(offset + len(data))
        return really(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    write_at(new, bytes(5 << 19), 100)
    assert ends[-1] == os.fstat(new).st_size == 100 + (5 << 19)
    assert [end % (1 << 19) for end in ends[:-1]] == [0] * 5


def test_a_system_that_takes_no_advice(new: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    write_at(new, b"x" * FILE, 0)
    assert contents(new) == b"x" * FILE


# -- room ------------------------------------------------------------------------------------------


@needs_allocation
def test_room_is_set_aside_in_steps(new: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "_STEP", FILE)
    room = Room(new, 3 * FILE + 5)
    if not room._works:
        pytest.skip("this file system sets none aside")
    write_at(new, b"x" * FILE, FILE, room)
    assert os.fstat(new).st_size == 2 * FILE
    assert os.fstat(new).st_blocks * 512 >= FILE
    write_at(new, b"y", 3 * FILE, room)
    assert os.fstat(new).st_size == 3 * FILE + 5
    write_at(new, b"z" * (FILE + 1), 2 * FILE - 1, room)
    assert contents(new) == bytes(FILE) + b"x" * (FILE - 1) + b"z" * (FILE + 1) + b"y" + bytes(4)


@needs_allocation
def test_each_step_once_also_on_threads(new: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(offsets, "_STEP", FILE)
    monkeypatch.setattr(offsets, "_can_set_aside", lambda _: True)
    monkeypatch.setattr(os, "posix_fallocate", lambda _, *where: asked.append(where))
    room, size = Room(new, 8 * FILE), FILE // 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write_at(new, bytes([n]) * size, n * size, room), range(16)))
    assert sorted(set(asked)) == [(n * FILE, FILE) for n in range(8)]
    assert contents(new) == b"".join(bytes([n]) * size for n in range(16))


@needs_allocation
def test_none_for_small_files(new: int) -> None:
    write_at(new, b"x", 0, Room(new, FILE - 1))
    assert os.fstat(new).st_size == 1


def test_a_system_without_the_call(new: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    write_at(new, b"x", 0, Room(new, FILE))
    assert os.fstat(new).st_size == 1


@needs_allocation
@pytest.mark.parametrize("first", [1, FILE], ids=["at once", "later"])
@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM])
def test_a_file_system_that_cannot(
    new: int, number: int, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _offset: int, size: int) -> None:
        if size >= first:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    write_at(new, b"x", 0, Room(new, FILE))
    assert contents(new) == b"x"


@needs_allocation
def test_the_c_library_must_not_write_zeros_instead(
    new: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def write_zeros(fd: int, offset: int, size: int) -> None:
        asked.append((offset, size))
        os.pwrite(fd, bytes(size), offset)

    monkeypatch.setattr(os, "posix_fallocate", write_zeros)
    write_at(new, b"x", 0, Room(new, FILE))
    assert asked == [(0, 1)]


@needs_allocation
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room(new: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _offset: int, size: int) -> None:
        if size > 1:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_at(new, b"x", 0, Room(new, FILE))
