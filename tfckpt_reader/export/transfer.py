"""The arrays of an export, and the transfer of their bytes to their offsets in files, on threads.

Knows no format. All offsets are known beforehand, so arrays may be written in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, cast

from tfckpt_reader.encoding.checksum import CHECKSUMS, IEEE
from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.export.sinks import PortableArraySink
from tfckpt_reader.formats.portable import PortableSink
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.export.elements import Cast, Encode
    from tfckpt_reader.export.sinks import ArraySink
    from tfckpt_reader.formats.reader import OnRead, Reader


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor to write."""

    spec: TensorSpec
    reader: Reader
    read_rows: Callable[..., NDArray[Any]]
    """`Checkpoint.read` without the name."""

    def read(self) -> NDArray[Any]:
        """Return all elements, checked."""
        return self.read_rows(check=True)


@dataclass(frozen=True, slots=True)
class OutputArray:
    """An array to write. Its bytes are a tensor's, encoded if necessary, or come in chunks."""

    name: str
    """Name in the destination."""
    type_name: str
    """The type in the format's spelling."""
    shape: tuple[int, ...]
    itemsize: int
    """Bytes per element in the destination."""
    spec: TensorSpec
    """The tensor it comes from."""
    encode: Encode | None = None
    chunks: Callable[[], Iterator[bytes | memoryview]] | None = None
    """Yields the bytes of an array of strings; None for numbers."""
    size: int | None = None
    """Bytes of elements that differ in length."""
    cast: Cast | None = None
    """The part of `encode` that counts damage."""

    @property
    def nbytes(self) -> int:
        """Bytes of its elements in the destination, known before they are written."""
        return prod(self.shape) * self.itemsize if self.size is None else self.size


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a format needs in order to write."""

    reader: Reader
    """Source of the tensors."""
    arrays: Sequence[OutputArray]
    on_read: OnRead
    provenance: Mapping[str, str]
    """The keys "tool" and "source", for formats with room for them."""
    compress: bool = False


def write_arrays(job: Job, sink: ArraySink, *, crc: int | None = None) -> list[int]:
    """Pass the bytes of all arrays to `sink`, in any order; return the crc of each as written.

    Each tensor's own crc is verified on the way: until this returns, no byte may be trusted.

    Args:
        job: The arrays.
        sink: Writes their bytes: a `FileSink` for a single file.
        crc: Polynomial of the returned crcs, `IEEE` or `CASTAGNOLI`; None: all are 0.

    Raises:
        CheckpointError: a tensor cannot be read, or is damaged.
        OSError: the file cannot be written.
    """
    arrays = job.arrays
    streamed = [i for i, array in enumerate(arrays) if array.chunks is None]
    writer = _ArrayWriter(streamed, arrays, sink, crc)
    is_portable = isinstance(sink, PortableArraySink)
    specs = [arrays[i].spec for i in streamed]
    job.reader.read_many(specs, writer if is_portable else writer.__call__, job.on_read)
    for i, array in enumerate(arrays):
        for chunk in array_bytes(job, array) if array.chunks is not None else ():
            writer.write(i, writer.sums.sizes[i], chunk)
        require_size(array, writer.sums.sizes[i])
    return writer.sums.crcs


class _ArrayWriter(PortableSink):
    """Encodes the bytes of tensors, hands them to a sink, and sums what was written.

    Args:
        numbers: Number of a tensor that is read -> number of its array.
        arrays: All arrays by number.
        sink: Writes their bytes.
        crc: As for `write_arrays`.
    """

    def __init__(
        self,
        numbers: Sequence[int] | Mapping[int, int],
        arrays: Sequence[OutputArray] | Mapping[int, OutputArray],
        sink: ArraySink,
        crc: int | None,
    ) -> None:
        self._numbers, self._arrays, self._sink, self._crc = numbers, arrays, sink, crc
        self.sums = PartialChecksums(len(arrays), crc or IEEE)
        """Of the arrays as written."""

    def take(self, number: int, first: int, data: memoryview) -> tuple[Any, ...]:
        """Write bytes of a tensor; return what they add to the sums and to the cast's counts."""
        its_number = self._numbers[number]
        array = self._arrays[its_number]
        encoded: bytes | memoryview = data
        if array.encode is not None:
            first = first // array.spec.dtype.itemsize * array.itemsize
            encoded = array.encode(data)
        counts = (0, 0) if array.cast is None else array.cast.drain()
        return its_number, counts, *self._write(its_number, first, encoded)

    def merge(self, taken: tuple[Any, ...]) -> None:
        """Add to the sums, and to the counts of the array's cast."""
        number, counts, *part = taken
        cast = self._arrays[number].cast
        if cast is not None:
            cast.add(*counts)
        self.sums.add(number, *part)

    def part(self, numbers: Collection[int]) -> _ArrayWriter:
        """Return a sink for some of the tensors."""
        its_numbers = {number: self._numbers[number] for number in numbers}
        arrays = {n: _bare(self._arrays[n]) for n in its_numbers.values()}
        sink = cast("PortableArraySink", self._sink).part(arrays)
        return _ArrayWriter(its_numbers, arrays, sink, self._crc)

    def finish(self) -> None:
        """Store what was written in another process."""
        cast("PortableArraySink", self._sink).finish()

    def write(self, number: int, first: int, data: bytes | memoryview) -> None:
        """Write bytes of an array, and sum them."""
        self.sums.add(number, *self._write(number, first, data))

    def _write(self, number: int, first: int, data: bytes | memoryview) -> tuple[int, int, int]:
        self._sink(number, first, data)
        return first, len(data), 0 if self._crc is None else CHECKSUMS[self._crc](data)

    def __reduce__(self) -> tuple[Any, ...]:
        return _ArrayWriter, (self._numbers, self._arrays, self._sink, self._crc)


def _bare(array: OutputArray) -> OutputArray:
    """Return an array with no more than its encoding, to be pickled."""
    spec = TensorSpec(Unplaced("", array.spec.dtype, ()))
    return OutputArray("", "", (), array.itemsize, spec, array.encode, cast=array.cast)


def array_bytes(job: Job, array: OutputArray) -> Iterator[bytes | memoryview]:
    """Yield the bytes of one array in order; each buffer is reused after the next step."""
    if array.chunks is not None:
        for made in array.chunks():
            job.on_read(len(made))
            yield made
        return
    for data in job.reader.chunks(array.spec):
        job.on_read(len(data))
        yield data if array.encode is None else array.encode(data)


def require_size(array: OutputArray, size: int) -> None:
    """Require that `size`, the number of bytes written, is the size of the array's shape.

    Raises:
        CorruptCheckpointError: it differs.
    """
    if size != array.nbytes:
        raise CorruptCheckpointError(
            "the tensor has changed while it was read",
            tensor=array.spec.name,
            expected=count_of(array.nbytes, "byte"),
            got=count_of(size, "byte"),
        )
