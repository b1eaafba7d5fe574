"""Give the files of a new bundle their names, in place of an older bundle's.

Knows no tensor. A reader, at any moment, finds the old bundle or the new one: the index is renamed
last, and until then the old index names the old data files.

Data files are named for the number of shards. Where the new names are those of the old files, these
get other names first: links to them are named as if there was one more shard, an empty one, and an
index that says so replaces the old index.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.v2.index import Header
from tfckpt_reader.formats.v2.writer import encode_header, write_index
from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.storage.filesystem import is_file
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.writing.atomic import name_file, scratch_folder, sync_folder
from tfckpt_reader.storage.writing.unfinished import at_any_end
from tfckpt_reader.table.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASE = "new"
"""Base name of the new files until they have their own."""


@contextmanager
def atomic_bundle(prefix: str, *, replace: bool = True) -> Iterator[str]:
    """Yield the prefix of files to write, synced; on success they get their names, else nothing is.

    Args:
        prefix: The final one.
        replace: Replace files that have its names in the end.

    Raises:
        FileExistsError: there are such files, and not `replace`. They are unchanged.
        OSError: they cannot be written or renamed.
    """
    with scratch_folder(prefix) as folder:
        new = os.path.join(folder, _BASE)
        yield new
        if replace:
            replace_bundle(new, prefix)
        else:
            _name_bundle(new, prefix)


def replace_bundle(new: str, prefix: str) -> None:
    """Rename the files of the bundle `new` to those of `prefix`; remove those of an older one.

    Raises:
        OSError: they cannot be renamed.
    """
    folder, written = os.path.dirname(prefix) or ".", shard_counts(new)
    if is_file(f"{prefix}.index"):
        with suppress(CheckpointError):  # there is no old checkpoint to be kept whole
            _step_aside(prefix, f"{new}.old", set(written))
    for count, numbers in written.items():
        for number in numbers:
            os.replace(shard_path(new, number, count), shard_path(prefix, number, count))
    sync_folder(folder)
    os.replace(f"{new}.index", f"{prefix}.index")
    sync_folder(folder)
    for count, numbers in shard_counts(prefix).items():
        for number in numbers if count not in written else ():
            with suppress(OSError):
                os.unlink(shard_path(prefix, number, count))


def _name_bundle(new: str, prefix: str) -> None:
    """Rename the files of the bundle `new` to those of `prefix`, none of which may be there."""
    named: list[str] = []
    files = [
        (shard_path(new, number, count), shard_path(prefix, number, count))
        for count, numbers in shard_counts(new).items()
        for number in numbers
    ]
    with at_any_end(partial(_unlink_all, named)):
        for temporary, path in (*files, (f"{new}.index", f"{prefix}.index")):
            named.append(path)
            try:
                name_file(temporary, path)
            except FileExistsError:
                named.remove(path)
                raise
        named.clear()


def _unlink_all(paths: list[str]) -> None:
    while paths:
        with suppress(OSError):
            os.unlink(paths.pop())


def _step_aside(prefix: str, scratch: str, wanted: set[int]) -> None:
    """Give the data files of a bundle other names, under which its index finds them.

    Args:
        prefix: The bundle's.
        scratch: Path of a file to be made.
        wanted: Counts of shards in the names that are wanted for other files.

    Raises:
        CheckpointError: it is damaged.
    """
    rows = dict(Table(File(f"{prefix}.index")).rows())
    header = Header.decode(rows.pop(b"", b""))
    old, present = header.num_shards, shard_counts(prefix)
    if old not in wanted or old not in present:
        return
    count = old + 1
    while count in wanted or count in present:
        count += 1
    for number in present[old]:
        _link(shard_path(prefix, number, old), shard_path(prefix, number, count))
    for number in range(old, count):
        with open(shard_path(prefix, number, count), "xb"):
            pass
    row = encode_header(count, big_endian=header.endianness == 1)
    write_index(scratch, row, {key: bytes(value) for key, value in rows.items()})
    sync_folder(os.path.dirname(prefix) or ".")
    os.replace(scratch, f"{prefix}.index")
    sync_folder(os.path.dirname(prefix) or ".")


def _link(path: str, other: str) -> None:
    try:
        os.link(path, other)
    except OSError:  # this file system has no links
        with open(path, "rb") as source, open(other, "xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
