"""Partitioned tensors: the geometry of their slices, and assembling them.

Independent of where slices are stored. FORMAT 3.7; TensorFlow ``core/framework/tensor_slice.cc``,
``core/util/saved_tensor_slice_util.cc``.

A slice is identified by one extent (start, length) per axis, (0, -1) for a whole axis. The key of
its row is ordered code of 0, the name, the rank, and the extents exactly as stored.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import (
    encode_ordered_number,
    encode_ordered_signed,
    encode_ordered_string,
)
from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind
from tfckpt_reader.tensor.spec import WHOLE_AXIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSlice

_PRIME = (1 << 127) - 1
_ASSEMBLED = 1 << 20
"""Bytes assembled at a time."""


def slice_key(name: bytes, extents: Sequence[tuple[int, int]]) -> bytes:
    """Return the key of the row of a slice of the tensor `name`."""
    axes = b"".join(encode_ordered_signed(n) for extent in extents for n in extent)
    return (
        encode_ordered_number(0)
        + encode_ordered_string(name)
        + encode_ordered_number(len(extents))
        + axes
    )


def is_slice_key(key: bytes) -> bool:
    """Return whether a key has the form of a slice's: its first byte, and a name with an end."""
    return key.startswith(b"\0") and b"\x00\x01" in key[1:]


def slice_name(key: bytes) -> bytes:
    """Return the name in the key of a slice's row; of any other key, the bytes in its position."""
    name = key[1:].partition(b"\x00\x01")[0]
    return name.replace(b"\xff\x00", b"\xff").replace(b"\x00\xff", b"\x00")


def box_of(
    extents: Sequence[tuple[int, int]], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the start and the shape of a slice within a tensor of `shape`.

    Raises:
        CorruptCheckpointError: another rank, or a slice that reaches outside.
    """
    if len(extents) != len(shape):
        raise CorruptCheckpointError(
            "slice has another rank than its tensor",
            kind=ErrorKind.SLICES,
            structure="slice",
            expected=len(shape),
            got=len(extents),
        )
    box = [
        (0, size) if extent == WHOLE_AXIS else extent
        for extent, size in zip(extents, shape, strict=True)
    ]
    for (start, length), size in zip(box, shape, strict=True):
        if start + length > size:
            raise CorruptCheckpointError(
                "slice reaches outside its tensor",
                kind=ErrorKind.SLICES,
                structure="slice",
                expected=f"at most {size}",
                got=start + length,
            )
    return tuple(start for start, _ in box), tuple(length for _, length in box)


@dataclass(frozen=True, slots=True)
class SliceOverlap:
    """The elements of a slice that lie in some wanted rows of its tensor."""

    source: TensorSlice
    rows: range
    """The wanted rows along axis 0, counted within the slice; range(1) for a scalar."""
    start: tuple[int, ...]
    """Index of the first element in an array of the wanted rows, per axis."""
    shape: tuple[int, ...]
    """Elements per axis."""

    @property
    def box(self) -> tuple[slice, ...]:
        """Its index in an array of the wanted rows."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.shape, strict=True))


def overlaps(slices: Sequence[TensorSlice], rows: range) -> list[SliceOverlap]:
    """Return the overlaps of slices with some rows of their tensor, along axis 0."""
    found = []
    for source in slices:
        if not source.start:
            found.append(SliceOverlap(source, range(1), (), ()))
            continue
        first, count = source.start[0], source.shape[0]
        low, high = max(rows.start, first), min(rows.stop, first + count)
        if low < high or not count:  # a slice without rows must be stored all the same
            start = (low - rows.start, *source.start[1:])
            shape = (high - low, *source.shape[1:])
            found.append(SliceOverlap(source, range(low - first, high - first), start, shape))
    return found


def check_tiling(shape: tuple[int, ...], rows: range, wanted: Sequence[SliceOverlap]) -> None:
    """Make sure that overlaps cover the wanted rows, each element exactly once.

    Boxes tile a box exactly if their corners, with alternating signs, add up to the corners of
    that box. A box of rank r has 2^r corners, so none is visited: each index along an axis has a
    secret number, a corner stands for the product of its numbers, and the sum over the corners of
    a box is one product of differences. The sums of different sets of corners agree with a
    probability below 2^-118, and no file can know the secret.

    Args:
        shape: That of the full tensor.
        rows: The wanted rows; range(1) for a scalar.
        wanted: Their overlaps.

    Raises:
        CorruptCheckpointError: slices overlap, or leave a hole; the message has the index.
    """
    target = (len(rows), *shape[1:]) if shape else ()
    if 0 in target:
        return
    axes = [a for a, size in enumerate(target) if any(each.shape[a] != size for each in wanted)]
    if len(wanted) == 1 and not axes:
        return
    number = _secret_numbers()
    total = sum([_corner_sum(each.start, each.shape, axes, number) for each in wanted])
    if (total - _corner_sum((0,) * len(target), target, axes, number)) % _PRIME:
        boxes = [[(each.start[a], each.start[a] + each.shape[a]) for a in axes] for each in wanted]
        boxes.append([(0, target[a]) for a in axes])
        wrong = _first_corner(axes, boxes, [*[1] * len(wanted), -1], number)
        first_row = rows.start if shape else 0
        raise _bad_tiling(dict(zip(axes, wrong, strict=True)), wanted, first_row)


def _secret_numbers() -> Callable[[int, int], int]:
    """Return a function from an axis and an index to a number below 2^128: a keyed hash."""
    from hashlib import blake2b

    key = os.urandom(32)

    @lru_cache(1 << 12)
    def number(axis: int, index: int) -> int:
        text = b"%d %d" % (axis, index)
        return int.from_bytes(blake2b(text, digest_size=16, key=key).digest(), "little")

    return number


def _corner_sum(
    start: Sequence[int], shape: Sequence[int], axes: list[int], number: Callable[[int, int], int]
) -> int:
    total = 1
    for axis in axes:
        begin = start[axis]
        total = total * (number(axis, begin) - number(axis, begin + shape[axis])) % _PRIME
    return total


def _first_corner(
    axes: list[int],
    boxes: Sequence[Sequence[tuple[int, int]]],
    signs: Sequence[int],
    number: Callable[[int, int], int],
) -> list[int]:
    """Return the first corner that is left when the corners of boxes are added up."""
    rank = len(axes)
    # Of each box, the sums over its corners along the last axes: none of them, one, two, ...
    sums = [[1] for _ in boxes]
    for axis in reversed(range(rank)):
        for box, tail in zip(boxes, sums, strict=True):
            begin, end = box[axis]
            tail.append(tail[-1] * (number(axes[axis], begin) - number(axes[axis], end)) % _PRIME)
    left = [(sign, box, tail) for sign, box, tail in zip(signs, boxes, sums, strict=True)]
    corner: list[int] = []
    for axis in range(rank):
        at: dict[int, list[tuple[int, Sequence[tuple[int, int]], list[int]]]] = {}
        for sign, box, tail in left:
            begin, end = box[axis]
            at.setdefault(begin, []).append((sign, box, tail))
            at.setdefault(end, []).append((-sign, box, tail))
        index, left = next(
            (index, there)
            for index, there in sorted(at.items())
            if sum(sign * tail[rank - 1 - axis] for sign, _, tail in there) % _PRIME
        )
        corner.append(index)
    return corner


def _bad_tiling(
    position: dict[int, int], wanted: Sequence[SliceOverlap], first_row: int
) -> CorruptCheckpointError:
    there = [
        str(each.source)
        for each in wanted
        if all(
            each.start[axis] <= index < each.start[axis] + each.shape[axis]
            for axis, index in position.items()
        )
    ]
    indices = [
        f"axis {axis} index {index + (0 if axis else first_row)}"
        for axis, index in position.items()
    ]
    where = ", ".join(indices) or "every index"
    return CorruptCheckpointError(
        f"slices overlap at {where}" if len(there) > 1 else f"slices leave a hole at {where}",
        kind=ErrorKind.SLICES,
        structure="slices",
        expected="every element in exactly one slice",
        got=f"slices {' and '.join(there[:3])}" if there else "none there",
    )


def flat_starts(slices: Sequence[TensorSlice], shape: tuple[int, ...]) -> list[int] | None:
    """Return the number of elements before each slice, if each is one run of adjacent elements.

    [0] for a tensor without slices; None if the elements of a slice do not adjoin.
    """
    if not slices:
        return [0]
    if any(each.shape[1:] != shape[1:] for each in slices):
        return None
    row = prod(shape[1:])
    return [each.start[0] * row if shape else 0 for each in slices]


def fill_overlap(
    out: NDArray[Any], overlap: SliceOverlap, fill: Callable[[range, NDArray[Any]], None]
) -> None:
    """Let `fill` write the rows of an overlap into its box of `out`.

    `fill` gets the rows and a C-contiguous array: the box, or an array that is copied there.
    """
    import numpy as np

    box = out[overlap.box] if overlap.shape else out
    if box.flags.c_contiguous:
        fill(overlap.rows, box)
        return
    owned = np.empty(box.shape, box.dtype)
    fill(overlap.rows, owned)
    box[...] = owned


def assemble(
    slices: Sequence[TensorSlice],
    shape: tuple[int, ...],
    itemsize: int,
    make: Callable[[tuple[int, ...]], NDArray[Any]],
    copy: Callable[[int, int, NDArray[Any]], None],
) -> Iterator[NDArray[Any]]:
    """Yield a tensor's elements in order, from its slices, in arrays of at most `_ASSEMBLED` bytes.

    However long a row is, memory stays bounded. Each slice is read in its own order, once.

    Args:
        slices: They tile the tensor; the caller has checked it.
        shape: That of the full tensor; not a scalar.
        itemsize: Bytes per element.
        make: Returns an array of a shape.
        copy: Fills its third argument from element number (second) of slice number (first) on.
    """
    if 0 in shape:
        return
    axis = next(a for a in range(len(shape)) if prod(shape[a + 1 :]) * itemsize <= _ASSEMBLED)
    group = _ASSEMBLED // (prod(shape[axis + 1 :]) * itemsize)
    for lead in product(*map(range, shape[:axis])):
        here = {
            _tail(each, axis): i
            for i, each in enumerate(slices)
            if all(a <= x < a + n for x, a, n in zip(lead, each.start, each.shape, strict=False))
        }
        for first in range(0, shape[axis], group):
            rows = range(first, min(first + group, shape[axis]))
            out = make((len(rows), *shape[axis + 1 :]))
            for overlap in overlaps(list(here), rows):
                index = here[overlap.source]
                before = _elements_before(slices[index], lead)

                def fill(
                    within: range, box: NDArray[Any], index: int = index, before: int = before
                ) -> None:
                    per_row = box.size // len(within)
                    copy(index, before + within.start * per_row, box)

                fill_overlap(out, overlap, fill)
            yield out


def _tail(slice_: TensorSlice, axis: int) -> TensorSlice:
    """Return a slice without the axes before one."""
    segment = slice_.segment._replace(shape=slice_.shape[axis:])
    return slice_._replace(start=slice_.start[axis:], segment=segment)


def _elements_before(slice_: TensorSlice, lead: tuple[int, ...]) -> int:
    """Return the number of elements of a slice before index `lead` of the tensor's first axes."""
    count = 0
    for x, start, size in zip(lead, slice_.start, slice_.shape, strict=False):
        count = count * size + x - start
    return count * prod(slice_.shape[len(lead) :])
