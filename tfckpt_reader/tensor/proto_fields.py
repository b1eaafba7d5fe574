"""Fields of protobuf messages shared by several formats, as plain, checked values.

Knows our messages, and no file.
"""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, UnsupportedError
from tfckpt_reader.tensor.dtypes import BY_NUMBER, DataType

_CONSUMER_VERSION = 1
"""Version of this reader for both formats, as TensorFlow counts."""
MOST_ELEMENTS = (1 << 63) - 1
"""Limit on the elements of a tensor: TensorFlow counts them in 63 bits."""
_HIGHEST_RANK = 254
_MOST_REPEATED = 1000
"""Limit on repeated slices of a tensor: compressed, a few bytes can hold very many."""

MOST_AXES = 64
"""Limit on the axes of NumPy's arrays, from NumPy 2 on."""

PartialShape: TypeAlias = "tuple[int | None, ...] | None"
"""Sizes, None for an unknown size; None alone for an unknown rank."""


def data_type(number: int) -> DataType:
    """Return the element type with TensorFlow's `number`; an unknown one can be listed."""
    return BY_NUMBER.get(number) or DataType.unknown(number)


def dims(shape: Any) -> tuple[int, ...]:
    """Return the sizes of a Shape message; unknown rank counts as a scalar, as in TensorFlow."""
    return possible(tuple([dim.size for dim in shape.dim]))


def possible(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of a shape, unless there can be no such tensor."""
    if sizes and (min(sizes) < 0 or len(sizes) > _HIGHEST_RANK or prod(sizes) > MOST_ELEMENTS):
        raise CorruptCheckpointError(
            "shape cannot be",
            structure="shape",
            expected=f"at most {_HIGHEST_RANK} sizes >= 0 whose product is below 2^63",
            got=f"rank {len(sizes)}: {list(sizes[:8])}{'…' if len(sizes) > 8 else ''}",
        )
    return sizes


def require_axes(shape: tuple[int, ...]) -> None:
    """Refuse a shape of more axes than arrays can have; TensorFlow's tensors can have more.

    Raises:
        UnsupportedError: it has.
    """
    if len(shape) > MOST_AXES:
        problem = f"an array of {len(shape)} axes is more than this machine or NumPy can hold"
        raise UnsupportedError(problem, expected=f"at most {MOST_AXES}")


def extents(slice_message: Any) -> tuple[tuple[int, int], ...]:
    """Return (start, length) per axis of a Slice message, as stored; (0, -1) is a whole axis."""
    pairs = tuple(
        (extent.start, extent.length if extent.HasField("length") else -1)
        for extent in slice_message.extent
    )
    for (start, length), extent in zip(pairs, slice_message.extent, strict=True):
        whole = start == 0 and not extent.HasField("length")
        if not whole and (start < 0 or length <= 0 or start + length > MOST_ELEMENTS):
            raise CorruptCheckpointError(
                "extent of a slice cannot be",
                kind=ErrorKind.SLICES,
                structure="slice",
                expected="a start >= 0 and a length > 0, or neither",
                got=f"start {start}, length {length}",
            )
    return pairs


def touching(slice_messages: Any, rows: range) -> list[Any]:
    """Return the slices that have some of `rows`, along axis 0, and those that may be bad."""
    begin, end = rows.start, rows.stop
    found = []
    for message in slice_messages:  # there can be thousands: nothing else is decoded of them
        axes = message.extent
        if axes:
            first = axes[0]
            start, length = first.start, first.length
            # Without a length it is the whole axis, or bad.
            if length and not (start < end and begin < start + length):
                continue
        found.append(message)
    return found


def all_extents(slice_messages: Any) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the `extents` of each slice of a tensor."""
    slices: list[tuple[tuple[int, int], ...]] = []
    different: set[tuple[tuple[int, int], ...]] = set()
    for message in slice_messages:
        slices.append(extents(message))
        different.add(slices[-1])
        if len(slices) - len(different) > _MOST_REPEATED:
            raise UnsupportedError(
                f"repeats more than {_MOST_REPEATED:,} of its slices: a file made to waste time",
                kind=ErrorKind.SLICES,
                structure="slices",
            )
    return tuple(slices)


def check_version(version: Any) -> None:
    """Refuse a file for newer readers; an absent version is version 0.

    Raises:
        UnsupportedError: the file excludes readers of version 1.
        CorruptCheckpointError: its version is negative.
    """
    if version.producer < 0:
        raise CorruptCheckpointError(
            "version is below 0",
            kind=ErrorKind.HEADER,
            structure="version",
            got=f"producer {version.producer}",
        )
    if version.min_consumer > _CONSUMER_VERSION:
        raise UnsupportedError(
            "was written for newer readers",
            structure="version",
            expected=f"min_consumer at most {_CONSUMER_VERSION}",
            got=version.min_consumer,
        )
    if _CONSUMER_VERSION in version.bad_consumers:
        raise UnsupportedError(
            f"forbids readers of version {_CONSUMER_VERSION}",
            structure="version",
        )


def partial_shape(shape: Any) -> PartialShape:
    """Return a Shape message with its unknown sizes, or its unknown rank, as None."""
    if shape.unknown_rank:
        return None
    return tuple([None if dim.size < 0 else dim.size for dim in shape.dim])


def shape_or_none(value: Any) -> PartialShape:
    """Return an attribute's value if it is a shape of known rank, else None."""
    return value if isinstance(value, tuple) else None
