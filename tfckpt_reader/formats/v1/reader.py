"""V1 checkpoints: one file, or a set of shards, each a table of slices.

Knows no V2 and no façade. FORMAT 4; TensorFlow ``core/util/tensor_slice_reader.cc``,
``core/util/saved_tensor_slice.proto``::

    ""                  SavedTensorSlices.meta: per tensor name, full shape, dtype and slices
    key of a slice      SavedTensorSlices.data: name, slice, values as a TensorProto

Every tensor is stored in slices; a whole one has a single slice. A shard's header lists only the
slices in that shard. The values carry neither dtype nor shape: both come from the header, and
there must be as many values as elements. The crc of the table block covers them, always checked.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, ErrorKind, located
from tfckpt_reader.formats.in_order import read_in_order
from tfckpt_reader.formats.v1.rows import Unfolded, read_header, stored_values, tensor_meta
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.table.format import LARGEST_EXPANSION
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dense import empty, empty_rows, shaped
from tfckpt_reader.tensor.dtypes import require_readable
from tfckpt_reader.tensor.names import key_of, name_of
from tfckpt_reader.tensor.proto_fields import all_extents, data_type, dims, require_axes
from tfckpt_reader.tensor.slices import (
    SliceOverlap,
    box_of,
    check_tiling,
    fill_overlap,
    overlaps,
    slice_key,
)
from tfckpt_reader.tensor.spec import TensorSlice, TensorSpec, Unplaced
from tfckpt_reader.tensor.typed_values import count_values, decode_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.tensor.typed_values import Part


class V1:
    """A V1 checkpoint. Headers are read on opening, rows when their data is asked for.

    Args:
        prefix: Its name: the path of the file, or the pattern of its shards.
        files: Its shards; their order does not matter.
        mapped: Map the files, so that large rows are not copied.
        on_error: Called with the error of a bad file, which is left out; without it, errors are
            raised.

    Raises:
        CorruptCheckpointError: a file is no sound table, or has no V1 header.
        UnsupportedError: it was written for newer readers only.
    """

    version = "V1"

    def __init__(
        self,
        prefix: str,
        files: Sequence[str],
        *,
        mapped: bool = True,
        on_error: Callable[[CheckpointError], object] | None = None,
    ) -> None:
        self.prefix = prefix
        self.notes: list[str] = []
        self.tables: list[Table] = []
        found: dict[bytes, list[tuple[int, bytes]]] = {}
        for path in files:
            try:
                table = Table(open_file(path, mapped=mapped))
                metas = read_header(table).tensor
                names = [tensor_meta(table, data).name for data in metas]
            except CheckpointError as error:
                if on_error is None:
                    raise
                on_error(error)
                continue
            for name, data in zip(names, metas, strict=True):
                found.setdefault(name, []).append((len(self.tables), data))
            self.tables.append(table)
        self._metas = {name: tuple(metas) for name, metas in found.items()}
        self._slices: dict[str, tuple[TensorSlice, ...]] = {}
        self._unfolded = Unfolded(sum(table.source.size for table in self.tables))

    @property
    def path(self) -> str:
        """Path of the first shard."""
        return self.tables[0].source.name

    @property
    def shard_count(self) -> int:
        """How many files there are."""
        return len(self.tables)

    # -- the headers ---------------------------------------------------------------------------

    def lookup(self, name: str, _rows: slice | None = None) -> TensorSpec | None:
        """Return the spec of one tensor."""
        stored = self._metas.get(key_of(name), ())
        metas = [(shard, tensor_meta(self.tables[shard], data)) for shard, data in stored]
        return self._spec(name, metas) if metas else None

    def names(self) -> list[str]:
        """Return the names of all tensors, sorted as bytes."""
        return [name_of(key) for key in sorted(self._metas)]

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, sorted by name.

        Raises:
            CorruptCheckpointError: a header cannot be right, or shards disagree.
        """
        found = ((name, self.lookup(name)) for name in self.names())
        return {name: spec for name, spec in found if spec is not None}

    def slices(self, spec: TensorSpec) -> tuple[TensorSlice, ...]:
        """Return the slices of a tensor in the order of their rows; a whole one has one."""
        return self._slices[spec.name]

    def _spec(self, name: str, metas: list[tuple[int, Any]]) -> TensorSpec:
        with located(self.tables[metas[0][0]].source.name, tensor=name):
            dtype, shape = data_type(metas[0][1].type), dims(metas[0][1].shape)
        slices: list[TensorSlice] = []
        for shard, meta in metas:
            with located(self.tables[shard].source.name, tensor=name):
                if (data_type(meta.type), dims(meta.shape)) != (dtype, shape):
                    raise CorruptCheckpointError(
                        "shards disagree about the tensor",
                        expected=f"{dtype} {list(shape)}",
                        got=f"{data_type(meta.type)} {list(dims(meta.shape))}",
                    )
                stored = all_extents(meta.slice)
                for extents in stored:
                    start, size = box_of(extents, shape)
                    size = shape if size == shape else size  # one tuple for both takes less memory
                    segment = Unplaced(name, dtype, size, shard=shard)
                    slices.append(TensorSlice(extents, start, segment))
        self._slices[name] = tuple(sorted(slices, key=lambda s: (s.shard, s.extents)))
        nbytes = dtype.itemsize * prod(shape) if dtype.itemsize else None
        if len(slices) == 1 and slices[0].shape == shape:
            return TensorSpec(Unplaced(name, dtype, shape, nbytes, slices[0].shard))
        return TensorSpec(Unplaced(name, dtype, shape, nbytes), tuple(slices))

    # -- the data ------------------------------------------------------------------------------

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor, read-only: a view of the mapped file where the bytes allow it."""
        wanted = self.require_tiling(spec, spec.all_rows)
        if len(wanted) == 1 and wanted[0].shape == spec.shape:  # empty slices tile anything
            out = self._values(spec, wanted[0].source)
            out = out if out.flags.aligned else out.copy()
        else:
            out = self.read(spec, spec.all_rows, check=check)
        out.flags.writeable = False
        return out

    def read(
        self,
        spec: TensorSpec,
        rows: range,
        *,
        check: bool,  # noqa: ARG002 - as in V2; here a block is never decoded without its crc
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Return some rows of a tensor, owned, or written into `out`: C-contiguous, of their shape.

        Only slices that hold some of the rows are decoded.
        """
        wanted = self.require_tiling(spec, rows)
        out = self._empty(spec, rows) if out is None else out
        self._gather(spec, wanted, out)
        return out

    def _gather(self, spec: TensorSpec, wanted: list[SliceOverlap], out: NDArray[Any]) -> None:
        for each in wanted:
            values = self._values(spec, each.source)

            def fill(within: range, box: NDArray[Any], values: NDArray[Any] = values) -> None:
                box[...] = values[within.start : within.stop] if values.shape else values

            fill_overlap(out, each, fill)

    def _empty(self, spec: TensorSpec, rows: range) -> NDArray[Any]:
        """Return an array for some rows, unless the files are too small to fill the shape."""
        size = sum(table.source.size for table in self.tables)
        if spec.elements > LARGEST_EXPANSION * size:
            raise CorruptCheckpointError(
                "has more elements than its files could hold",
                file=self.path,
                tensor=spec.name,
                structure="shape",
                expected=f"at most {LARGEST_EXPANSION * size}",
                got=spec.elements,
            )
        with located(self.path, tensor=spec.name):
            return empty_rows(spec, rows)

    def check(self, spec: TensorSpec) -> None:
        """Decode all rows of a tensor, one at a time, without NumPy.

        Raises:
            CorruptCheckpointError: a row has no values, or those of another slice.
        """
        checked = None
        for each in self.require_tiling(spec, spec.all_rows):
            if each.source == checked:  # empty slices may be repeated
                continue
            checked = each.source
            with located(self._file_of(checked), tensor=spec.name):
                _require_number(count_values(self._stored(spec, checked), spec.dtype), checked)

    def slice_arrays(self, spec: TensorSpec) -> Iterator[NDArray[Any]]:
        """Yield the elements of each slice of a tensor."""
        for each in self.require_tiling(spec, spec.all_rows):
            yield self._values(spec, each.source)

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's bytes: see `Reader.chunks`.

        Memory holds about a chunk of rows between slice boundaries, or those of one slice.
        """
        wanted = self.require_tiling(spec, spec.all_rows)
        if len(wanted) == 1:
            yield from _in_chunks(self.array(spec, check=True))
            return
        for rows in _slabs(spec, wanted):
            slab = self._empty(spec, rows)
            self._gather(spec, overlaps(self._slices[spec.name], rows), slab)
            yield from _in_chunks(slab)

    def read_many(
        self, specs: Sequence[TensorSpec], sink: Sink, on_read: OnRead | None = None
    ) -> None:
        """Hand all bytes of numeric tensors to `sink`, in order: see `Reader.read_many`."""
        read_in_order(self, enumerate(specs), sink, on_read)

    def require_tiling(self, spec: TensorSpec, rows: range) -> list[SliceOverlap]:
        """Return the overlaps of slices with some rows; they cover each element exactly once."""
        wanted = overlaps(self._slices[spec.name], rows)
        with located(self.path, tensor=spec.name):
            require_readable(spec.dtype)
            require_axes(spec.shape)
            if not self._slices[spec.name]:
                raise CorruptCheckpointError(
                    "the header lists none", kind=ErrorKind.SLICES, structure="slices"
                )
            check_tiling(spec.shape, rows, wanted)
        return wanted

    def _values(self, spec: TensorSpec, slice_: TensorSlice) -> NDArray[Any]:
        """Return the elements of one slice, in its shape."""
        with located(self._file_of(slice_), tensor=spec.name):
            if not slice_.elements:
                return empty(slice_.shape, spec.dtype)
            values = decode_values(self._stored(spec, slice_), spec.dtype)
            _require_number(len(values), slice_)
            return shaped(values, slice_.shape, spec.dtype)

    def _file_of(self, slice_: TensorSlice) -> str:
        return self.tables[slice_.shard or 0].source.name

    def _stored(self, spec: TensorSpec, slice_: TensorSlice) -> Iterable[Part]:
        table, key = self.tables[slice_.shard or 0], slice_key(spec.key, slice_.extents)
        row = table.get(key)
        if row is not None:
            if table.in_compressed:
                self._unfolded.add(slice_.shard, key, len(row))
            return stored_values(memoryview(row), spec.key, slice_, spec.dtype)
        if not slice_.elements:
            return []
        where = "slice, the only one" if slice_.shape == spec.shape else f"slice {slice_}"
        raise CorruptCheckpointError(
            "the file has no row for it", kind=ErrorKind.SLICES, structure=where
        )


def _require_number(number: int, slice_: TensorSlice) -> None:
    if number != slice_.elements:
        raise CorruptCheckpointError(
            "its row has another number of values than its shape has elements",
            structure=f"values of slice {slice_}",
            expected=slice_.elements,
            got=number,
        )


def _slabs(spec: TensorSpec, wanted: list[SliceOverlap]) -> Iterator[range]:
    """Cut the rows of a tensor at slice boundaries, into ranges of a chunk or more."""
    row = max(1, spec.dtype.itemsize * spec.elements // max(1, spec.shape[0]))
    low = 0
    for high in sorted({each.start[0] + each.shape[0] for each in wanted}):
        if (high - low) * row >= CHUNK or high == spec.shape[0]:
            yield range(low, high)
            low = high


def _in_chunks(array: NDArray[Any]) -> Iterator[memoryview]:
    raw = array.reshape(-1).view("u1").data if array.size else memoryview(b"")
    step = CHUNK - CHUNK % array.itemsize
    for done in range(0, len(raw), step):
        yield raw[done : done + step]
