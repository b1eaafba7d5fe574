"""The slices that a tensor is to be stored in.

Knows no bytes. FORMAT 3.7; TensorFlow ``python/ops/partitioned_variables.py``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.slices import box_of, check_tiling, overlaps
from tfckpt_reader.tensor.spec import WHOLE_AXIS, TensorSlice, Unplaced
from tfckpt_reader.text import count_of

Extents: TypeAlias = "tuple[tuple[int, int], ...]"
Partition: TypeAlias = "tuple[int, int] | Sequence[str]"
"""Axis and number of slices along it; or slices as TensorFlow spells them."""

_EXTENT = re.compile(r"-|(\d{1,19}),(\d{1,19})")


def slices_of(shape: tuple[int, ...], partition: Partition) -> list[Extents]:
    """Return (start, length) per axis of each slice; of a whole tensor, one.

    Raises:
        ValueError: it is no partition of the shape.
    """
    if len(partition) == 2 and not isinstance(partition[0], str):
        return _along(shape, *partition)
    slices = [_parsed(str(text)) for text in partition]
    try:
        boxes = [(extents, *box_of(extents, shape)) for extents in slices]
        made = [TensorSlice(e, s, Unplaced("", DataType.UINT8, n)) for e, s, n in boxes]
        rows = range(shape[0] if shape else 1)
        check_tiling(shape, rows, overlaps(made, rows))
    except CheckpointError as error:
        raise ValueError(f"the slices do not make up the shape {list(shape)}: {error}") from error
    return slices


def _along(shape: tuple[int, ...], axis: int, count: int) -> list[Extents]:
    """Cut an axis as TensorFlow's partitioners do: the first slices are the longer ones."""
    if not 0 <= axis < len(shape):
        raise ValueError(f"there is no axis {axis} in the shape {list(shape)}")
    size = shape[axis]
    if not 0 < count <= max(size, 1):
        raise ValueError(f"{count_of(size, 'element')} along axis {axis} make no {count} slices")
    if 0 in shape and count > 1:
        raise ValueError("a tensor without elements has no slices")
    length, longer = divmod(size, count)
    cut, start = [], 0
    for i in range(count):
        cut.append((start, length + (i < longer)))
        start = sum(cut[-1])
    whole = [(0, n) for n in shape]
    return [(*whole[:axis], extent, *whole[axis + 1 :]) for extent in cut]


def _parsed(text: str) -> Extents:
    found = [_EXTENT.fullmatch(part) for part in text.split(":")] if text else []
    if not all(found):
        raise ValueError(f"{text!r} is no slice, like 0,5:-")
    return tuple(
        (int(match[1]), int(match[2])) if match[1] else WHOLE_AXIS for match in found if match
    )
