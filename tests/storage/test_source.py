"""Chunks of a range, and the buffers that they are read into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from processes import in_child
from strategies import Memory

import tfckpt_reader as tfckpt
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.source import CHUNK, chunks, page_buffer


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 16) - 1, 1 << 16, (1 << 20) + 1])
def test_page_buffer(size: int) -> None:
    buffer = page_buffer(size)
    assert len(buffer) == size
    assert not buffer.readonly
    assert buffer == bytes(size)
    buffer[:] = b"\xff" * size
    assert buffer == b"\xff" * size


@pytest.mark.parametrize("size", [1 << 60, 1 << 63, 1 << 80])
def test_page_buffer_that_no_machine_has(size: int) -> None:
    with pytest.raises(tfckpt.UnsupportedError):
        page_buffer(size)


BIG = bytes(range(251)) * 20_000  # five chunks, and each page differs from its neighbours


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 0), (5, 1), (0, CHUNK), (1, CHUNK), (4095, CHUNK + 2), (0, len(BIG)), (12345, 4 * CHUNK)],
)
@pytest.mark.parametrize("item", [1, 2, 4, 8, 16])
def test_chunks_cover_a_range(offset: int, size: int, item: int) -> None:
    size -= size % item
    source = Memory(BIG)
    pieces = [bytes(piece) for piece in chunks(source, offset, size, item)]
    assert b"".join(pieces) == BIG[offset : offset + size]
    assert all(0 < len(piece) <= CHUNK and len(piece) % item == 0 for piece in pieces)
    places = [where for where, _ in source.reads]
    assert places == sorted(places)


def test_chunks_are_bounded_and_reused() -> None:
    walk = chunks(Memory(BIG), 0, len(BIG))
    first = next(walk)
    before = bytes(first[:100])
    second = next(walk)
    assert first.obj is second.obj
    assert bytes(first[:100]) != before


def test_chunks_past_the_end() -> None:
    walk = chunks(Memory(BIG), len(BIG) - 10, 20)
    with pytest.raises(tfckpt.TruncatedError):
        list(walk)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_does_not_write_into_its_parents_buffers(tmp_path: Path) -> None:
    """Memory for reads belongs to one process: a child that goes on reading leaves ours alone."""
    path = tmp_path / "file"
    path.write_bytes(BIG)
    source = File(str(path))
    walk = chunks(source, 0, len(BIG))
    piece = next(walk)
    before = bytes(piece)
    assert in_child(lambda: bytes(next(walk)) == BIG[CHUNK : 2 * CHUNK])
    assert bytes(piece) == before
    buffer = page_buffer(1 << 17)

    def write() -> bool:
        buffer[:5] = b"child"
        return True

    assert in_child(write)
    assert buffer[:5] == bytes(5)
