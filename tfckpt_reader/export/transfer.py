"""The arrays of an export, and the transfer of their bytes to their offsets in files, on threads.

Knows no format. All offsets are known beforehand, so arrays may be written in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.checksum import CHECKSUMS, IEEE
from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.storage.writing import Room, write_at
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.export.elements import Encode
    from tfckpt_reader.formats.reader import OnRead, Reader
    from tfckpt_reader.tensor.spec import TensorSpec

    ArraySink = Callable[[int, int, bytes | memoryview], None]
    """Writes bytes of an array, given its number and the count of its bytes before them. Called on
    any thread."""


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
        sink: Writes their bytes; `file_sink` makes one for a single file.
        crc: Polynomial of the returned crcs, `IEEE` or `CASTAGNOLI`; None: all are 0.

    Raises:
        CheckpointError: a tensor cannot be read, or is damaged.
        OSError: the file cannot be written.
    """
    arrays, sums = job.arrays, PartialChecksums(len(job.arrays), crc or IEEE)
    checksum = None if crc is None else CHECKSUMS[crc]
    streamed = [i for i, array in enumerate(arrays) if array.chunks is None]

    def accept(number: int, first: int, data: bytes | memoryview) -> None:
        sink(number, first, data)
        sums.add(number, first, len(data), 0 if checksum is None else checksum(data))

    def accept_tensor(index: int, first: int, data: memoryview) -> None:
        array = arrays[streamed[index]]
        if array.encode is not None:
            first = first // array.spec.dtype.itemsize * array.itemsize
            data = array.encode(data)
        accept(streamed[index], first, data)

    job.reader.read_many([arrays[i].spec for i in streamed], accept_tensor, job.on_read)
    for i, array in enumerate(arrays):
        for chunk in array_bytes(job, array) if array.chunks is not None else ():
            accept(i, sums.sizes[i], chunk)
        require_size(array, sums.sizes[i])
    return sums.crcs


def file_sink(fd: int, offsets: Sequence[int], size: int = 0) -> ArraySink:
    """Return a sink that writes all arrays to one file, each at its offset.

    Args:
        fd: The file.
        offsets: Offset of each array.
        size: Bytes of the file, if it is still empty: room is set aside for them.
    """
    room = Room(fd, size)
    return lambda number, first, data: write_at(fd, data, offsets[number] + first, room)


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
