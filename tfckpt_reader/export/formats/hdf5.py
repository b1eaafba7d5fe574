"""The HDF5 file: a group for each ``/`` of a name, a dataset for each tensor.

Knows specs and bytes, no checkpoint. The package h5py makes the file without numbers; it allocates
their space, which is then filled on threads. With the settings ``compress`` or ``chunk_size``,
arrays are stored in chunks, one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.export.formats.grouped import BYTE_LISTS, STRINGS, GroupedFormat
from tfckpt_reader.export.sinks import FileSink
from tfckpt_reader.export.transfer import write_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.export.formats.base import Settings
    from tfckpt_reader.export.formats.grouped import GroupArray
    from tfckpt_reader.export.transfer import Job
    from tfckpt_reader.tensor.spec import TensorSpec

_MOST_AXES = 32
_LONGEST_PART = 60_000
"""Bytes of a name: HDF5 holds 64 KiB together with what is named."""


@dataclass(frozen=True)
class Hdf5(GroupedFormat):
    """An HDF5 file."""

    suffix: ClassVar = ".h5"
    settings: ClassVar = frozenset({"compress", "flat", "chunk_size"})

    def configured(self, settings: Settings) -> Hdf5:
        """Return the format with its settings.

        Raises:
            ValueError: no chunk can have that size.
            UnsupportedError: h5py is not installed.
        """
        try:
            import h5py  # noqa: F401
        except ImportError as error:
            raise UnsupportedError(
                f"h5py cannot be imported: {error}", advice="Install it: pip install h5py"
            ) from error
        return Hdf5(settings.flat, settings.chunk_size)

    def tensor_refusal(self, spec: TensorSpec) -> str | None:
        """Return the reason against a dtype or a shape, or None."""
        if len(spec.shape) > _MOST_AXES:
            return f"it has {len(spec.shape)} axes, and HDF5 allows {_MOST_AXES}"
        return super().tensor_refusal(spec)

    def part_refusal(self, part: str) -> str | None:
        """Return the reason against the name of a group or a dataset, or None."""
        reasons = {
            "a part of its name is empty": not part,
            "a part of its name is '.', which means the group itself": part == ".",
            "its name contains a NUL": "\0" in part,
            f"a part of its name is longer than {_LONGEST_PART:,} bytes": len(part.encode())
            > _LONGEST_PART,
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def string_type(self, strings: NDArray[Any]) -> str:
        """Return the type that holds the strings unchanged: those of HDF5 end at a NUL."""
        return BYTE_LISTS if any(b"\0" in string for string in strings.flat) else STRINGS

    def write(self, output: IO[bytes], job: Job) -> None:
        """Write the file."""
        from tfckpt_reader.export.formats.hdf5_file import Hdf5Writer, created

        allocated, offsets = [], []
        with created(output.name) as file:
            writer = Hdf5Writer(file, job, self.chunk_size)
            for array in cast("Sequence[GroupArray]", job.arrays):
                offset = writer.add(array)
                if offset is not None:
                    allocated.append(array)
                    offsets.append(offset)
        sink = FileSink(output.name, offsets, output.fileno())
        write_arrays(replace(job, arrays=allocated), sink)
