"""The data files of a V2 bundle: the bytes of one tensor, checked, as an array or as they lie.

Knows no index, no key and no slice; is told of one run of bytes at a time.
FORMAT 3.3 to 3.6, 3.8, 3.9; TensorFlow ``core/util/tensor_bundle``.

A data file is the bytes of tensors, densely packed, in any order. It has no header: only the
entries in the index tell what lies where. Its name holds its number and how many there are.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.errors import (
    DAMAGED,
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    CorruptCheckpointError,
    ErrorKind,
    TruncatedError,
    enough_memory,
    locate,
    located,
)
from tfckpt_reader.formats.v2.index import require_possible
from tfckpt_reader.formats.v2.segments import WORTH_PARTS, crc_by_parts
from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.storage.filesystem import exists
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.sniff import describe, read_head
from tfckpt_reader.storage.source import CHUNK, chunks
from tfckpt_reader.tensor.dense import (
    canonical_bytes,
    canonicalise,
    is_canonical,
    maker,
    require_room,
)
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.strings import StringLengths, string_lengths, strings
from tfckpt_reader.tensor.variant import check_variant, decode_variant, variant_messages
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.dense import Maker
    from tfckpt_reader.tensor.spec import Run


class Shards:
    """The data files of one prefix. Each is opened, and mapped, when first needed.

    Args:
        prefix: Path without ``.data-…``.
        num_shards: N of the file names.
        big_endian: Whether numbers in them are big-endian.
        mapped: Whether arrays shall be views of a map where possible.
        notes: Gets a line for what had to be assumed.
    """

    def __init__(
        self, prefix: str, num_shards: int, *, big_endian: bool, mapped: bool, notes: list[str]
    ) -> None:
        self.prefix = prefix
        self.num_shards = num_shards
        self.big_endian = big_endian
        self._mapped = mapped
        self._notes = notes
        self._files: dict[int, File] = {}
        self._lock = threading.Lock()
        self._makers: dict[DataType, Maker] = {}

    def file(self, shard: int) -> File:
        """Return a data file. However many there are, few of them are open at a time.

        Raises:
            CheckpointNotFoundError: it is not there.
        """
        with self._lock:
            if shard not in self._files:
                self._files[shard] = File(self._path(shard), mapped=self._mapped)
            return self._files[shard]

    def _path(self, shard: int) -> str:
        path = shard_path(self.prefix, shard, self.num_shards)
        if exists(path):
            return path
        there = shard_counts(self.prefix)
        # A merge with an empty input counts too many shards: the files are then named for fewer.
        fewer = [n for n, numbers in there.items() if n < self.num_shards and shard in numbers]
        if len(fewer) == 1 and len(there) == 1:
            note = (
                f"the index counts {count_of(self.num_shards, 'shard')}, "
                f"the data files are named for {fewer[0]}"
            )
            self._notes += [] if note in self._notes else [note]
            return shard_path(self.prefix, shard, fewer[0])
        if shard >= self.num_shards and self.num_shards in there:
            raise CorruptCheckpointError(
                "there is no such shard",
                file=self.prefix + ".index",
                kind=ErrorKind.ENTRY,
                structure="index entry",
                expected=f"a shard below {self.num_shards}",
                got=shard,
            )
        problem = f"shard {shard} of {self.num_shards} is missing"
        advice = "It belongs beside the index: copy or download it too"
        raise CheckpointNotFoundError(problem, file=path, advice=advice)

    def source(self, run: Run) -> File:
        """Return the file that holds a run of bytes, having made sure that all of it is there.

        Raises:
            CorruptCheckpointError: the entry's place or size cannot be right.
            TruncatedError: the file ends before the run does.
        """
        try:
            require_possible(run)
        except CheckpointError as error:
            locate(error, self.prefix + ".index", tensor=run.name)
            raise
        try:
            file = self._files.get(run.shard) or self.file(run.shard)
        except CheckpointError as error:
            error.tensor = error.tensor or run.name
            raise
        if run.offset + run.nbytes > file.size:
            raise _too_short(file, run)
        return file

    def require(self, run: Run) -> None:
        """Make sure that the file has what the run claims, before memory is set aside for it."""
        with located(self.source(run).name, run.offset, run.name):
            require_room(run.dtype, run.elements, run.nbytes)

    def array(self, run: Run, *, check: bool) -> NDArray[Any]:
        """Return a numeric tensor, read-only; a view of the map where the bytes allow it."""
        dtype, shape, nbytes, shard, offset, crc = run[1:7]
        source = self._files.get(shard)
        # Most are small, and each call is felt: only where something is odd is asked what.
        if source is None or nbytes <= 0 or not 0 <= offset <= source.size - nbytes:
            source = self.source(run)
        try:
            whole = source.map
            data = source.read(offset, nbytes) if whole is None else whole[offset : offset + nbytes]
            make = self._makers.get(dtype) or self._makers.setdefault(
                dtype, maker(dtype, big_endian=self.big_endian)
            )
            array = make(data, shape)
            if check:
                found = crc32c(data) if nbytes < WORTH_PARTS else crc_by_parts(data)
                if found != crc:
                    self.require_crc(run, found)
        except CheckpointError as error:
            self.source(run)  # says better what is wrong if it is the entry
            locate(error, source.name, offset, run.name)
            raise
        return array

    def fill(self, run: Run, rows: range, out: NDArray[Any], *, check: bool) -> None:
        """Write some rows of a tensor into `out`, an array of their shape.

        Only their bytes are read, unless `check`: a crc covers a whole tensor.
        """
        per_row = run.elements // run.shape[0] if run.shape and run.shape[0] else 1
        first, count = rows.start * per_row, len(rows) * per_row
        if run.dtype is DataType.STRING:
            data, front = self.strings(run, check=check)
            out.reshape(-1)[:] = strings(data, front, first, count)
        elif run.dtype is DataType.VARIANT:
            messages = self.variants(run, check=check)[0][first : first + count]
            flat = out.reshape(-1)
            with located(self.source(run).name, tensor=run.name):
                for i, message in enumerate(messages):
                    flat[i] = decode_variant(message)
        else:
            self._fill_dense(run, first, out, check=check)

    def _fill_dense(self, run: Run, first: int, out: NDArray[Any], *, check: bool) -> None:
        if check and out.size != run.elements:
            self.check(run)
            check = False
        crc = self.copy(run, first, out, 0 if check else None)
        if crc is not None:
            self.require_crc(run, crc)

    def copy(self, run: Run, first: int, out: NDArray[Any], crc: int | None) -> int | None:
        """Fill `out` with numbers from element `first` on; extend `crc`, unless None, by them."""
        source = self.source(run)
        raw = out.reshape(-1).view("u1").data if out.size else memoryview(b"")
        begin = run.offset + first * run.dtype.itemsize
        with located(source.name, tensor=run.name):
            for done in range(0, len(raw), CHUNK):
                piece = raw[done : done + CHUNK]
                source.readinto(begin + done, piece)
                if crc is not None:
                    crc = crc32c(piece, crc)
        if not is_canonical(out, run.dtype, big_endian=self.big_endian):
            canonicalise(out, run.dtype, big_endian=self.big_endian)
        return crc

    def check(self, run: Run) -> int:
        """Read all bytes of a run, compare their crcs, and go through variants.

        Returns how many bytes its elements take. No array is made, and NumPy is not needed.
        """
        if run.dtype is DataType.STRING:
            return self.strings(run, check=True)[1].end
        if run.dtype is DataType.VARIANT:
            messages, end = self.variants(run, check=True)
            with located(self.source(run).name, tensor=run.name):
                for message in messages:
                    check_variant(message)
            return end
        return sum(map(len, self.stored(run, check=True)))

    def stored(self, run: Run, *, check: bool) -> Iterator[memoryview]:
        """Yield the bytes of a run as they lie, whole elements at a time, in a reused buffer.

        The crc is compared at the end.
        """
        crc, item = 0, run.dtype.itemsize or 1
        source = self.source(run)
        with located(source.name, tensor=run.name):
            for piece in chunks(source, run.offset, run.nbytes, item):
                if check:
                    crc = crc32c(piece, crc)
                yield piece
            if check:
                self.require_crc(run, crc)

    def stream(self, run: Run) -> Iterator[memoryview]:
        """Yield what `stored` does, little-endian, and with no bit set that does not count."""
        for piece in self.stored(run, check=True):
            yield canonical_bytes(piece, run.dtype, big_endian=self.big_endian)

    def strings(self, run: Run, *, check: bool) -> tuple[memoryview, StringLengths]:
        """Return the bytes of a string tensor and its decoded lengths.

        An entry's size need not be what the strings take: TensorFlow goes by the lengths.
        """
        source, offset = self.source(run), run.offset
        with located(source.name, offset, run.name), enough_memory(source.name):
            data = source.read(offset, min(run.nbytes + 4, source.size - offset))
            front = string_lengths(
                data, run.elements, run.nbytes, check=check, big_endian=self.big_endian
            )
            if front.end > len(data):
                data = source.read(offset, front.end)
        if check:
            self.require_crc(run, crc32c(data[front.begin : front.end], front.crc))
        return data, front

    def variants(self, run: Run, *, check: bool) -> tuple[list[memoryview], int]:
        """Return the messages of a variant tensor, and the bytes they take."""
        source, offset = self.source(run), run.offset
        with located(source.name, offset, run.name), enough_memory(source.name):
            data = source.read(offset, run.nbytes)
            messages, end, crc = variant_messages(data, run.elements, check=check)
        if check:
            self.require_crc(run, crc)
        return messages, end

    def require_crc(self, run: Run, crc: int) -> None:
        """Compare the crc of a run's bytes with the one in its entry."""
        if crc != run.crc32c:
            raise ChecksumError(
                "masked crc does not match",
                file=self.source(run).name,
                offset=run.offset,
                tensor=run.name,
                expected=f"{mask(run.crc32c):#010x}",
                got=f"{mask(crc):#010x}",
                advice=DAMAGED,
            )


def _too_short(file: File, run: Run) -> TruncatedError:
    end = run.offset + run.nbytes
    known = describe(read_head(file.name)) if file.size < end else None
    what, advice = known or ("", f"{count_of(end - file.size, 'byte')} are missing: copy it again")
    return TruncatedError(
        f"this is {what}" if what else "the file ends before the tensor does",
        kind=ErrorKind.FOREIGN_DATA if what else None,
        file=file.name,
        offset=run.offset,
        tensor=run.name,
        expected=f"a file of at least {count_of(end, 'byte')}",
        got=count_of(file.size, "byte"),
        advice=advice,
    )
