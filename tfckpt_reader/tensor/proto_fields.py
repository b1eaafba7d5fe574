"""Parts of protobuf messages that several formats share, as plain values, checked.

Knows our messages, and no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.errors import ErrorKind

if TYPE_CHECKING:
    pass

from math import prod

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.tensor.dtypes import BY_NUMBER, DataType

_CONSUMER_VERSION = 1
"""The version of both formats that we read, as TensorFlow counts."""
MOST_ELEMENTS = (1 << 63) - 1
"""Of a tensor: TensorFlow counts them in 63 bits."""
_HIGHEST_RANK = 254
_MOST_REPEATED = 1000
"""Slices that a tensor may list again: compressed, a few bytes could stand for very many."""


def data_type(number: int) -> DataType:
    """Return the element type with TensorFlow's `number`; one that is unknown can be listed."""
    return BY_NUMBER.get(number) or DataType.unknown(number)


def dims(shape: Any) -> tuple[int, ...]:
    """Return the sizes of a Shape message; unknown rank counts as a scalar, as in TensorFlow."""
    sizes = tuple([dim.size for dim in shape.dim])
    if sizes and (min(sizes) < 0 or len(sizes) > _HIGHEST_RANK or prod(sizes) > MOST_ELEMENTS):
        raise CorruptCheckpointError(
            "shape cannot be",
            structure="shape",
            expected=f"at most {_HIGHEST_RANK} sizes >= 0 whose product is below 2^63",
            got=f"rank {len(sizes)}: {list(sizes[:8])}{'…' if len(sizes) > 8 else ''}",
        )
    return sizes


def extents(slice_message: Any) -> tuple[tuple[int, int], ...]:
    """Return (start, length) per axis of a Slice message, as stored; (0, -1) is a whole axis."""
    found = tuple(
        (extent.start, extent.length if extent.HasField("length") else -1)
        for extent in slice_message.extent
    )
    for (start, length), extent in zip(found, slice_message.extent, strict=True):
        whole = start == 0 and not extent.HasField("length")
        if not whole and (start < 0 or length <= 0 or start + length > MOST_ELEMENTS):
            raise CorruptCheckpointError(
                "extent of a slice cannot be",
                kind=ErrorKind.SLICES,
                structure="slice",
                expected="a start >= 0 and a length > 0, or neither",
                got=f"start {start}, length {length}",
            )
    return found


def all_extents(slice_messages: Any) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the `extents` of each slice of a tensor."""
    found = tuple([extents(piece) for piece in slice_messages])
    repeated = len(found) - len(set(found))
    if repeated > _MOST_REPEATED:
        raise UnsupportedError(
            f"lists slices again that it has listed, {repeated:,} in all: made to take time",
            kind=ErrorKind.SLICES,
            structure="slices",
        )
    return found


def check_version(version: Any) -> None:
    """Refuse what was written for readers newer than this one; an absent version is version 0.

    Raises:
        UnsupportedError: the file says that readers of version 1 cannot read it.
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


PartialShape: TypeAlias = "tuple[int | None, ...] | None"
"""Sizes, None where a size is not known; None alone where not even the rank is."""


def partial_shape(shape: Any) -> PartialShape:
    """Return a Shape message in which sizes, or the rank, may be unknown."""
    if shape.unknown_rank:
        return None
    return tuple([None if dim.size < 0 else dim.size for dim in shape.dim])


def shape_or_none(value: Any) -> PartialShape:
    """Return the value of an attribute if it is a shape; None if it is not known, or none."""
    return value if isinstance(value, tuple) else None
