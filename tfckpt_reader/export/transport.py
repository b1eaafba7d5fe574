"""The bytes of arrays into a file, each where it belongs: read, checked and written on threads.

Rank 7: knows no format. All places are known beforehand, so that the order does not matter.
"""

from __future__ import annotations

import os
import threading
import zlib
from contextlib import closing, suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from tfckpt_reader.checksum import CASTAGNOLI, IEEE, combine, crc32c
from tfckpt_reader.errors import CorruptCheckpointError, count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tfckpt_reader.export.stored import Payload, Stored
    from tfckpt_reader.reader import Reader

_one_at_a_time = threading.Lock()
_WORTH_HURRY = 1 << 18
"""Bytes from which on a call to the system costs less than it gains."""
_SUMS = {IEEE: zlib.crc32, CASTAGNOLI: crc32c}
"""Polynomial -> what sums by it."""


class _Part(NamedTuple):
    """Some bytes of an array that were written; sorts by its place."""

    first: int
    """Bytes of the array before it."""
    size: int
    crc: int


def write(
    file: IO[bytes],
    reader: Reader,
    payloads: Sequence[Payload],
    wrote: Callable[[int], None],
    *,
    crc: int | None = None,
) -> list[int]:
    """Write each payload at its place; return the crc of each as it is written, if asked for.

    Every tensor's own crc is compared on the way: until this returns nothing may be trusted.

    Args:
        file: Open for writing, and a file of the system: it is written by its descriptor.
        reader: Where the tensors are.
        payloads: In any order, not overlapping.
        wrote: Told, on the caller's thread, of the bytes read.
        crc: The polynomial by which to sum: `IEEE` or `CASTAGNOLI`; None: the sums are 0.

    Raises:
        CheckpointError: a tensor cannot be read, or is damaged.
        OSError: the file cannot be written.
    """
    file.flush()
    fd = file.fileno()
    sums: dict[int, int] = {}
    parts: dict[int, list[_Part]] = {}
    summed = None if crc is None else _SUMS[crc]
    streamed = [i for i, payload in enumerate(payloads) if payload.stored.pieces is None]

    def put(offset: int, first: int, piece: bytes | memoryview) -> _Part:
        write_at(fd, piece, offset + first)
        if len(piece) >= _WORTH_HURRY:
            hurry(fd, offset + first, len(piece))
        return _Part(first, len(piece), 0 if summed is None else summed(piece))

    def take(number: int, first: int, piece: memoryview) -> _Part:
        offset, stored = payloads[streamed[number]]
        if stored.change is not None:
            first = first // stored.spec.dtype.itemsize * stored.itemsize
            piece = stored.change(piece)
        return put(offset, first, piece)

    specs = [payloads[i].stored.spec for i in streamed]
    with closing(reader.pour(specs, take, wrote)) as poured:
        for number, taken in poured:
            i = streamed[number]
            parts.setdefault(i, []).extend(taken)
            if not specs[number].slices:  # all of it; of very many arrays, parts take much memory
                sums[i] = _sum(payloads[i].stored, parts.pop(i), crc or IEEE)
    for i, (offset, stored) in enumerate(payloads):
        done = 0
        for piece in contents(reader, stored, wrote) if stored.pieces is not None else ():
            parts.setdefault(i, []).append(put(offset, done, piece))
            done += len(piece)
        if i not in sums:
            sums[i] = _sum(stored, parts.pop(i, []), crc or IEEE)
    return [sums[i] for i in range(len(payloads))]


def contents(
    reader: Reader, stored: Stored, wrote: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of one array in order; a piece is overwritten when the next is asked for."""
    if stored.pieces is not None:
        for made in stored.pieces():
            wrote(len(made))
            yield made
        return
    for piece in reader.stream(stored.spec):
        wrote(len(piece))
        yield piece if stored.change is None else stored.change(piece)


def _sum(stored: Stored, parts: list[_Part], polynomial: int) -> int:
    """Return the crc of an array, made sure that its parts are the whole of it."""
    crc = done = 0
    for part in sorted(parts):
        if part.first != done:
            break
        crc, done = combine(crc, part.crc, part.size, polynomial), done + part.size
    require_size(stored, done)
    return crc


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


if hasattr(os, "pwrite"):

    def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset` of a file."""
        done = 0
        while done < len(data):
            done += os.pwrite(fd, data[done:] if done else data, offset + done)

else:

    def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at `offset` of a file; here the position of a file is shared."""
        with _one_at_a_time:
            os.lseek(fd, offset, os.SEEK_SET)
            done = 0
            while done < len(data):
                done += os.write(fd, data[done:])


if hasattr(os, "posix_fadvise"):

    def hurry(fd: int, offset: int, size: int) -> None:
        """Let the system begin to put these bytes on disk: less is left for the sync at the end.

        Bytes that are not needed soon are what it is told of; those not on disk yet it must keep,
        and it begins to write them.
        """
        with suppress(OSError):  # advice only
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)

else:

    def hurry(fd: int, offset: int, size: int) -> None:
        """Nothing here begins to put bytes on disk without waiting for it."""
