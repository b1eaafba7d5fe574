"""Chunks: runs of elements in C order, which together are the array."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.export.formats.chunks import chunk_shape, chunked

shapes = st.lists(st.integers(1, 7), max_size=4).map(tuple)


@given(shapes, st.sampled_from([1, 4, 16]), st.integers(16, 200), st.integers(1, 50))
def test_chunks_are_the_blocks_of_the_grid(
    shape: tuple[int, ...], itemsize: int, most: int, piece: int
) -> None:
    array = np.arange(prod(shape) * itemsize, dtype=np.uint8).reshape(*shape, itemsize)
    chunk = chunk_shape(shape, itemsize, most)
    assert prod(chunk) * itemsize <= most
    data, found, read = array.tobytes(), np.zeros_like(array), []

    def stream() -> object:
        for first in range(0, len(data), piece):
            yield memoryview(data)[first : first + piece]
        read.append("end")

    for place, block in chunked(stream(), shape, chunk, itemsize):  # type: ignore[arg-type]
        box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, chunk, strict=True))
        found[box] = np.frombuffer(block, np.uint8).reshape(found[box].shape)
    assert found.tobytes() == data
    assert read == ["end"]


def test_a_small_array_is_one_chunk() -> None:
    assert chunk_shape((3, 5), 4) == (3, 5)
    assert chunk_shape((), 8) == ()
    assert [c.data for c in chunked([b"", b"ab", b"", b"cd"], (), (), 4)] == [b"abcd"]
