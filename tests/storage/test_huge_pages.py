"""Memory on huge pages."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
import pytest

from tfckpt_reader.storage.huge_pages import HUGE, huge_pages

has_them = pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="Linux has huge pages")


@has_them
@pytest.mark.parametrize("size", [HUGE, HUGE + 1, 3 * HUGE - 1])
def test_buffers_begin_on_a_huge_page(size: int) -> None:
    buffers = [huge_pages(size) for _ in range(3)]
    arrays = [np.frombuffer(buffer, "u1") for buffer in buffers if buffer is not None]
    assert [array.size for array in arrays] == [size] * 3
    for number, array in enumerate(arrays):
        assert array.__array_interface__["data"][0] % HUGE == 0
        assert not array.any()
        array[:] = number
    assert [int(array.max()) for array in arrays] == [0, 1, 2]
    assert [int(array.min()) for array in arrays] == [0, 1, 2]


@has_them
def test_a_forked_child_has_its_own() -> None:
    buffer = huge_pages(HUGE)
    assert buffer is not None
    child = os.fork()
    if not child:
        buffer[0] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert buffer[0] == 0


@has_them
def test_more_than_there_is() -> None:
    assert huge_pages(1 << 60) is None
    assert huge_pages(1 << 70) is None


def test_a_system_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert huge_pages(HUGE) is None


@has_them
def test_a_system_that_was_built_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(mmap.mmap):
        def madvise(self, *_: Any) -> None:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Refusing)
    assert huge_pages(HUGE) is None
