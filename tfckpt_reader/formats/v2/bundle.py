"""The V2 bundle: one index file, and data files ("shards") that hold the tensors' bytes.

Knows neither V1 nor `Checkpoint`. FORMAT 3; TensorFlow ``core/util/tensor_bundle``. Of prefix P::

    P.index                    a table: "" -> header, tensor name -> entry (index.py)
    P.data-00000-of-00002      the bytes (shards.py)

The entry of a partitioned tensor has no position of its own (partitioned.py). A merge may leave a
shard number in it, to be ignored.
"""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, add_location, located
from tfckpt_reader.formats.in_order import read_in_order
from tfckpt_reader.formats.v2.index import Header, decode_entry
from tfckpt_reader.formats.v2.segments import Numbers, layout_of
from tfckpt_reader.formats.v2.shards import Shards
from tfckpt_reader.paths.layout import guessed_shard_count
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dense import empty_rows
from tfckpt_reader.tensor.names import key_of, name_of
from tfckpt_reader.tensor.spec import Segment, TensorSpec, Unplaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.formats.v2.partitioned import Find, Partitions
    from tfckpt_reader.formats.v2.segments import Layout
    from tfckpt_reader.formats.v2.views import Views
    from tfckpt_reader.tensor.dtypes import DataType


class Bundle:
    """A V2 checkpoint. Nothing but the index is touched until data is asked for.

    Args:
        prefix: Path of the index without ``.index``.
        mapped: Map the shards, so that arrays are views where possible; else read.
        table: Its index, if it is open already.
        header: Used instead of the index's own.
        find: Returns the row of a key. Default: a lookup in the index.

    Raises:
        CorruptCheckpointError: the index is no sound table, or its header is no message.
        UnsupportedError: it was written for newer readers only.
    """

    version = "V2"

    def __init__(
        self,
        prefix: str,
        *,
        mapped: bool = True,
        table: Table | None = None,
        header: Header | None = None,
        find: Find | None = None,
    ) -> None:
        self.prefix = prefix
        self.notes: list[str] = []
        self.table = table or Table(open_file(prefix + ".index"))
        self._find = find or self.table.get
        self.header = self._read_header() if header is None else header
        self.shards = Shards(
            prefix,
            self.header.num_shards,
            big_endian=self.header.endianness == 1,
            mapped=mapped,
            notes=self.notes,
        )
        self._layouts: dict[DataType, Layout] = {}
        self._partitions: Partitions | None = None

    @property
    def path(self) -> str:
        """Path of the index."""
        return self.table.source.name

    @property
    def shard_count(self) -> int:
        """How many data files there should be."""
        return self.header.num_shards

    def _read_header(self) -> Header:
        value = self.table.get(b"")
        if value is None:  # not first: behind an empty block, or absent
            row = self.table.first()
            if row is None:
                raise CorruptCheckpointError("the index has no rows at all", file=self.path)
            if row[0] != b"":
                note = "the index has no header row; the data files tell the shard count"
                self.notes.append(note)
                return Header(guessed_shard_count(self.prefix), present=False)
            value = row[1]
        with located(self.path):
            return Header.decode(value)

    @property
    def partitions(self) -> Partitions:
        """The partitioned tensors."""
        if self._partitions is None:
            from tfckpt_reader.formats.v2.partitioned import Partitions

            self._partitions = Partitions(self.path, self._find, self.shards, self.layout)
        return self._partitions

    def lookup(self, name: str, rows: slice | None = None) -> TensorSpec | None:
        """Return the spec of one tensor, decoding as little of the index as possible."""
        key = key_of(name)
        if key.startswith(b"\0"):  # maybe the row of a slice: only the full listing can tell
            return self.listing().get(name)
        value = self._find(key) if key else None
        return None if value is None else self.spec_of(key, value, self._find, rows)

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, in key order. Decodes the whole index.

        Raises:
            CorruptCheckpointError: a block or an entry is bad, or blocks are out of order.
        """
        from tfckpt_reader.formats.v2.listing import listing

        return listing(self.table, self.spec_of, self.notes)

    def spec_of(
        self, key: bytes, value: bytes | memoryview, find: Find, rows: slice | None = None
    ) -> TensorSpec:
        """Decode an entry. `find` returns the row of a slice; `rows` are those of `lookup`.

        An entry's shards are compared with the data files when data is read, not here.

        Raises:
            CorruptCheckpointError: the entry is no message, or has no possible dtype or shape.
        """
        name = name_of(key)
        try:
            segment, stored = decode_entry(name, value, rows)
            if stored is None:
                return TensorSpec(segment)
            slices = self.partitions.slices(segment, stored, find)
        except CheckpointError as error:
            add_location(error, self.path, tensor=name)
            raise
        if segment.dtype.itemsize:
            nbytes = segment.dtype.itemsize * prod(segment.shape)
        else:
            nbytes = sum(each.nbytes or 0 for each in slices)
        return TensorSpec(Unplaced(name, segment.dtype, segment.shape, nbytes), slices)

    def segments(self, spec: TensorSpec) -> list[Segment]:
        """Return the segments of a tensor; most have just one.

        Raises:
            CorruptCheckpointError: slices do not tile the tensor, or have no row.
        """
        if isinstance(spec.segment, Segment):
            return [spec.segment]
        return self.partitions.segments(spec)

    def layout(self, segment: Segment) -> Layout:
        """Return the layout of a segment's elements."""
        return self._layouts.get(segment.dtype) or self._layouts.setdefault(
            segment.dtype, layout_of(self.shards, segment)
        )

    @cached_property
    def _views(self) -> Views:
        from tfckpt_reader.formats.v2.views import Views

        return Views(self.shards)

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor, read-only: a view of the mapped shard where the bytes allow it.

        Raises:
            ChecksumError: `check`, and the bytes do not have the crc of the entry.
            CorruptCheckpointError: bytes are missing, or cannot be right.
        """
        if not self.header.present:  # hot path: no call where none is needed
            self._require_byte_order(spec)
        if type(spec.stored) is bytes:  # a row: the spec is from a listing
            view = self._views.array(spec, check=check)
            if view is not None:
                return view
        segment = spec.segment
        if isinstance(segment, Segment):
            layout = self._layouts.get(segment.dtype) or self.layout(segment)
            return layout.array(segment, check=check)
        out = self.partitions.read(spec, spec.all_rows, check=check, out=None)
        out.flags.writeable = False
        return out

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows of a tensor, owned, or written into `out`: C-contiguous, of their shape.

        Nothing is allocated before the bytes are known to be there.
        """
        self._require_byte_order(spec)
        segment = spec.segment
        if not isinstance(segment, Segment):
            return self.partitions.read(spec, rows, check=check, out=out)
        layout = self.layout(segment)
        layout.require_present(segment)
        with located(self.path, tensor=spec.name):
            out = empty_rows(spec, rows) if out is None else out
        layout.fill(segment, rows, out, check=check)
        return out

    def _require_byte_order(self, spec: TensorSpec) -> None:
        if not self.header.present and spec.dtype.itemsize != 1:
            problem = "the index has no header row, which would tell the byte order"
            raise CorruptCheckpointError(problem, file=self.path, tensor=spec.name)

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's bytes: see `Reader.chunks`."""
        self._require_byte_order(spec)
        if isinstance(spec.segment, Segment):
            return Numbers(self.shards, spec.dtype).chunks(spec.segment)
        return self.partitions.chunks(spec)

    def read_many(
        self, specs: Sequence[TensorSpec], sink: Sink, on_read: OnRead | None = None
    ) -> None:
        """Hand all bytes of numeric tensors to `sink`, on threads: see `Reader.read_many`."""
        from tfckpt_reader.formats.portable import placed
        from tfckpt_reader.formats.v2.bulk import scan
        from tfckpt_reader.tensor.slices import flat_starts

        direct: list[tuple[Segment, int, int]] = []
        others: list[tuple[int, TensorSpec]] = []
        for number, spec in enumerate(specs):
            self._require_byte_order(spec)
            starts = flat_starts(spec.slices, spec.shape)
            if starts is None:
                others.append((number, spec))
                continue
            for segment, start in zip(self.segments(spec), starts, strict=True):
                direct.append((segment, number, start * spec.dtype.itemsize))
        direct.sort(key=lambda each: (each[0].shard, each[0].offset))

        segments = [segment for segment, _, _ in direct]
        with closing(scan(self.shards, segments, placed(sink, direct), on_read)) as scanned:
            for _, error in scanned:
                if error is not None:
                    raise error
        read_in_order(self, others, sink, on_read)
