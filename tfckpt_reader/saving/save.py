"""Save arrays as a V2 checkpoint.

Knows no step and no state file (``saver``). Each array is written as it comes: memory is one
array's window, whatever the total. The checkpoint gets its name only when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import Checkpoint
from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.encoding.partial_checksums import PartialChecksums
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.formats.v2.replace import atomic_bundle
from tfckpt_reader.formats.v2.writer import BundleWriter
from tfckpt_reader.objects.edit import new_graph
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.storage.workers import each, new_buffers, processors
from tfckpt_reader.tensor.encode import CHUNK, encode
from tfckpt_reader.tensor.names import key_of
from tfckpt_reader.tensor.partitions import slices_of
from tfckpt_reader.tensor.slices import box_of
from tfckpt_reader.tensor.spec import Segment, TensorSlice, TensorSpec, Unplaced
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tfckpt_reader.objects.edit import Tree
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.encode import Encoded
    from tfckpt_reader.tensor.partitions import Extents, Partition

    Tensors = Mapping[str, Any] | Iterable[tuple[str, Any]]

_COUNTER = "save_counter"
"""An object that ``tf.train.Checkpoint.restore`` looks for, besides those of the user."""


def save(
    prefix: str | os.PathLike[str],
    tensors: Tensors,
    *,
    shards: int = 1,
    partitions: Mapping[str, Partition] | None = None,
    big_endian: bool = False,
    object_graph: Tree | None = None,
) -> None:
    """Save tensors as a V2 checkpoint, byte for byte as TensorFlow's ``SaveV2`` would.

    A checkpoint with this prefix is replaced. A reader finds the old one or the new one at any
    moment, also if the process is killed.

    Args:
        prefix: Path of the files without their endings.
        tensors: Names and arrays, or what NumPy makes arrays of; a `Checkpoint` too. They are
            written in their order, one after another, so an iterator may load each when it is its
            turn. Object arrays hold bytes, str (stored as UTF-8), or Variants. A Python float
            becomes a float64, an int an int64.
        shards: Data files. Each tensor goes to the one with the fewest bytes.
        partitions: Name -> (axis, count): stored in as many slices along this axis; or the slices,
            as TensorFlow spells them: ``["0,5:-", "5,5:-"]``.
        big_endian: Store numbers big-endian, for TensorFlow on machines that are.
        object_graph: Nested dictionaries, as for ``tf.train.Checkpoint(**objects)``. Their leaves
            are names of `tensors`, which are stored under the keys of these objects, or arrays.

    Raises:
        ValueError: a name twice, or empty; a partition that cannot be; no shards, or no prefix; an
            object of the graph without a tensor.
        UnsupportedError: TensorFlow has no type for an array.
        CheckpointError: as for ``ckpt[name]``, if `tensors` is a checkpoint.
        OSError: the files cannot be written. Nothing is left of them, and an old checkpoint stays.
    """
    path = os.fsdecode(prefix)
    if shards < 1 or not path:
        raise ValueError(f"a checkpoint has a name, and one shard or more, not {shards}")
    partitions, left = partitions or {}, set(partitions or ())
    with (
        atomic_bundle(path) as new,
        BundleWriter(new, shards, big_endian=big_endian) as writer,
    ):
        tensor_writer = TensorWriter(writer)
        for name, array, dtype in _with_graph(_arrays(tensors), object_graph):
            left.discard(name)
            tensor_writer.write(name, array, dtype, partitions.get(name))
        if left:
            raise ValueError(f"there is no tensor {quoted(min(left))} to be partitioned")
        writer.finish()


def _arrays(tensors: Tensors) -> Iterator[tuple[str, Any, DataType | None]]:
    """Yield names, arrays, and the types that the arrays do not tell."""
    if isinstance(tensors, Checkpoint):
        for name, spec in tensors.specs.items():
            yield name, tensors[name], spec.dtype
        return
    for name, array in tensors.items() if isinstance(tensors, Mapping) else tensors:
        yield name, array, None


def _with_graph(
    arrays: Iterable[tuple[str, Any, DataType | None]], tree: Tree | None
) -> Iterator[tuple[str, Any, DataType | None]]:
    """Yield arrays under the keys of their objects, those in the tree, and the graph."""
    if tree is None:
        yield from arrays
        return
    graph, objects = new_graph({_COUNTER: 1, **tree})
    keys = {leaf: key for key, leaf in objects.items() if isinstance(leaf, str)}
    absent = set(keys)
    for name, array, dtype in arrays:
        absent.discard(name)
        if name != OBJECT_GRAPH:
            yield keys.get(name, name), array, dtype
    if absent:
        raise ValueError(f"the object graph has {quoted(min(absent))}, which is no tensor")
    for key, leaf in objects.items():
        if not isinstance(leaf, str):
            yield key, leaf, None
    yield OBJECT_GRAPH, graph, None


class TensorWriter:
    """Writes arrays to the files of a bundle, large ones on threads.

    Args:
        writer: The bundle.
    """

    def __init__(self, writer: BundleWriter) -> None:
        self._writer = writer
        self._buffers: list[memoryview] = []

    def write(
        self,
        name: str,
        value: Any,
        dtype: DataType | None = None,
        partition: Partition | None = None,
    ) -> None:
        """Write one tensor: its bytes, and its row in the index.

        Args:
            name: Its name.
            value: Its array, or what NumPy makes an array of.
            dtype: Its type, where the array does not tell.
            partition: Its slices.

        Raises:
            ValueError: the name or the partition cannot be.
            UnsupportedError: TensorFlow has no type for it.
        """
        import numpy as np

        array = np.asarray(value)
        if not key_of(name):
            raise ValueError(f"{name!r} cannot be the name of a tensor")
        try:
            cut = [] if partition is None else slices_of(array.shape, partition)
            self._writer.add(self._spec(name, array, dtype, cut))
        except (UnsupportedError, ValueError) as error:
            raise type(error)(f"tensor {quoted(name)}: {error}") from error

    def _spec(
        self, name: str, array: Any, dtype: DataType | None, cut: Sequence[Extents]
    ) -> TensorSpec:
        """Write the bytes of a tensor, or of its slices; return the tensor as it is stored."""
        if len(cut) <= 1:
            return TensorSpec(self._segment(name, array, dtype))
        slices = []
        for extents in cut:
            start, shape = box_of(extents, array.shape)
            box = array[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]
            slices.append(TensorSlice(extents, start, self._segment(name, box, dtype)))
        return TensorSpec(Unplaced(name, slices[0].dtype, array.shape), tuple(slices))

    def _segment(self, name: str, array: Any, dtype: DataType | None) -> Segment:
        encoded = encode(array, dtype, big_endian=self._writer.big_endian)
        shard, offset = self._writer.place(encoded.nbytes)
        if encoded.nbytes <= CHUNK:  # most tensors are small
            data = b"".join(encoded.chunks())
            self._writer.write(shard, offset, data)
            crc = crc32c(data)
        else:
            crc = self._write_large(encoded, shard, offset)
        crc = crc if encoded.crc is None else encoded.crc
        return Segment(name, encoded.dtype, encoded.shape, encoded.nbytes, shard, offset, crc)

    def _write_large(self, encoded: Encoded, shard: int, offset: int) -> int:
        """Write the bytes of a tensor on threads; return their crc."""
        sums = PartialChecksums(1)

        def work(task: tuple[int, bytes | memoryview], buffer: memoryview) -> None:
            # A copy: the array may be changed meanwhile, and the crc must be that of the bytes.
            first, chunk = task
            data: bytes | memoryview = chunk
            if not isinstance(chunk, bytes):
                data = buffer[: len(chunk)]
                buffer[: len(chunk)] = chunk
            self._writer.write(shard, offset + first, data)
            sums.add(0, first, len(data), crc32c(data))

        self._buffers = self._buffers or new_buffers(processors())
        with closing(each(_numbered(encoded), work, buffers=self._buffers)) as written:
            for _ in written:
                pass
        return sums.crcs[0]


def _numbered(encoded: Encoded) -> Iterator[tuple[int, bytes | memoryview]]:
    """Yield the chunks of a tensor, each with the number of bytes before it."""
    first = 0
    for chunk in encoded.chunks():
        yield first, chunk
        first += len(chunk)
