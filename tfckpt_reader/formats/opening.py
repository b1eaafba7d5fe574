"""The reader for the format of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.tensor.spec import TensorSpec


def reader_of(location: Location, *, mmap: bool) -> Reader:
    """Open a checkpoint that has been located.

    Raises:
        CheckpointError: it cannot be opened.
    """
    if location.version == "V1":
        from tfckpt_reader.formats.v1.reader import V1

        return V1(location.prefix, location.files, mapped=mmap)
    from tfckpt_reader.formats.v2.bundle import Bundle

    return Bundle(location.prefix, mapped=mmap)


def scalar_string(reader: Reader, spec: TensorSpec) -> bytes | memoryview:
    """Return the bytes of a scalar string, checked; of V2 without NumPy.

    Raises:
        CheckpointError: it cannot be read.
    """
    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.formats.v2.lists import Strings
    from tfckpt_reader.tensor.spec import Segment

    if isinstance(reader, Bundle) and isinstance(spec.segment, Segment):
        data, front = Strings(reader.shards).read(spec.segment, check=True)
        return data[front.begin : front.end]
    value: bytes = reader.array(spec, check=True).item()
    return value
