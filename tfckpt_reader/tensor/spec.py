"""Descriptions of tensors: names, dtypes, shapes, and the stored bytes.

Knows no bytes: an index or a header is decoded into these records elsewhere.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.tensor.names import key_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from tfckpt_reader.tensor.dtypes import DataType

WHOLE_AXIS = (0, -1)
"""The extent that stands for a whole axis."""


class Segment(NamedTuple):
    """A run of stored bytes in a data file: a whole tensor, or one slice of it.

    A tuple, since a listing makes very many, and tuples are the fastest to make.
    """

    name: str
    """The tensor's name."""
    dtype: DataType
    shape: tuple[int, ...]
    """Elements per axis, of the slice if it is one."""
    nbytes: int
    """Bytes stored."""
    shard: int
    """Number of the data file."""
    offset: int
    """Bytes from the start of the data file."""
    crc32c: int
    """Unmasked CRC-32C of the stored bytes."""

    @property
    def elements(self) -> int:
        """Elements in the segment."""
        return prod(self.shape)

    @property
    def end(self) -> int:
        """Offset behind its last byte."""
        return self.offset + self.nbytes

    def elements_before(self, row: int) -> int:
        """Return the number of elements in the rows before one, along axis 0."""
        return row * (self.elements // self.shape[0]) if self.shape and self.shape[0] else 0


class Unplaced(NamedTuple):
    """Stands in for a segment where a tensor has no byte range of its own: in V1, or in slices."""

    name: str
    dtype: DataType
    shape: tuple[int, ...]
    nbytes: int | None = None
    """Bytes of the value; None for strings in V1, and for a slice."""
    shard: int | None = None
    """Number of the V1 file; None for a tensor in slices, and for a slice the index lacks."""

    @property
    def offset(self) -> None:
        """No offset."""

    @property
    def crc32c(self) -> None:
        """No checksum of its own."""


class _Described:
    """The properties of a tensor or a slice, taken from its segment."""

    __slots__ = ()

    @property
    def segment(self) -> Segment | Unplaced:
        """Its stored bytes."""
        raise NotImplementedError

    @property
    def dtype(self) -> DataType:
        """Type of the elements."""
        return self.segment.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements per axis; () for a scalar."""
        return self.segment.shape

    @property
    def nbytes(self) -> int | None:
        """Bytes of the value; None where the format does not store it: see `Unplaced`."""
        return self.segment.nbytes

    @property
    def shard(self) -> int | None:
        """Number of the data file; None for a tensor in slices, and for a slice the index lacks."""
        return self.segment.shard

    @property
    def offset(self) -> int | None:
        """Bytes from the start of the shard; None in V1 and for a tensor stored in slices."""
        return self.segment.offset

    @property
    def crc32c(self) -> int | None:
        """Unmasked CRC-32C of the stored bytes; None in V1 and for a tensor stored in slices."""
        return self.segment.crc32c

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class _SliceFields(NamedTuple):
    extents: tuple[tuple[int, int], ...]
    """(start, length) per axis exactly as stored; (0, -1) is a whole axis."""
    start: tuple[int, ...]
    """Index of its first element in the full tensor, per axis."""
    segment: Segment | Unplaced
    """Its stored bytes."""


class TensorSlice(_SliceFields, _Described):
    """One slice of a partitioned tensor: `extents`, `start` and the properties of its segment."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the extents as TensorFlow writes them: ``0,5:-``."""
        return ":".join(
            "-" if extent == WHOLE_AXIS else f"{extent[0]},{extent[1]}" for extent in self.extents
        )


class _SpecFields(NamedTuple):
    name: str
    """The checkpoint key: UTF-8, with surrogate escapes for bytes that are not."""
    dtype: DataType
    """Type of the elements."""
    shape: tuple[int, ...]
    """Elements per axis; () for a scalar."""
    stored: Any
    """Its segment, or what gives it when asked."""
    slices: tuple[TensorSlice, ...] = ()
    """Its slices if it is partitioned, in no particular order; else ()."""


class TensorSpec(_SpecFields, _Described):
    """One tensor of a checkpoint, as its index describes it; no data is touched to make it."""

    __slots__ = ()

    def __new__(cls, segment: Segment | Unplaced, slices: tuple[TensorSlice, ...] = ()) -> Self:
        """Return the spec of a tensor with these bytes, in these slices."""
        return tuple.__new__(cls, (*segment[:3], segment, slices))

    @property
    def segment(self) -> Segment | Unplaced:
        """Its stored bytes."""
        found: Segment | Unplaced = self.stored
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorSpec, (self.segment, self.slices)

    @property
    def key(self) -> bytes:
        """The name as the index has it."""
        return key_of(self.name)

    @property
    def all_rows(self) -> range:
        """All rows along axis 0; range(1) for a scalar."""
        return range(self.shape[0] if self.shape else 1)

    def __repr__(self) -> str:
        columns = ("name", "dtype", "shape", "nbytes", "shard", "offset", "crc32c", "slices")
        return f"TensorSpec({', '.join(f'{c}={getattr(self, c)!r}' for c in columns)})"
