"""Arrays in files of other programs, behind the interface of a checkpoint's reader.

Knows no kind of file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tfckpt_reader.errors import located
from tfckpt_reader.formats.in_order import read_in_order
from tfckpt_reader.tensor.encode import encode
from tfckpt_reader.tensor.rows import copy_rows
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.tensor.dtypes import DataType


class StoredArray(Protocol):
    """An array in a file."""

    @property
    def dtype(self) -> DataType:
        """Type of its elements in TensorFlow."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements per axis."""

    def load(self) -> NDArray[Any]:
        """Read it."""


class ArrayReader:
    """Named arrays as a `Reader`. Each is in memory as a whole while it is read.

    Args:
        location: Their files.
        arrays: Name -> array, in the order of the names.
    """

    notes: list[str]
    shard_count = 1

    def __init__(self, location: Location, arrays: Mapping[str, StoredArray]) -> None:
        self.version = location.version
        self.prefix = self.path = location.prefix
        self.notes = []
        self._arrays = arrays
        self._last: tuple[str, NDArray[Any]] | None = None

    def lookup(self, name: str, _rows: slice | None = None) -> TensorSpec | None:
        """Return the spec of one tensor, or None."""
        return self._spec(name) if name in self._arrays else None

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors."""
        return {name: self._spec(name) for name in self._arrays}

    def _spec(self, name: str) -> TensorSpec:
        array = self._arrays[name]
        segment = Unplaced(name, array.dtype, array.shape)
        size = segment.dtype.itemsize and segment.dtype.itemsize * TensorSpec(segment).elements
        return TensorSpec(segment._replace(nbytes=size or None))

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:  # noqa: ARG002 - always
        """Return a whole tensor."""
        last = self._last  # rows of one tensor are read one after another
        if last is None or last[0] != spec.name:
            with located(self.path, tensor=spec.name):
                last = self._last = spec.name, self._arrays[spec.name].load()
        return last[1]

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows, owned, or written into `out`."""
        return copy_rows(self.array(spec, check=check), spec, rows, out)

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's portable bytes."""
        encoded = encode(self.array(spec, check=True), spec.dtype)
        self._last = None
        for chunk in encoded.chunks():
            yield memoryview(chunk)

    def read_many(
        self, specs: Sequence[TensorSpec], sink: Sink, on_read: OnRead | None = None
    ) -> None:
        """Hand all bytes of numeric tensors to `sink`, one after another."""
        read_in_order(self, enumerate(specs), sink, on_read)
