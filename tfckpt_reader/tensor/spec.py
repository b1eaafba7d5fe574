"""What a checkpoint says about its tensors: name, dtype, shape, and where the bytes lie.

Knows no bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple, cast

from tfckpt_reader.tensor.names import key_of

if TYPE_CHECKING:
    from tfckpt_reader.tensor.dtypes import DataType

WHOLE_AXIS = (0, -1)
"""The extent that stands for a whole axis."""


@dataclass(frozen=True, slots=True)
class TensorSlice:
    """One stored piece of a partitioned tensor."""

    extents: tuple[tuple[int, int], ...]
    """(start, length) per axis exactly as stored; (0, -1) is a whole axis."""
    start: tuple[int, ...]
    """Index of its first element in the full tensor, per axis."""
    shape: tuple[int, ...]
    """Elements per axis."""
    shard: int | None = None
    """Number of the data file that holds it; None if the index has no row for it."""
    offset: int | None = None
    """Bytes from the start of the shard; None in V1, whose values lie inside table blocks."""
    nbytes: int | None = None
    """Bytes stored; None in V1."""
    crc32c: int | None = None
    """Unmasked CRC-32C of the stored bytes; None in V1."""

    @property
    def elements(self) -> int:
        """Elements in the piece."""
        return prod(self.shape)

    def __str__(self) -> str:
        """Return the extents as TensorFlow writes them: ``0,5:-``."""
        return ":".join(
            "-" if extent == WHOLE_AXIS else f"{extent[0]},{extent[1]}" for extent in self.extents
        )


class Run(NamedTuple):
    """The bytes of a tensor, or of a slice of one, that lie together in a shard."""

    name: str
    """The tensor's name, for errors."""
    dtype: DataType
    shape: tuple[int, ...]
    """Elements per axis: the slice's, if it is one."""
    nbytes: int
    """Bytes stored."""
    shard: int
    offset: int
    """Bytes from the start of the shard."""
    crc32c: int
    """Unmasked crc of the stored bytes."""

    @property
    def elements(self) -> int:
        """Elements in the run."""
        return prod(self.shape)


class TensorSpec(NamedTuple):
    """One tensor of a checkpoint, as its index describes it; no data is touched to make it.

    A tuple, since a listing makes very many, and that is the fastest to make.
    """

    name: str
    """The checkpoint key: UTF-8, with surrogate escapes for bytes that are not."""
    dtype: DataType
    shape: tuple[int, ...]
    """Elements per axis; () for a scalar."""
    nbytes: int | None
    """Bytes of the value as the index has it; None for strings in V1, whose index has it not."""
    shard: int | None
    """Number of the data file that holds it; None if it is stored in slices."""
    offset: int | None
    """Bytes from the start of the shard; None in V1 and for a tensor stored in slices."""
    crc32c: int | None
    """Unmasked CRC-32C of the stored bytes; None in V1 and for a tensor stored in slices."""
    slices: tuple[TensorSlice, ...] = ()
    """Its pieces if it is stored in slices, in no particular order; else ()."""

    @property
    def elements(self) -> int:
        """Elements in the tensor."""
        return prod(self.shape)

    @property
    def key(self) -> bytes:
        """The name as the index has it."""
        return key_of(self.name)


def run_of(spec: TensorSpec) -> Run:
    """Return the run of a tensor that is stored whole: its spec, which has all that a run has."""
    return cast("Run", spec)


def all_rows(spec: TensorSpec) -> range:
    """Return the rows of a whole tensor along axis 0; range(1) for a scalar."""
    return range(spec.shape[0] if spec.shape else 1)
