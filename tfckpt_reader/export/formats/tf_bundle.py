"""A TensorFlow V2 checkpoint: the tensors as they are, or renamed, cast, cut, over other shards.

Knows specs and bytes, no checkpoint. All types are held, under any names. Tensors that stay as they
are keep their bytes and checksums, without arrays; the slices of partitioned ones do, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from tfckpt_reader.encoding.checksum import CASTAGNOLI
from tfckpt_reader.errors import located
from tfckpt_reader.export.elements import Encoding
from tfckpt_reader.export.formats.base import Format
from tfckpt_reader.export.sinks import FileSink, ShardSink
from tfckpt_reader.export.transfer import OutputArray, write_arrays
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.lists import ElementLists
from tfckpt_reader.formats.v2.replace import atomic_bundle
from tfckpt_reader.formats.v2.writer import BundleWriter
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.encode import encode
from tfckpt_reader.tensor.names import key_of, select
from tfckpt_reader.tensor.partitions import slices_of
from tfckpt_reader.tensor.slices import box_of
from tfckpt_reader.tensor.spec import Segment, TensorSlice, TensorSpec, Unplaced

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from tfckpt_reader.export.elements import Cast
    from tfckpt_reader.export.formats.base import Settings
    from tfckpt_reader.export.transfer import Job, Source
    from tfckpt_reader.tensor.partitions import Extents, Partition

_INDEX = ".index"


@dataclass(frozen=True, slots=True)
class BundleArray(OutputArray):
    """A tensor, or one of its slices."""

    dtype: DataType = DataType.FLOAT32
    """Type in the destination."""
    extents: Extents = ()
    """(start, length) per axis of a slice; () for a whole tensor."""
    of_shape: tuple[int, ...] = ()
    """Shape of the tensor of a slice."""
    crc: int | None = None
    """The crc of strings and variants, which is not that of their bytes."""


@dataclass(frozen=True)
class TfBundle(Format):
    """A V2 checkpoint."""

    shards: int = 1
    partitions: Mapping[str, Partition] = field(default_factory=dict)
    """Pattern -> slices of the matching tensors."""

    suffix: ClassVar = ".ckpt"
    is_checkpoint: ClassVar = True
    to_url: ClassVar = False
    settings: ClassVar = frozenset({"shards", "partitions"})
    type_names: ClassVar = {dtype: str(dtype) for dtype in DataType if dtype.itemsize}

    def configured(self, settings: Settings) -> Format:
        """Return the format with a number of shards, and partitions.

        Raises:
            ValueError: there is no shard.
        """
        if settings.shards < 1:
            raise ValueError(f"a checkpoint has one shard or more, not {settings.shards}")
        return TfBundle(settings.shards, settings.partitions)

    def tensor_refusal(self, spec: TensorSpec) -> str | None:
        """Return the reason against a dtype that is never stored, or slices that cannot be."""
        if not spec.dtype.numpy_name:
            return f"{spec.dtype} tensors cannot be stored"
        try:
            self._wanted(spec)
        except ValueError as error:
            return str(error)
        return None

    def refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:
        """Return the reason against holding a tensor under a name; it may be any bytes."""
        return self.tensor_refusal(spec) or self.name_refusal(name, spec, keys)

    def name_refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:  # noqa: ARG002 - equal names only collide
        """Return the reason against an empty name, or one that no bytes decode to."""
        return None if key_of(name) else "its name is empty, or cannot be encoded"

    def own_file(self, path: str) -> str:
        """Return the path of the index."""
        return path + _INDEX

    def opened(self, path: str, *, replace: bool) -> AbstractContextManager[str]:
        """Yield the prefix of new files; give them their names on success."""
        return atomic_bundle(path, replace=replace)

    def _wanted(self, spec: TensorSpec) -> list[Extents]:
        """Return the slices that a tensor is to be stored in; one or none for a whole tensor."""
        for pattern, partition in self.partitions.items():
            if select([spec.name], [pattern]):
                return slices_of(spec.shape, partition)
        return [each.extents for each in spec.slices]

    def arrays(
        self, source: Source, name: str, cast: Cast | None, *, raw: bool
    ) -> tuple[OutputArray, ...]:
        """Return the arrays for a tensor: one, or one for each slice."""
        spec, element = source.spec, Encoding(source.spec.dtype)
        if spec.dtype.itemsize:
            target = spec.dtype if cast is None else cast.target
            element = (self.encoding(target, raw=raw) or element).after(cast)
        wanted = self._wanted(spec)
        if len(wanted) <= 1:
            return (_whole(source, name, element),)
        stored = {each.extents: each.segment for each in spec.slices}
        arrays = []
        for number, extents in enumerate(wanted):
            segment = stored.get(extents)
            if isinstance(segment, Segment) and (segment.dtype.itemsize or _lists(source, segment)):
                part = replace(source, spec=TensorSpec(segment))
                array = _whole(part, name, element)
            else:
                array = _cut(source, name, element, extents, check=not number)
            arrays.append(replace(array, extents=extents, of_shape=spec.shape))
        return tuple(arrays)

    def write(self, output: str, job: Job) -> None:
        """Write the files."""
        # In the order of the source: read from end to end, and as they were if all stay.
        arrays = sorted(cast("Sequence[BundleArray]", job.arrays), key=_position)
        job = replace(job, arrays=arrays)
        with BundleWriter(output, self.shards) as writer:
            places = [writer.place(array.nbytes) for array in arrays]
            offsets = [offset for _, offset in places]
            files = [FileSink(path, offsets, fd, size) for path, fd, size in writer.files]
            sink = ShardSink(files, [shard for shard, _ in places])
            crcs = write_arrays(job, sink, crc=CASTAGNOLI)
            written: dict[str, list[tuple[BundleArray, Segment]]] = {}
            for array, place, crc in zip(arrays, places, crcs, strict=True):
                written.setdefault(array.name, []).append((array, _segment(array, place, crc)))
            for name, parts in written.items():
                writer.add(_spec(name, parts))
            writer.finish()


def _whole(source: Source, name: str, element: Encoding) -> BundleArray:
    """Return the array for all of a tensor, or of a slice."""
    spec, (dtype, convert) = source.spec, element
    array = BundleArray(name, str(dtype), spec.shape, dtype.itemsize, spec, convert, dtype=dtype)
    if dtype.itemsize:
        return array
    segment = spec.segment
    lists = _lists(source, segment) if isinstance(segment, Segment) else None
    if lists is not None and isinstance(segment, Segment):
        size = len(lists.stored(segment))
        stored = partial(lists.stored, segment)
        return replace(array, chunks=lambda: iter([stored()]), size=size, crc=segment.crc32c)
    return _encoded(array, source.read)


def _encoded(array: BundleArray, read: Callable[[], NDArray[Any]]) -> BundleArray:
    """Return the array for strings or variants that are encoded, now and when they are written."""
    encoded = encode(read(), array.dtype)
    chunks = partial(_chunks, read, array.dtype)
    return replace(array, chunks=chunks, size=encoded.nbytes, crc=encoded.crc)


def _chunks(read: Callable[[], NDArray[Any]], dtype: DataType) -> Iterator[bytes | memoryview]:
    return encode(read(), dtype).chunks()


def _lists(source: Source, segment: Segment) -> ElementLists | None:
    """Return the strings or variants of a checkpoint that stores them as the destination does."""
    reader = source.reader
    if not isinstance(reader, Bundle) or not reader.header.present or reader.shards.big_endian:
        return None
    with located(reader.path, tensor=segment.name):
        layout = reader.layout(segment)
    return layout if isinstance(layout, ElementLists) else None


def _cut(
    source: Source, name: str, element: Encoding, extents: Extents, *, check: bool
) -> BundleArray:
    """Return the array for a slice that is not stored as one.

    Args:
        source: The tensor.
        name: Its name in the destination.
        element: Type of the elements in the destination.
        extents: (start, length) per axis.
        check: Verify the tensor first: all of it, as its crc covers it.
    """
    spec, (dtype, convert) = source.spec, element
    start, shape = box_of(extents, spec.shape)
    rows, *others = (slice(a, a + n) for a, n in zip(start, shape, strict=True))
    array = BundleArray(name, str(dtype), shape, dtype.itemsize, spec, dtype=dtype)
    if not dtype.itemsize:
        return _encoded(array, lambda: source.read()[(rows, *others)])

    def chunks() -> Iterator[bytes | memoryview]:
        for _ in source.reader.chunks(spec) if check else ():
            pass
        step = max(1, CHUNK * len(range(*rows.indices(spec.shape[0]))) // max(array.nbytes, 1))
        for first in range(rows.start, rows.stop, step):
            window = slice(first, min(first + step, rows.stop))
            block = source.read_rows(rows=window, check=False)[(slice(None), *others)]
            for chunk in encode(block, spec.dtype).chunks():
                yield chunk if convert is None else convert(memoryview(chunk))

    return replace(array, chunks=chunks)


def _position(array: BundleArray) -> tuple[int, int, bool]:
    """Return shard and offset in the source, where it has some; an empty tensor has another's."""
    return array.spec.shard or 0, array.spec.offset or 0, array.nbytes > 0


def _segment(array: BundleArray, place: tuple[int, int], crc: int) -> Segment:
    """Return the stored bytes of an array that was written."""
    crc = crc if array.crc is None else array.crc
    return Segment(array.name, array.dtype, array.shape, array.nbytes, *place, crc)


def _spec(name: str, parts: Iterable[tuple[BundleArray, Segment]]) -> TensorSpec:
    """Return the tensor that was written as one array, or as one for each slice."""
    slices = []
    for array, segment in parts:
        if not array.extents:
            return TensorSpec(segment)
        start, _ = box_of(array.extents, array.of_shape)
        slices.append(TensorSlice(array.extents, start, segment))
    return TensorSpec(Unplaced(name, array.dtype, array.of_shape), tuple(slices))
