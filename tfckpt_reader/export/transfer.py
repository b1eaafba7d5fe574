"""The bytes of arrays into files, each where it belongs: read, checked and written on threads.

Knows no format. All places are known beforehand, so that the order does not matter.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import CASTAGNOLI, IEEE, PartialChecksums, crc32c
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.storage.atomic import write_at
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tfckpt_reader.export.arrays import Stored
    from tfckpt_reader.formats.reader import Reader

    Put = Callable[[int, int, bytes | memoryview], None]
    """Called on any thread with the number of an array, how many of its bytes lie before, and some
    of them, which it writes where they belong."""

_SUMS = {IEEE: zlib.crc32, CASTAGNOLI: crc32c}
"""Polynomial -> what sums by it."""


def write(
    put: Put,
    reader: Reader,
    arrays: Sequence[Stored],
    wrote: Callable[[int], None],
    *,
    crc: int | None = None,
) -> list[int]:
    """Give the bytes of arrays to `put`; return the crc of each as it is written, if asked for.

    Every tensor's own crc is compared on the way: until this returns nothing may be trusted.

    Args:
        put: Writes them; `at` makes one for a single file.
        reader: Where the tensors are.
        arrays: In any order.
        wrote: Told, on the caller's thread, of the bytes read.
        crc: The polynomial by which to sum: `IEEE` or `CASTAGNOLI`; None: the sums are 0.

    Raises:
        CheckpointError: a tensor cannot be read, or is damaged.
        OSError: the file cannot be written.
    """
    sums = PartialChecksums(len(arrays), crc or IEEE)
    summed = None if crc is None else _SUMS[crc]

    def take(number: int, first: int, piece: bytes | memoryview) -> None:
        put(number, first, piece)
        sums.add(number, first, len(piece), 0 if summed is None else summed(piece))

    streamed = [i for i, stored in enumerate(arrays) if stored.pieces is None]

    def change(index: int, first: int, piece: memoryview) -> None:
        stored = arrays[streamed[index]]
        if stored.change is not None:
            first = first // stored.spec.dtype.itemsize * stored.itemsize
            piece = stored.change(piece)
        take(streamed[index], first, piece)

    reader.read_many([arrays[i].spec for i in streamed], change, wrote)
    for i, stored in enumerate(arrays):
        for piece in contents(reader, stored, wrote) if stored.pieces is not None else ():
            take(i, sums.sizes[i], piece)
        require_size(stored, sums.sizes[i])
    return sums.crcs


def at(fd: int, offsets: Sequence[int]) -> Put:
    """Return what writes arrays into one file, each at its offset."""
    return lambda number, first, piece: write_at(fd, piece, offsets[number] + first)


def contents(
    reader: Reader, stored: Stored, wrote: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of one array in order; a piece is overwritten when the next is asked for."""
    if stored.pieces is not None:
        for made in stored.pieces():
            wrote(len(made))
            yield made
        return
    for piece in reader.blocks(stored.spec):
        wrote(len(piece))
        yield piece if stored.change is None else stored.change(piece)


def require_size(stored: Stored, size: int) -> None:
    """Make sure that an array came with as many bytes as its shape has.

    Raises:
        CorruptCheckpointError: it did not.
    """
    if size != stored.nbytes:
        raise CorruptCheckpointError(
            "the tensor has changed while it was read",
            tensor=stored.spec.name,
            expected=count_of(stored.nbytes, "byte"),
            got=count_of(size, "byte"),
        )
