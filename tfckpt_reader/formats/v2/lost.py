"""Data files of a bundle that are missing or too short, and files that seem to be those, renamed.

Only for errors: decodes no element. A file of another name is recognised by its size and by the
checksums of the largest tensors in it.
"""

from __future__ import annotations

import os
from heapq import nlargest
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import crc32c
from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, ErrorKind, TruncatedError
from tfckpt_reader.formats.v2.index import decode_entry
from tfckpt_reader.paths.layout import shard_path
from tfckpt_reader.paths.listing import DATA_FILE
from tfckpt_reader.storage.filesystem import exists, folder_of, is_file, join, list_names, size_of
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.sniff import describe, read_head
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.tensor.strings import string_lengths
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Self

    from tfckpt_reader.storage.source import ByteSource
    from tfckpt_reader.tensor.spec import Segment

_MOST_FILES = 100
_LARGEST_SAMPLE, _SAMPLES = 16 << 20, 8
"""Bytes of a tensor, and number of tensors, that identify a data file of another name."""


class Contents:
    """The contents of a data file according to the index.

    Attributes:
        end: End of the last tensor.
        largest: Its largest tensors, apart from very large ones.
    """

    def __init__(self) -> None:
        self.end = 0
        self.largest: list[Segment] = []

    def add(self, segments: Iterable[Segment]) -> Self:
        """Add segments; return the contents."""
        for segment in segments:
            self.end = max(self.end, segment.end)
            if 0 < segment.nbytes <= _LARGEST_SAMPLE and segment.dtype is not DataType.VARIANT:
                self.largest.append(segment)
            if len(self.largest) > 2 * _SAMPLES:
                self.largest = self._samples()
        return self

    def _samples(self) -> list[Segment]:
        return nlargest(_SAMPLES, self.largest, key=attrgetter("nbytes"))

    def are_in(self, path: str) -> bool:
        """Return whether a file has the tensors, by the checksums of the largest ones."""
        try:
            file = open_file(path)
            sums = (_crc(file, segment) == segment.crc32c for segment in self._samples())
            return bool(self.largest) and all(sums)
        except CheckpointError:
            return False


def _crc(file: ByteSource, segment: Segment) -> int:
    data = file.read(segment.offset, segment.nbytes)
    if segment.dtype is not DataType.STRING:
        return crc32c(data)
    front = string_lengths(data, segment.elements)
    return crc32c(data[front.begin : front.end], front.crc)


def renamed_files(lost: Mapping[str, Iterable[Segment]]) -> dict[str, str]:
    """Return missing data file -> the file beside it that it seems to be.

    Args:
        lost: Path of a missing data file -> its contents according to the index.
    """
    contents: dict[str, Contents] = {}
    for path, segments in islice(lost.items(), _MOST_FILES):
        contents.setdefault(path, Contents()).add(segments)
    return dict(_renamed(contents))


def renamed_beside(prefix: str, num_shards: int) -> dict[str, str]:
    """Return `renamed_files` of a bundle; none where its index cannot be read."""
    contents: dict[int, Contents] = {}
    try:
        for key, value in Table(open_file(f"{prefix}.index")).rows():
            if not key:
                continue
            segment, slices = decode_entry(name_of(key), value)
            if not slices and 0 <= segment.shard < num_shards:
                contents.setdefault(segment.shard, Contents()).add((segment,))
    except CheckpointError:
        return {}
    paths = {shard_path(prefix, shard, num_shards): each for shard, each in contents.items()}
    lost = ((path, each) for path, each in paths.items() if not exists(path))
    return dict(_renamed(dict(islice(lost, _MOST_FILES))))


def _renamed(lost: Mapping[str, Contents]) -> Iterator[tuple[str, str]]:
    by_size: dict[int, list[str]] = {}
    folder = folder_of(next(iter(lost), ""))
    names = set(list_names(folder)) if lost else set()
    own = DATA_FILE.fullmatch(os.path.basename(next(iter(lost), "")))
    data_files = filter(None, map(DATA_FILE.fullmatch, names))
    owned = {
        match[0]
        for match in data_files
        if f"{match[1]}.index" in names  # and under the number of files that it counts
        and not (own and match[1] == own[1] and int(match[3]) != int(own[3]))
    }
    for name in sorted(names - owned):
        path = join(folder, name)
        by_size.setdefault(size_of(path), []).append(path)
    for path, contents in lost.items():
        alike = by_size.get(contents.end, [])[:_SAMPLES]
        fits = (other for other in alike if is_file(other) and contents.are_in(other))
        yield from ((path, other) for other in islice(fits, 1))


def missing_file(path: str, problem: str, renamed: Mapping[str, str]) -> CheckpointNotFoundError:
    """Return the error about a missing data file."""
    advice = "It belongs beside the index: copy or download it too"
    if path in renamed:
        advice = f"{renamed[path]} has its size and checksums: give index and data one name"
    return CheckpointNotFoundError(problem, kind=ErrorKind.INCOMPLETE, file=path, advice=advice)


def too_short(file: ByteSource, segment: Segment) -> TruncatedError:
    """Return the error about a data file that ends before a segment does."""
    end = segment.end
    problem, kind = "the file ends before the tensor does", None
    advice = f"{count_of(end - file.size, 'byte')} are missing: copy it again"
    known = describe(read_head(file.name))
    if known is not None:
        problem, advice, kind = f"this is {known[0]}", known[1], ErrorKind.FOREIGN_DATA
    return TruncatedError(
        problem,
        kind=kind,
        file=file.name,
        offset=segment.offset,
        tensor=segment.name,
        expected=f"a file of at least {count_of(end, 'byte')}",
        got=count_of(file.size, "byte"),
        advice=advice,
    )
