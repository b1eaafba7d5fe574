"""V1 checkpoints: one file, or a set of shards, each a table of slices.

Knows no V2 and no façade. FORMAT 4; TensorFlow ``core/util/tensor_slice_reader.cc``,
``core/util/saved_tensor_slice.proto``::

    ""                  SavedTensorSlices.meta: per tensor name, full shape, dtype and slices
    key of a slice      SavedTensorSlices.data: name, slice, values as a TensorProto

Every tensor is stored in slices; a whole one has a single slice. A shard's header lists just what
lies in that shard. The values carry neither dtype nor shape: both come from the header, and there
must be just as many values as elements. The crc of the table block covers them, always checked.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, ErrorKind, located
from tfckpt_reader.formats.reader import pour_in_order
from tfckpt_reader.formats.v1.rows import stored_values
from tfckpt_reader.protobuf import parse
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.table.format import LARGEST_EXPANSION
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dense import empty, empty_rows, shaped
from tfckpt_reader.tensor.dtypes import require_readable
from tfckpt_reader.tensor.names import key_of, name_of
from tfckpt_reader.tensor.proto_fields import all_extents, check_version, data_type, dims
from tfckpt_reader.tensor.slices import Cut, check_tiling, cuts, fill_cut, place, slice_key
from tfckpt_reader.tensor.spec import TensorSlice, TensorSpec, all_rows
from tfckpt_reader.tensor.typed_values import count_values, decode_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import OnRead, Take
    from tfckpt_reader.tensor.typed_values import Part


class V1:
    """A V1 checkpoint. Headers are read on opening, rows when their data is asked for.

    Args:
        prefix: What to call it: the path of the file, or the pattern of its shards.
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
        self._metas: dict[bytes, list[tuple[int, bytes]]] = {}
        for path in files:
            try:
                table = Table(File(path, mapped=mapped))
                metas = [(_tensor_meta(table, data).name, data) for data in _header(table).tensor]
            except CheckpointError as error:
                if on_error is None:
                    raise
                on_error(error)
                continue
            for name, data in metas:
                self._metas.setdefault(name, []).append((len(self.tables), data))
            self.tables.append(table)
        self._pieces: dict[str, tuple[TensorSlice, ...]] = {}

    @property
    def path(self) -> str:
        """Path of the first shard."""
        return self.tables[0].source.name

    @property
    def shard_count(self) -> int:
        """How many files there are."""
        return len(self.tables)

    # -- the headers ---------------------------------------------------------------------------

    def lookup(self, name: str) -> TensorSpec | None:
        """Return the spec of one tensor."""
        stored = self._metas.get(key_of(name), ())
        metas = [(shard, _tensor_meta(self.tables[shard], data)) for shard, data in stored]
        return self._spec(name, metas) if metas else None

    def names(self) -> list[str]:
        """Return the names of all tensors, sorted as bytes."""
        return [name_of(key) for key in sorted(self._metas)]

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, sorted by name.

        Raises:
            CorruptCheckpointError: a header says what cannot be, or shards disagree.
        """
        found = ((name, self.lookup(name)) for name in self.names())
        return {name: spec for name, spec in found if spec is not None}

    def pieces(self, spec: TensorSpec) -> tuple[TensorSlice, ...]:
        """Return the slices a tensor is stored in, as their rows lie; a whole one has one."""
        return self._pieces[spec.name]

    def _spec(self, name: str, metas: list[tuple[int, Any]]) -> TensorSpec:
        with located(self.tables[metas[0][0]].source.name, tensor=name):
            dtype, shape = data_type(metas[0][1].type), dims(metas[0][1].shape)
        pieces: list[TensorSlice] = []
        for shard, meta in metas:
            with located(self.tables[shard].source.name, tensor=name):
                if (data_type(meta.type), dims(meta.shape)) != (dtype, shape):
                    raise CorruptCheckpointError(
                        "shards disagree about the tensor",
                        expected=f"{dtype} {list(shape)}",
                        got=f"{data_type(meta.type)} {list(dims(meta.shape))}",
                    )
                stored = all_extents(meta.slice)
                pieces += [TensorSlice(pairs, *place(pairs, shape), shard) for pairs in stored]
        self._pieces[name] = tuple(sorted(pieces, key=lambda p: (p.shard, p.extents)))
        nbytes = dtype.itemsize * prod(shape) if dtype.itemsize else None
        if len(pieces) == 1 and pieces[0].shape == shape:
            return TensorSpec(name, dtype, shape, nbytes, pieces[0].shard, None, None)
        return TensorSpec(name, dtype, shape, nbytes, None, None, None, tuple(pieces))

    # -- the data ------------------------------------------------------------------------------

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor, read-only: a view of the mapped file where the bytes allow it."""
        taken = self.require_tiling(spec, all_rows(spec))
        if len(taken) == 1 and taken[0].shape == spec.shape:  # pieces of no elements tile anything
            out = self._values(spec, taken[0].piece)
            out = out if out.flags.aligned else out.copy()
        else:
            out = self.read(spec, all_rows(spec), check=check)
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
        taken = self.require_tiling(spec, rows)
        out = self._empty(spec, rows) if out is None else out
        self._gather(spec, taken, out)
        return out

    def _gather(self, spec: TensorSpec, taken: list[Cut], out: NDArray[Any]) -> None:
        for cut in taken:
            values = self._values(spec, cut.piece)

            def fill(within: range, part: NDArray[Any], values: NDArray[Any] = values) -> None:
                part[...] = values[within.start : within.stop] if values.shape else values

            fill_cut(out, cut, fill)

    def _empty(self, spec: TensorSpec, rows: range) -> NDArray[Any]:
        """Return an array for some rows, unless all of the files could not fill the shape."""
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
        """Go through all rows of a tensor, one at a time; NumPy is not needed.

        Raises:
            CorruptCheckpointError: one holds no values, or other ones than belong there.
        """
        for cut in self.require_tiling(spec, all_rows(spec)):
            with located(self._file_of(cut.piece), tensor=spec.name):
                number = count_values(self._stored(spec, cut.piece), spec.dtype)
                _require_number(number, cut.piece)

    def parts(self, spec: TensorSpec) -> Iterator[NDArray[Any]]:
        """Decode all rows of a tensor, and yield what is in each."""
        for cut in self.require_tiling(spec, all_rows(spec)):
            yield self._values(spec, cut.piece)

    def stream(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's bytes, C order and little-endian, in pieces of whole elements.

        In memory at a time: about a chunk of rows that no slice boundary cuts, or one slice's.
        """
        taken = self.require_tiling(spec, all_rows(spec))
        if len(taken) == 1:
            yield from _in_chunks(self.array(spec, check=True))
            return
        for rows in _slabs(spec, taken):
            slab = self._empty(spec, rows)
            self._gather(spec, cuts(self._pieces[spec.name], rows), slab)
            yield from _in_chunks(slab)

    def pour(self, specs: Sequence[TensorSpec], take: Take, on_read: OnRead | None = None) -> None:
        """Give all bytes of numeric tensors to `take`, one after another: see `Reader.pour`."""
        pour_in_order(self, enumerate(specs), take, on_read)

    def require_tiling(self, spec: TensorSpec, rows: range) -> list[Cut]:
        """Return what some rows take from the slices; these cover each element exactly once."""
        taken = cuts(self._pieces[spec.name], rows)
        with located(self.path, tensor=spec.name):
            require_readable(spec.dtype)
            if not self._pieces[spec.name]:
                raise CorruptCheckpointError(
                    "the header lists none", kind=ErrorKind.SLICES, structure="slices"
                )
            check_tiling(spec.shape, rows, taken)
        return taken

    def _values(self, spec: TensorSpec, piece: TensorSlice) -> NDArray[Any]:
        """Return the elements of one slice, in its shape."""
        with located(self._file_of(piece), tensor=spec.name):
            if not piece.elements:
                return empty(piece.shape, spec.dtype)
            values = decode_values(self._stored(spec, piece), spec.dtype)
            _require_number(len(values), piece)
            return shaped(values, piece.shape, spec.dtype)

    def _file_of(self, piece: TensorSlice) -> str:
        return self.tables[piece.shard or 0].source.name

    def _stored(self, spec: TensorSpec, piece: TensorSlice) -> Iterable[Part]:
        row = self.tables[piece.shard or 0].get(slice_key(spec.key, piece.extents))
        if row is not None:
            return stored_values(memoryview(row), spec.key, piece, spec.dtype)
        if not piece.elements:
            return []
        where = "slice, the only one" if piece.shape == spec.shape else f"slice {piece}"
        raise CorruptCheckpointError(
            "the file has no row for it", kind=ErrorKind.SLICES, structure=where
        )


def _require_number(number: int, piece: TensorSlice) -> None:
    if number != piece.elements:
        raise CorruptCheckpointError(
            "its row has another number of values than its shape has elements",
            structure=f"values of slice {piece}",
            expected=piece.elements,
            got=number,
        )


def _slabs(spec: TensorSpec, taken: list[Cut]) -> Iterator[range]:
    """Cut the rows of a tensor where slices begin, in ranges of about a chunk of bytes or more."""
    row = max(1, spec.dtype.itemsize * spec.elements // max(1, spec.shape[0]))
    low = 0
    for high in sorted({cut.start[0] + cut.shape[0] for cut in taken}):
        if (high - low) * row >= CHUNK or high == spec.shape[0]:
            yield range(low, high)
            low = high


def _in_chunks(array: NDArray[Any]) -> Iterator[memoryview]:
    raw = array.reshape(-1).view("u1").data if array.size else memoryview(b"")
    step = CHUNK - CHUNK % array.itemsize
    for done in range(0, len(raw), step):
        yield raw[done : done + step]


def _header(table: Table) -> Any:
    """Return the SlicesMeta message of a file, its version checked."""
    path = table.source.name
    value = table.get(b"")
    with located(path):
        if value is None:
            raise CorruptCheckpointError(
                "the file has none: no checkpoint", kind=ErrorKind.NO_HEADER, structure="header row"
            )
        header = parse("SlicesHeader", value, ErrorKind.HEADER)
        if not header.HasField("meta"):
            raise CorruptCheckpointError(
                "this is the index of a V2 checkpoint, or no checkpoint",
                kind=ErrorKind.HEADER,
                structure="header",
                advice="Give it a name that ends in .index, beside its .data files",
            )
        check_version(header.meta.versions)
    return header.meta


def _tensor_meta(table: Table, data: bytes) -> Any:
    """Return the TensorMeta message of one tensor in a header."""
    try:
        return parse("TensorMeta", data)
    except CorruptCheckpointError as error:
        error.kind, error.structure = ErrorKind.HEADER, "SlicesHeader"
        error.file = table.source.name
        raise
