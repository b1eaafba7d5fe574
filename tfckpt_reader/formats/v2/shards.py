"""The data files of a V2 bundle, and whether a segment lies in one.

Reads no index and decodes no element. FORMAT 3.3, 3.6, 3.9; TensorFlow ``core/util/tensor_bundle``.

A data file ("shard") is the bytes of tensors, densely packed, in any order. It has no header: only
the entries in the index give the positions. Its name holds its number and the number of shards.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import mask
from tfckpt_reader.errors import (
    CHECKSUM_ADVICE,
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    CorruptCheckpointError,
    ErrorKind,
    add_location,
)
from tfckpt_reader.formats.v2.index import require_possible
from tfckpt_reader.formats.v2.lost import missing_file, renamed_beside, too_short
from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.spec import Segment


class Shards:
    """The data files of one prefix. Each is opened, and mapped, when first needed.

    Args:
        prefix: Path without ``.data-…``.
        num_shards: N of the file names.
        big_endian: Whether numbers in them are big-endian.
        mapped: Let reads be views of a map where possible.
        notes: Gets a line for each assumption.
    """

    def __init__(
        self, prefix: str, num_shards: int, *, big_endian: bool, mapped: bool, notes: list[str]
    ) -> None:
        self.prefix = prefix
        self.num_shards = num_shards
        self.big_endian = big_endian
        self.files: dict[int, ByteSource] = {}
        """Those opened so far, by number."""
        self._mapped = mapped
        self._notes = notes
        self._lock = threading.Lock()

    @cached_property
    def _present(self) -> dict[int, set[int]]:
        return shard_counts(self.prefix)  # a folder is listed once

    @cached_property
    def _renamed(self) -> dict[str, str]:
        return renamed_beside(self.prefix, self.num_shards)

    def file(self, shard: int) -> ByteSource:
        """Return a data file. However many there are, only a few are open at a time.

        Raises:
            CheckpointNotFoundError: it is missing.
        """
        with self._lock:
            if shard not in self.files:
                path = shard_path(self.prefix, shard, self.num_shards)
                try:
                    self.files[shard] = open_file(path, mapped=self._mapped)
                except CheckpointNotFoundError:
                    self.files[shard] = open_file(self._other_path(shard), mapped=self._mapped)
            return self.files[shard]

    def _other_path(self, shard: int) -> str:
        present = self._present
        # A merge with an empty input counts too many shards: the files are then named for fewer.
        fewer = [n for n, numbers in present.items() if n < self.num_shards and shard in numbers]
        if len(fewer) == 1 and len(present) == 1:
            counted = count_of(self.num_shards, "shard")
            note = f"the index counts {counted}, the data files are named for {fewer[0]}"
            if note not in self._notes:
                self._notes.append(note)
            return shard_path(self.prefix, shard, fewer[0])
        if shard >= self.num_shards and self.num_shards in present:
            raise CorruptCheckpointError(
                "there is no such shard",
                kind=ErrorKind.ENTRY,
                file=self.prefix + ".index",
                structure="index entry",
                expected=f"a shard below {self.num_shards}",
                got=shard,
            )
        path = shard_path(self.prefix, shard, self.num_shards)
        problem = f"shard {shard} of {self.num_shards} is missing"
        raise missing_file(path, problem, self._renamed)

    def file_of(self, segment: Segment) -> ByteSource:
        """Return the file that holds a segment, all of it.

        Raises:
            CorruptCheckpointError: the entry's position or size cannot be right.
            TruncatedError: the file ends before the segment does.
        """
        try:
            require_possible(segment)
        except CheckpointError as error:
            add_location(error, self.prefix + ".index", tensor=segment.name)
            raise
        try:
            file = self.files.get(segment.shard) or self.file(segment.shard)
        except CheckpointError as error:
            error.tensor = error.tensor or segment.name
            raise
        if segment.end > file.size and (segment.nbytes or segment.dtype is DataType.STRING):
            raise too_short(file, segment)
        return file

    def require_crc(self, segment: Segment, crc: int) -> None:
        """Compare the crc of a segment's bytes with the one in its entry.

        Raises:
            ChecksumError: they differ.
        """
        if crc != segment.crc32c:
            raise ChecksumError(
                "masked crc does not match",
                file=self.file_of(segment).name,
                offset=segment.offset,
                tensor=segment.name,
                expected=f"{mask(segment.crc32c):#010x}",
                got=f"{mask(crc):#010x}",
                advice=CHECKSUM_ADVICE,
            )
