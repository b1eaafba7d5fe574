"""Partitioned tensors: where their pieces belong, and putting them together.

Knows not where pieces come from. FORMAT 3.7; TensorFlow ``core/framework/tensor_slice.cc``,
``core/util/saved_tensor_slice_util.cc``.

A piece is told by one extent (start, length) per axis, (0, -1) for a whole axis. Its row's key is
ordered code of 0, the name, the rank, and the extents exactly as stored, not normalised.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import ordered_number, ordered_signed, ordered_string
from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, UnsupportedError
from tfckpt_reader.tensor.spec import WHOLE_AXIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSlice

_MOST_CORNERS = 1 << 24
_STREAMED = 1 << 20
"""Bytes put together at a time when a tensor is streamed."""


def slice_key(name: bytes, extents: Sequence[tuple[int, int]]) -> bytes:
    """Return the key of the row that holds the piece `extents` of the tensor `name`."""
    axes = b"".join(ordered_signed(n) for extent in extents for n in extent)
    return ordered_number(0) + ordered_string(name) + ordered_number(len(extents)) + axes


def is_slice_key(key: bytes) -> bool:
    """Tell whether a key looks like that of a slice's row: it begins as one, and the name ends."""
    return key.startswith(b"\0") and b"\x00\x01" in key[1:]


def slice_name(key: bytes) -> bytes:
    """Return the name in the key of a slice's row; of any other key, what stands in its place."""
    name = key[1:].partition(b"\x00\x01")[0]
    return name.replace(b"\xff\x00", b"\xff").replace(b"\x00\xff", b"\x00")


def place(
    extents: Sequence[tuple[int, int]], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the start and the shape of a piece within a tensor of `shape`.

    Raises:
        CorruptCheckpointError: another rank, or a piece that reaches outside.
    """
    if len(extents) != len(shape):
        raise CorruptCheckpointError(
            "slice has another rank than its tensor",
            kind=ErrorKind.SLICES,
            structure="slice",
            expected=len(shape),
            got=len(extents),
        )
    placed = [
        (0, size) if extent == WHOLE_AXIS else extent
        for extent, size in zip(extents, shape, strict=True)
    ]
    for (start, length), size in zip(placed, shape, strict=True):
        if start + length > size:
            raise CorruptCheckpointError(
                "slice reaches outside its tensor",
                kind=ErrorKind.SLICES,
                structure="slice",
                expected=f"at most {size}",
                got=start + length,
            )
    return tuple(start for start, _ in placed), tuple(length for _, length in placed)


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a piece that some wanted rows of its tensor fall into."""

    piece: TensorSlice
    rows: range
    """The wanted rows along axis 0, counted within the piece; range(1) for a scalar."""
    start: tuple[int, ...]
    """Index of its first element in an array of the wanted rows, per axis."""
    shape: tuple[int, ...]
    """Elements per axis."""

    @property
    def box(self) -> tuple[slice, ...]:
        """Where it belongs in an array of the wanted rows."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.shape, strict=True))


def cuts(pieces: Sequence[TensorSlice], rows: range) -> list[Cut]:
    """Return what rows `rows` (along axis 0) of a tensor take from each of its pieces."""
    found = []
    for piece in pieces:
        if not piece.start:
            found.append(Cut(piece, range(1), (), ()))
            continue
        first, count = piece.start[0], piece.shape[0]
        low, high = max(rows.start, first), min(rows.stop, first + count)
        if low < high or not count:  # a piece without rows must be there all the same
            start = (low - rows.start, *piece.start[1:])
            shape = (high - low, *piece.shape[1:])
            found.append(Cut(piece, range(low - first, high - first), start, shape))
    return found


def check_tiling(shape: tuple[int, ...], rows: range, taken: Sequence[Cut]) -> None:
    """Make sure that the cuts cover the wanted rows, each element exactly once.

    Each cut counts its corners, with alternating signs, into one sum; boxes tile a box just if
    the sum is that box's own corners. That takes no element, and no pair of cuts, into the hand.

    Args:
        shape: Of the full tensor.
        rows: The wanted rows; range(1) for a scalar.
        taken: What `cuts` found for them.

    Raises:
        CorruptCheckpointError: slices overlap, or leave a hole; says where, and which.
    """
    wanted = (len(rows), *shape[1:]) if shape else ()
    axes = [a for a, size in enumerate(wanted) if any(cut.shape[a] != size for cut in taken)]
    if len(taken) << len(axes) > _MOST_CORNERS:
        raise UnsupportedError(
            f"{len(taken)} slices cut along {len(axes)} axes are more than is put together here"
        )
    corners: Counter[tuple[int, ...]] = Counter()
    for cut in taken:
        _add_corners(corners, [cut.start[a] for a in axes], [cut.shape[a] for a in axes], 1)
    _add_corners(corners, [0] * len(axes), [wanted[a] for a in axes], -1)
    if 0 in wanted:
        return
    wrong = min((corner for corner, count in corners.items() if count), default=None)
    if wrong is not None:
        first_row = rows.start if shape else 0
        raise _bad_tiling(dict(zip(axes, wrong, strict=True)), taken, first_row)


def _add_corners(
    corners: Counter[tuple[int, ...]], start: list[int], shape: list[int], sign: int
) -> None:
    spans = [((a, 1), (a + size, -1)) for a, size in zip(start, shape, strict=True)]
    for corner in product(*spans):
        weight = sign
        for _, factor in corner:
            weight *= factor
        at = tuple(position for position, _ in corner)
        corners[at] += weight
        if not corners[at]:  # where pieces adjoin: there are few others at any time
            del corners[at]


def _bad_tiling(
    position: dict[int, int], taken: Sequence[Cut], first_row: int
) -> CorruptCheckpointError:
    there = [
        str(cut.piece)
        for cut in taken
        if all(
            cut.start[axis] <= index < cut.start[axis] + cut.shape[axis]
            for axis, index in position.items()
        )
    ]
    places = [
        f"axis {axis} index {index + (0 if axis else first_row)}"
        for axis, index in position.items()
    ]
    where = ", ".join(places) or "every index"
    return CorruptCheckpointError(
        f"slices overlap at {where}" if len(there) > 1 else f"slices leave a hole at {where}",
        kind=ErrorKind.SLICES,
        structure="slices",
        expected="every element in exactly one slice",
        got=f"slices {' and '.join(there[:3])}" if there else "none there",
    )


def flat_starts(pieces: Sequence[TensorSlice], shape: tuple[int, ...]) -> list[int] | None:
    """Return the element of the tensor at which each piece begins, if each is one run of elements.

    [0] for a tensor without pieces; None if the elements of a piece do not adjoin.
    """
    if not pieces:
        return [0]
    if any(piece.shape[1:] != shape[1:] for piece in pieces):
        return None
    row = prod(shape[1:])
    return [piece.start[0] * row if shape else 0 for piece in pieces]


def fill_cut(out: NDArray[Any], cut: Cut, fill: Callable[[range, NDArray[Any]], None]) -> None:
    """Let `fill` write the rows of a cut where they belong in `out`.

    It is given the rows and a C-contiguous array: that part of `out`, or one that is copied there.
    """
    import numpy as np

    part = out[cut.box] if cut.shape else out
    if part.flags.c_contiguous:
        fill(cut.rows, part)
        return
    owned = np.empty(part.shape, part.dtype)
    fill(cut.rows, owned)
    part[...] = owned


def stream(
    pieces: Sequence[TensorSlice],
    shape: tuple[int, ...],
    itemsize: int,
    make: Callable[[tuple[int, ...]], NDArray[Any]],
    copy: Callable[[int, int, NDArray[Any]], None],
) -> Iterator[NDArray[Any]]:
    """Yield a tensor's elements in order, from its pieces, in arrays of at most `_STREAMED` bytes.

    However long a row is, memory stays bounded. Each piece is read in its own order, once.

    Args:
        pieces: They tile the tensor; the caller has checked it.
        shape: Of the full tensor; not a scalar.
        itemsize: Bytes per element.
        make: Returns an array of a shape.
        copy: Fills its third argument from element number (second) of piece number (first) on.
    """
    if 0 in shape:
        return
    axis = next(a for a in range(len(shape)) if prod(shape[a + 1 :]) * itemsize <= _STREAMED)
    group = _STREAMED // (prod(shape[axis + 1 :]) * itemsize)
    for lead in product(*map(range, shape[:axis])):
        here = {
            replace(piece, start=piece.start[axis:], shape=piece.shape[axis:]): i
            for i, piece in enumerate(pieces)
            if all(a <= x < a + n for x, a, n in zip(lead, piece.start, piece.shape, strict=False))
        }
        for first in range(0, shape[axis], group):
            rows = range(first, min(first + group, shape[axis]))
            out = make((len(rows), *shape[axis + 1 :]))
            for cut in cuts(list(here), rows):
                index = here[cut.piece]
                before = _elements_before(pieces[index], lead)

                def fill(
                    within: range, part: NDArray[Any], index: int = index, before: int = before
                ) -> None:
                    per_row = part.size // len(within)
                    copy(index, before + within.start * per_row, part)

                fill_cut(out, cut, fill)
            yield out


def _elements_before(piece: TensorSlice, lead: tuple[int, ...]) -> int:
    """Return how many elements of a piece come before index `lead` of the tensor's first axes."""
    count = 0
    for x, start, size in zip(lead, piece.start, piece.shape, strict=False):
        count = count * size + x - start
    return count * prod(piece.shape[len(lead) :])
