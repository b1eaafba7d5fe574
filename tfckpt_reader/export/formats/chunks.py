"""Chunks of arrays, for formats that store each as a grid of them.

Knows no format. A chunk is a run of elements in C order: it has whole inner axes, a range of one
axis, and one index of each outer axis. So a stream of elements is cut where the chunks meet.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 1 << 20
"""Most bytes of a chunk, by default. Changing it changes the files."""


class Chunk(NamedTuple):
    """A chunk of an array; at the end of an axis it may be only partly filled."""

    place: tuple[int, ...]
    """Its position in the grid."""
    data: bytearray
    """Its elements."""


def chunk_shape(shape: tuple[int, ...], itemsize: int, most: int = CHUNK) -> tuple[int, ...]:
    """Return the shape of the chunks of an array: all of it, if that has at most `most` bytes.

    Those along an axis are of one size as far as possible.
    """
    inner = itemsize
    for axis in reversed(range(len(shape))):
        if inner * shape[axis] > most:
            count = -(-shape[axis] // max(1, most // inner))
            return (*(1,) * axis, -(-shape[axis] // count), *shape[axis + 1 :])
        inner *= shape[axis]
    return shape


def grid(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of chunks in the grid, in C order."""
    return product(*(range(-(-n // c)) for n, c in zip(shape, chunk, strict=True)))


def chunked(
    stream: Iterable[bytes | memoryview],
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    itemsize: int,
) -> Iterator[Chunk]:
    """Cut the elements of an array into its chunks; read them to their end.

    Args:
        stream: The elements in C order. They are copied: its buffers may be reused.
        shape: Shape of the array; it has elements.
        chunk: From `chunk_shape`.
        itemsize: Bytes per element.
    """
    pieces, rest = iter(stream), memoryview(b"")
    for place in grid(shape, chunk):
        ends = (min(c, n - i * c) for i, n, c in zip(place, shape, chunk, strict=True))
        size, data = itemsize * prod(ends), bytearray()
        while len(data) < size:
            rest = rest or memoryview(next(pieces))
            room = size - len(data)
            data += rest[:room]
            rest = rest[room:]
        yield Chunk(place, data)
    for _ in pieces:  # the end is where a checksum is compared
        pass
