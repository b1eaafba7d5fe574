"""Facts about a checkpoint, established by its checks for later ones, the diagnosis, the report.

Independent of the format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.verification.report import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import Segment, TensorSpec

    Kind = tuple[DataType, tuple[int, ...]]
    """Dtype and shape."""


def kinds_of(specs: Iterable[TensorSpec]) -> dict[str, Kind]:
    """Return name -> dtype and shape; equal ones are one object: there may be very many."""
    kinds: dict[Kind, Kind] = {}
    pairs = ((spec.name, (spec.dtype, spec.shape)) for spec in specs)
    return {name: kinds.setdefault(kind, kind) for name, kind in pairs}


@dataclass(frozen=True, slots=True)
class DataFile:
    """An existing data file, and its contents according to the index."""

    source: ByteSource
    segments: Sequence[Segment]
    """By offset."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Facts about a checkpoint, as far as its checks went."""

    names: Mapping[str, Kind] = field(default_factory=dict)
    """Names of all decoded tensors, with their dtypes and shapes."""
    names_are_complete: bool = False
    """The index is free of errors: a name that it lacks was never saved."""
    tensors: int = 0
    """Tensors with data, as far as the level goes; 0 until all checks are done."""
    nbytes: int = 0
    """Bytes of sound data; 0 until all checks are done."""
    coverage: Coverage = field(default_factory=Coverage)
    tables: tuple[ByteSource, ...] = ()
    """The index, or the V1 files, as opened for the checks."""
    data_files: Mapping[str, DataFile] = field(default_factory=dict)
    """By path."""
    lost_files: Mapping[str, Sequence[Segment]] = field(default_factory=dict)
    """Contents of the missing data files, by path."""
    damaged: Sequence[Segment] = ()
    """Segments with wrong bytes."""
    object_graph: memoryview | None = None
    """The checkpoint's own object graph, if it is stored and sound."""
