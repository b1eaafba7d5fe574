"""The files of a V2 bundle that is being written, byte for byte as TensorFlow writes them.

Knows no array and no final name: the files lie in a folder of their own until they are complete
(``replace``). FORMAT 3.1 to 3.3, 3.7, 3.9; TensorFlow ``core/util/tensor_bundle/tensor_bundle.cc``.

A tensor gets its position before its bytes are written, so bytes may arrive in any order. The rows
of the index are sorted and written at the end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import mask
from tfckpt_reader.paths.layout import shard_path
from tfckpt_reader.protobuf import message_class
from tfckpt_reader.storage.writing.offsets import write_at
from tfckpt_reader.table.builder import TableBuilder
from tfckpt_reader.tensor.slices import slice_key
from tfckpt_reader.tensor.spec import WHOLE_AXIS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from tfckpt_reader.tensor.spec import Segment, TensorSpec, Unplaced

_PRODUCER = 1
"""Version of the format."""
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class BundleWriter:
    """The data files and the index of a bundle, all new.

    Args:
        prefix: Path of the files without their endings.
        num_shards: Data files.
        big_endian: Whether numbers in them are big-endian.
    """

    def __init__(self, prefix: str, num_shards: int = 1, *, big_endian: bool = False) -> None:
        self._prefix = prefix
        self.big_endian = big_endian
        self._sizes = [0] * num_shards
        self._rows: dict[bytes, bytes] = {}
        self._files: list[int] = []
        try:
            for shard in range(num_shards):
                path = shard_path(prefix, shard, num_shards)
                self._files.append(os.open(path, _NEW_FILE, 0o666))
        except OSError:
            self.close()
            raise

    def place(self, nbytes: int) -> tuple[int, int]:
        """Return shard and offset for as many bytes: the next in the shard with the fewest."""
        shard = self._sizes.index(min(self._sizes))
        offset = self._sizes[shard]
        self._sizes[shard] += nbytes
        return shard, offset

    def write(self, shard: int, offset: int, data: bytes | memoryview) -> None:
        """Write bytes of a tensor. May be called on any thread."""
        write_at(self._files[shard], data, offset)

    @property
    def files(self) -> list[tuple[str, int, int]]:
        """Path and descriptor of each data file, and the bytes that have their positions in it."""
        paths = [shard_path(self._prefix, n, len(self._files)) for n in range(len(self._files))]
        return list(zip(paths, self._files, self._sizes, strict=True))

    def add(self, spec: TensorSpec) -> None:
        """Add a tensor whose bytes have their positions: its row, and those of its slices.

        Raises:
            ValueError: the key of one is taken.
        """
        if not spec.slices:
            self._add(spec.key, entry(spec.segment))
            return
        # As in a merge of shards: slices in their order, and the first one's number in the row.
        ordered = sorted(spec.slices, key=lambda each: each.shard or 0)
        extents = [each.extents for each in ordered]
        self._add(spec.key, entry(spec.segment, ordered[0].shard or 0, extents))
        for each in spec.slices:
            self._add(slice_key(spec.key, each.extents), entry(each.segment))

    def _add(self, key: bytes, row: bytes) -> None:
        if key in self._rows:
            raise ValueError(f"the index would have two rows with the key {key!r}")
        self._rows[key] = row

    def finish(self) -> None:
        """Write the index, and sync all files."""
        for size, fd in zip(self._sizes, self._files, strict=True):
            os.ftruncate(fd, size)  # the last tensors may be empty
            os.fsync(fd)
        header = encode_header(len(self._files), big_endian=self.big_endian)
        write_index(f"{self._prefix}.index", header, self._rows)

    def close(self) -> None:
        """Close the data files."""
        while self._files:
            os.close(self._files.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_index(path: str, header: bytes, rows: Mapping[bytes, bytes]) -> None:
    """Write a new index, synced: the header row, and the others in the order of their keys."""
    with open(path, "xb") as file:
        table = TableBuilder(file.write)
        table.add(b"", header)
        for key in sorted(rows):
            table.add(key, rows[key])
        table.finish()
        file.flush()
        os.fsync(file.fileno())


def encode_header(num_shards: int, *, big_endian: bool = False) -> bytes:
    """Return the row with the empty key."""
    header = message_class("BundleHeader")(num_shards=num_shards, endianness=int(big_endian))
    header.version.producer = _PRODUCER
    return _serialised(header)


def entry(
    segment: Segment | Unplaced,
    shard: int = 0,
    slices: Iterable[Iterable[tuple[int, int]]] = (),
) -> bytes:
    """Return the row of a tensor or a slice; of a partitioned tensor, given its slices.

    Args:
        segment: Its stored bytes; of a partitioned tensor, only dtype and shape count.
        shard: Number in the row of a partitioned tensor.
        slices: (start, length) per axis of each slice.
    """
    row = message_class("BundleEntry")(dtype=int(segment.dtype), shard_id=segment.shard or shard)
    row.shape.SetInParent()  # a scalar has one too
    for size in segment.shape:
        row.shape.dim.add(size=size)
    if segment.crc32c is not None:
        row.offset, row.size, row.crc32c = segment.offset, segment.nbytes, mask(segment.crc32c)
    for extents in slices:
        row.slices.append(_slice(extents))
    return _serialised(row)


def _slice(extents: Iterable[tuple[int, int]]) -> Any:
    message = message_class("Slice")()
    for start, length in extents:
        whole = (start, length) == WHOLE_AXIS
        message.extent.add(start=start, **({} if whole else {"length": length}))
    return message


def _serialised(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data
