"""The V2 bundle: one index file, and data files ("shards") that hold the tensors' bytes.

Knows no V1 and no façade. FORMAT 3; TensorFlow ``core/util/tensor_bundle``::

    P.index                    a table: "" -> header, tensor name -> entry (entry.py)
    P.data-00000-of-00002      the bytes (shards.py)

The entry of a partitioned tensor has no place of its own; each of its slices has a row under a key
made of name and extents, which no listing shows. After a merge it can carry a shard number that
means nothing.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, ErrorKind, locate, located
from tfckpt_reader.formats.reader import pour_in_order
from tfckpt_reader.formats.v2.bulk import scan
from tfckpt_reader.formats.v2.index import Header, decode_entry
from tfckpt_reader.formats.v2.shards import Shards
from tfckpt_reader.paths.layout import guessed_shard_count
from tfckpt_reader.storage.local import File
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dense import empty_bits, empty_rows
from tfckpt_reader.tensor.names import key_of, name_of
from tfckpt_reader.tensor.slices import (
    Cut,
    check_tiling,
    cuts,
    fill_cut,
    flat_starts,
    place,
    slice_key,
    stream,
)
from tfckpt_reader.tensor.spec import Run, TensorSlice, TensorSpec, all_rows, run_of
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import OnRead, Take
    from tfckpt_reader.tensor.dtypes import DataType

    Find = Callable[[bytes], "bytes | memoryview | None"]


class Bundle:
    """A V2 checkpoint. Nothing but the index is touched until data is asked for.

    Args:
        prefix: Path of the index without ``.index``.
        mapped: Map the shards, so that arrays are views where possible; else read.
        table: Its index, if it is open already.
        header: To be taken instead of the index's own.
        find: Gets a row by its key. Default: a lookup in the index.

    Raises:
        CorruptCheckpointError: the index is no sound table, or its header cannot be right.
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
        self.table = table or Table(File(prefix + ".index"))
        self._find = find or self.table.get
        self.header = self._read_header() if header is None else header
        self.shards = Shards(
            prefix,
            self.header.num_shards,
            big_endian=self.header.endianness == 1,
            mapped=mapped,
            notes=self.notes,
        )
        self._tiled: set[tuple[str, range]] = set()

    @property
    def path(self) -> str:
        """Path of the index."""
        return self.table.source.name

    @property
    def shard_count(self) -> int:
        """How many data files there should be."""
        return self.header.num_shards

    def _read_header(self) -> Header:
        key, value = next(self.table.seek(b""), (None, b""))
        if key is None:
            raise CorruptCheckpointError("the index has no rows at all", file=self.path)
        if key != b"":
            self.notes.append("the index has no header row; the data files tell the shard count")
            return Header(guessed_shard_count(self.prefix), present=False)
        with located(self.path):
            return Header.decode(value)

    # -- the index -----------------------------------------------------------------------------

    def lookup(self, name: str) -> TensorSpec | None:
        """Return the spec of one tensor, decoding as little of the index as possible."""
        key = key_of(name)
        if key.startswith(b"\0"):  # the row of a slice? only the full listing can tell
            return self.listing().get(name)
        value = self._find(key) if key else None
        return None if value is None else self.spec_of(key, value, self._find)

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, in key order. Decodes the whole index.

        Raises:
            CorruptCheckpointError: a block or an entry is bad, or blocks are out of order.
        """
        rows = self._rows()
        hidden: list[bytes] = []
        specs: dict[str, TensorSpec] = {}
        for key, value in rows.items():
            spec = self.spec_of(key, value, rows.get)
            specs[spec.name] = spec
            if spec.slices:
                hidden += [slice_key(key, piece.extents) for piece in spec.slices]
        for key in hidden:
            specs.pop(name_of(key), None)
        return specs

    def _rows(self) -> dict[bytes, bytes | memoryview]:
        rows: dict[bytes, bytes | memoryview] = {}
        repeated = 0
        for key, value in self.table.rows():
            if rows.setdefault(key, value) is not value:
                repeated += 1
        rows.pop(b"", None)
        if repeated:
            self.notes.append(f"{count_of(repeated, 'key')} came twice; the first was taken")
        return rows

    def spec_of(self, key: bytes, value: bytes | memoryview, find: Find) -> TensorSpec:
        """Decode an entry. `find` gets the row of a slice by its key.

        What an entry says of shards is compared with them when data is read, not here.

        Raises:
            CorruptCheckpointError: the entry is no message, or has no possible dtype or shape.
        """
        name = name_of(key)
        try:
            dtype, shape, shard, offset, nbytes, crc32c, slices = decode_entry(value)
            if not slices:
                return TensorSpec(name, dtype, shape, nbytes, shard, offset, crc32c)
            parts = tuple([self._slice(key, pairs, dtype, shape, find) for pairs in slices])
        except CheckpointError as error:
            locate(error, self.path, tensor=name)
            raise
        stored = sum(part.nbytes or 0 for part in parts)
        nbytes = dtype.itemsize * prod(shape) or stored
        return TensorSpec(name, dtype, shape, nbytes, None, None, None, parts)

    def _slice(
        self,
        key: bytes,
        pairs: tuple[tuple[int, int], ...],
        dtype: DataType,
        shape: tuple[int, ...],
        find: Find,
    ) -> TensorSlice:
        start, size = place(pairs, shape)
        row = find(slice_key(key, pairs))
        if row is None:
            return TensorSlice(pairs, start, size)
        entry = decode_entry(row)
        if (entry.dtype, entry.shape) != (dtype, size) or entry.slices:
            return TensorSlice(pairs, start, size)  # `part` says what is wrong with it
        # The entry's shape, not the equal `size`: most slices share it, and its memory.
        return TensorSlice(pairs, start, *entry[1:6])

    def runs(self, spec: TensorSpec) -> list[Run]:
        """Return the runs of bytes that a tensor is stored in; most have just one."""
        if not spec.slices:
            return [run_of(spec)]
        self.require_tiling(spec, all_rows(spec))
        return [self.part(spec, piece) for piece in spec.slices]

    def part(self, spec: TensorSpec, piece: TensorSlice) -> Run:
        """Return the run of bytes of a slice.

        Raises:
            CorruptCheckpointError: it has no row in the index, or one that is another tensor's.
        """
        if piece.shard is not None:
            place = piece.nbytes or 0, piece.shard, piece.offset or 0, piece.crc32c or 0
            return Run(spec.name, spec.dtype, piece.shape, *place)
        row = self._find(slice_key(spec.key, piece.extents))
        with located(self.path, tensor=spec.name):
            where = f"slice {piece}"
            if row is None:
                raise CorruptCheckpointError(
                    "the index has no row for it", kind=ErrorKind.SLICES, structure=where
                )
            entry = decode_entry(row)
            raise CorruptCheckpointError(
                "its row disagrees with the tensor's",
                kind=ErrorKind.SLICES,
                structure=where,
                expected=f"{spec.dtype} {list(piece.shape)}",
                got=f"{entry.dtype} {list(entry.shape)}{' in slices' if entry.slices else ''}",
            )

    def require_tiling(self, spec: TensorSpec, rows: range) -> list[Cut]:
        """Return what some rows take from the slices; these cover each element exactly once."""
        taken = cuts(spec.slices, rows)
        if (spec.name, rows) not in self._tiled:
            with located(self.path, tensor=spec.name):
                check_tiling(spec.shape, rows, taken)
            if rows == all_rows(spec):
                self._tiled.add((spec.name, rows))
        return taken

    # -- the data ------------------------------------------------------------------------------

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor, read-only: a view of the mapped shard where the bytes allow it.

        Raises:
            ChecksumError: `check`, and the bytes do not have the crc of the entry.
            CorruptCheckpointError: bytes are not there, or not what they should be.
        """
        if not self.header.present:
            self._require_byte_order(spec)
        if not spec.slices and spec.dtype.itemsize:
            # A spec without slices is a run; not even a call to say so, for it is asked so often.
            return self.shards.array(spec, check=check)  # type: ignore[arg-type]
        out = self.read(spec, all_rows(spec), check=check)
        out.flags.writeable = False
        return out

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows of a tensor, owned, or written into `out`: C-contiguous, of their shape.

        Only slices that hold some of the rows are touched. With `check`, all their bytes are read.
        Nothing is allocated before the bytes are known to be there.
        """
        self._require_byte_order(spec)
        if not spec.slices:
            run = run_of(spec)
            self.shards.require(run)
            out = self._empty(spec, rows) if out is None else out
            self.shards.fill(run, rows, out, check=check)
            return out
        wanted = self.require_tiling(spec, rows)
        taken = [(cut, self.part(spec, cut.piece)) for cut in wanted]
        for _, run in taken:
            self.shards.require(run)
        out = self._empty(spec, rows) if out is None else out
        for cut, run in taken:
            fill_cut(out, cut, partial(self.shards.fill, run, check=check))
        return out

    def _empty(self, spec: TensorSpec, rows: range) -> NDArray[Any]:
        with located(self.path, tensor=spec.name):
            return empty_rows(spec, rows)

    def _require_byte_order(self, spec: TensorSpec) -> None:
        if not self.header.present and spec.dtype.itemsize != 1:
            problem = "the index has no header row, which would tell the byte order"
            raise CorruptCheckpointError(problem, file=self.path, tensor=spec.name)

    def check(self, spec: TensorSpec) -> None:
        """Read all bytes of a tensor and compare their crcs, without making an array of them."""
        for run in self.runs(spec):
            self.shards.check(run)

    def stream(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's bytes, C order and little-endian, in pieces of whole elements.

        A piece is overwritten when the next is asked for. The crc is compared at the end: what
        came before must not be trusted until the iteration is over.
        """
        self._require_byte_order(spec)
        if not spec.slices:
            yield from self.shards.stream(run_of(spec))
        elif spec.shape:
            yield from assembled(self, spec)
        else:
            yield self.read(spec, range(1), check=True).reshape(1).view("u1").data

    def pour(self, specs: Sequence[TensorSpec], take: Take, on_read: OnRead | None = None) -> None:
        """Give all bytes of numeric tensors to `take`, on threads: see `Reader.pour`."""
        for spec in specs:
            self._require_byte_order(spec)
        pour(self, specs, take, on_read)


def pour(bundle: Bundle, specs: Sequence[TensorSpec], take: Take, on_read: OnRead | None) -> None:
    """Do for a bundle what `Reader.pour` says."""
    direct: list[tuple[Run, int, int]] = []
    others: list[tuple[int, TensorSpec]] = []
    for number, spec in enumerate(specs):
        starts = flat_starts(spec.slices, spec.shape)
        if starts is None:
            others.append((number, spec))
            continue
        for run, start in zip(bundle.runs(spec), starts, strict=True):
            direct.append((run, number, start * spec.dtype.itemsize))
    direct.sort(key=lambda found: (found[0].shard, found[0].offset))

    def take_run(index: int, first: int, piece: memoryview) -> None:
        _, number, start = direct[index]
        take(number, start + first, piece)

    runs = [run for run, _, _ in direct]
    with closing(scan(bundle.shards, runs, take_run, on_read)) as scanned:
        for _, error in scanned:
            if error is not None:
                raise error
    pour_in_order(bundle, others, take, on_read)


def assembled(bundle: Bundle, spec: TensorSpec) -> Iterator[memoryview]:
    """Yield the bytes of a tensor that is stored in slices, in order; see `Reader.stream`."""
    runs = bundle.runs(spec)
    crcs: list[int | None] = [0] * len(runs)
    for run in runs:
        bundle.shards.require(run)

    def make(shape: tuple[int, ...]) -> NDArray[Any]:
        return empty_bits(shape, spec.dtype)

    def copy(index: int, first: int, out: NDArray[Any]) -> None:
        crcs[index] = bundle.shards.copy(runs[index], first, out, crcs[index])

    for array in stream(spec.slices, spec.shape, spec.dtype.itemsize, make, copy):
        yield array.reshape(-1).view("u1").data
    for run, crc in zip(runs, crcs, strict=True):
        bundle.shards.require_crc(run, crc or 0)
