"""The Zarr folder, version 3 of the format: a group for each ``/`` of a name, an array per tensor.

Knows specs and bytes, no checkpoint. The specification of the zarr-developers defines it: metadata
in files ``zarr.json``, chunks in files ``c.0.1`` beside the array's. The root lists all others
(consolidated metadata) and is written last. Chunks are filled up with zeros, or empty strings.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from tfckpt_reader.export.formats.chunks import chunked, grid
from tfckpt_reader.export.formats.grouped import GroupedFormat
from tfckpt_reader.export.formats.zarr_metadata import (
    BYTES,
    CHUNK,
    GROUP,
    LEVEL,
    METADATA,
    TEXT,
    array_document,
    chunk_of,
    encoded,
    groups_of,
    listed_nodes,
    root_document,
)
from tfckpt_reader.export.transfer import array_bytes, require_size
from tfckpt_reader.storage.filesystem import is_folder, join
from tfckpt_reader.storage.writing.targets import file_names, has_name, new_tree
from tfckpt_reader.storage.writing.tree import SYNCED_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from tfckpt_reader.export.formats.base import Settings
    from tfckpt_reader.export.formats.grouped import GroupArray
    from tfckpt_reader.export.transfer import Job
    from tfckpt_reader.storage.writing.tree import Put

    _Chunk = tuple[tuple[int, ...], Callable[[], bytes | bytearray]]
    """Position in the grid, and a function that makes the bytes."""

_LONGEST_PART = 255
"""Bytes: file systems hold no longer name."""
_RAW = -15
"""A window of 32 KiB, without zlib's header."""
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_SIZE = struct.Struct("<L")
_OWN_FILE = re.compile(rf"{re.escape(METADATA)}|c(\.\d+)*")


class _Object(NamedTuple):
    """A file of the folder."""

    name: str
    data: Callable[[], bytes | bytearray]
    """Makes its bytes. Called on any thread."""


@dataclass(frozen=True)
class Zarr(GroupedFormat):
    """A Zarr folder."""

    suffix: ClassVar = ".zarr"
    is_folder: ClassVar = True
    settings: ClassVar = frozenset({"compress", "flat", "chunk_size"})

    def configured(self, settings: Settings) -> Zarr:
        """Return the format with its settings.

        Raises:
            ValueError: no chunk can have that size.
        """
        return Zarr(settings.flat, settings.chunk_size)

    def collision_key(self, name: str) -> str:
        """Return the name in lower case: some file systems ignore case."""
        return name.lower()

    def part_refusal(self, part: str) -> str | None:
        """Return the reason against the name of a group or an array, or None."""
        reasons = {
            "a part of its name is empty, or periods alone": not part.strip("."),
            "the format reserves names that begin with __": part.startswith("__"),
            f"the format reserves the name {METADATA}": part.lower() == METADATA,
            "its name contains a NUL or a backslash": "\0" in part or "\\" in part,
            f"a part of its name is longer than {_LONGEST_PART} bytes": len(part.encode())
            > _LONGEST_PART,
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def string_type(self, strings: NDArray[Any]) -> str:
        """Return the type that holds the strings unchanged."""
        try:
            for string in strings.flat:
                string.decode()
        except UnicodeDecodeError:
            return BYTES
        return TEXT

    def files_to_replace(self, path: str) -> set[str]:
        """Return what is in a folder, if a conversion wrote all of it.

        Raises:
            FileExistsError: another file is in it, or it is no folder.
            OSError: it cannot be listed.
        """
        if not has_name(path):
            return set()
        if os.path.islink(path) or not is_folder(path):
            raise FileExistsError(f"{path} is not a folder; choose another path")
        names, nodes = file_names(path), listed_nodes(join(path, METADATA))
        for name in names:
            node, _, file = name.rpartition("/")
            if node not in nodes or not _OWN_FILE.fullmatch(file):
                raise FileExistsError(
                    f"{path} holds {name!r}, which no conversion wrote, and is not replaced; "
                    "choose another folder"
                )
        return set(names)

    def opened(self, path: str, *, replace: bool) -> AbstractContextManager[Put]:
        """Yield a function that puts files into a new folder; rename it to `path` on success."""
        return new_tree(path, self.files_to_replace(path) if replace else (), replace=replace)

    def write(self, output: Put, job: Job) -> None:
        """Write the folder."""
        # Slow to import: it has threads.
        from tfckpt_reader.export.formats.deflate import in_order

        most = self.chunk_size or CHUNK

        def put(each: _Object) -> None:
            output(each.name, each.data())

        with closing(in_order(put, _objects(job, most), SYNCED_AT_ONCE)) as written:
            for _ in written:
                pass
        output(METADATA, root_document(job, most))


def _objects(job: Job, most: int) -> Iterator[_Object]:
    """Yield all files but the metadata of the root; a chunk has at most so many bytes."""
    groups = {""}
    for array in cast("Sequence[GroupArray]", job.arrays):
        for group in groups_of(array.name):
            if group not in groups:
                groups.add(group)
                yield _Object(f"{group}/{METADATA}", lambda: encoded(GROUP))
        chunk = chunk_of(array, most)
        document = array_document(array, chunk, compress=job.compress)
        yield _Object(f"{array.name}/{METADATA}", partial(encoded, document))
        chunks = _string_chunks if array.holds_strings else _number_chunks
        for place, data in chunks(array, job, chunk):
            name = ".".join((f"{array.name}/c", *map(str, place)))
            yield _Object(name, partial(_deflated, data) if job.compress else data)


def _number_chunks(array: GroupArray, job: Job, chunk: tuple[int, ...]) -> Iterator[_Chunk]:
    size, filled = 0, prod(chunk) * array.itemsize
    for place, data in chunked(array_bytes(job, array), array.shape, chunk, array.itemsize):
        size += len(data)
        yield place, partial(_filled, data, filled)
    require_size(array, size)


def _filled(data: bytearray, size: int) -> bytearray:
    return data if len(data) == size else data.ljust(size, b"\0")


def _string_chunks(array: GroupArray, job: Job, chunk: tuple[int, ...]) -> Iterator[_Chunk]:
    strings = array.strings(job)
    for place in grid(array.shape, chunk):
        box: Any = [slice(i * c, (i + 1) * c) for i, c in zip(place, chunk, strict=True)]
        yield place, partial(_joined, list(strings[(*box, ...)].flat), prod(chunk))


def _joined(strings: list[bytes], count: int) -> bytes:
    """Return strings as the codecs vlen-utf8 and vlen-bytes do, with their sizes before them."""
    strings += [b""] * (count - len(strings))
    parts = (piece for string in strings for piece in (_SIZE.pack(len(string)), string))
    return b"".join((_SIZE.pack(count), *parts))


def _deflated(data: Callable[[], bytes | bytearray]) -> bytes:
    """Return bytes in the format of gzip, without a time or a system."""
    whole = data()
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW)
    body = compressor.compress(whole) + compressor.flush()
    return _GZIP_HEADER + body + struct.pack("<2L", zlib.crc32(whole), len(whole))
