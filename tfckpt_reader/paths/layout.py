"""The files of a checkpoint: their names, and the checkpoint that has a given prefix.

Independent of tensors; reads at most the last bytes of a file. V1 files have no ending of their
own, so their contents, or a graph beside them, identify them. FORMAT 1.1, 1.3; TensorFlow
``core/util/tensor_bundle/naming.cc``, ``python/training/checkpoint_management.py``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.storage.filesystem import (
    exists,
    is_file,
    is_folder,
    list_names,
    modified_time,
    peek,
)
from tfckpt_reader.table.format import FOOTER_SIZE, MAGIC
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

V1_SHARD = re.compile(r"(?s)(.*)-(\d{5,19}|\?{5})-of-(\d{5,19}|\?{5})")
"""Base, number and count in the name of a V1 shard, or in TensorFlow's pattern for a set of them.
Names from a state file can have any length, and Python refuses to convert very long numbers."""
DATA_FILE = re.compile(r"(?s)(.*)\.data-\d{5,}-of-\d{5,}")
"""Prefix in the name of a V2 data file."""
OWN_FILE = re.compile(r"(?s)(.*)\.(index|meta|data-\d{5,}-of-\d{5,})")
"""Prefix and ending in the name of a file of a V2 checkpoint, or of a graph."""
UNFINISHED = re.compile(r"(?s).*\.tempstate\d+")
"""Name of a file that TensorFlow was still writing."""
_MOST_SHOWN = 10
_MOST_MISSING = 1 << 20
"""List at most this many missing shards: a name can claim any count."""


@dataclass(frozen=True, slots=True)
class Location:
    """A checkpoint on disk."""

    version: str
    """"V1" or "V2"."""
    prefix: str
    """V2: path of the index without ``.index``. V1: path of the file, or the pattern of its set."""
    files: tuple[str, ...] = ()
    """V1: its files."""
    notes: tuple[str, ...] = ()
    """Assumptions made on the way from the given path, a line each."""
    missing: tuple[int, ...] = ()
    """V1: numbers of the missing shards."""

    def noted(self, *notes: str) -> Location:
        """Return the same location with more notes before its own."""
        return replace(self, notes=(*notes, *self.notes))

    @property
    def modified(self) -> float:
        """Time of the last change of its index, or its first file, in seconds since the epoch."""
        return modified_time(self.files[0] if self.files else self.prefix + ".index")

    @property
    def base(self) -> str:
        """Start of the names of all its files: of a V1 set, the prefix without its ending."""
        return base_of(self.prefix) if self.version == "V1" else self.prefix


def base_of(prefix: str) -> str:
    """Return a prefix without the ending of a V1 shard, or of the pattern for a set."""
    shard = V1_SHARD.fullmatch(prefix)
    return shard[1] if shard else prefix


def parse_v1_shard(name: str) -> tuple[str, int, int] | None:
    """Return base, number and count in the name of a V1 shard; None for any other name."""
    match = V1_SHARD.fullmatch(name)
    if match is None or not (match[2].isdigit() and match[3].isdigit()):
        return None
    return match[1], int(match[2]), int(match[3])


def v1_pattern(base: str, count: int) -> str:
    """Return TensorFlow's name for a set of V1 shards."""
    return f"{base}-?????-of-{count:05d}"


def missing_text(missing: tuple[int, ...], count: int) -> str:
    """Return the message about missing V1 shards."""
    if len(missing) == 1:
        return f"shard {missing[0]} of {count} is missing, with all tensors in it"
    shown = ", ".join(map(str, missing[:_MOST_SHOWN]))
    more = " …" if len(missing) > _MOST_SHOWN else ""
    return f"shards {shown}{more} of {count} are missing, with all tensors in them"


def shard_path(prefix: str, shard: int, num_shards: int) -> str:
    """Return the path of a V2 data file."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def shard_counts(prefix: str) -> dict[int, set[int]]:
    """Return the V2 data files beside an index: N -> numbers of those named ``-of-N``."""
    folder, base = os.path.split(prefix)
    pattern = re.compile(re.escape(base) + r"\.data-(\d{5,})-of-(\d{5,})")
    counts: dict[int, set[int]] = {}
    for match in filter(None, map(pattern.fullmatch, list_names(folder))):
        counts.setdefault(int(match[2]), set()).add(int(match[1]))
    return counts


def guessed_shard_count(prefix: str) -> int:
    """Return the largest shard count in the names of data files, for an index without a header."""
    return max(shard_counts(prefix), default=1)


def tensor_files(location: Location) -> Iterator[str]:
    """Yield the paths of the files with the tensors; the index of a V2 checkpoint comes first."""
    if location.version == "V1":
        yield from location.files
        return
    yield location.prefix + ".index"
    for count, numbers in sorted(shard_counts(location.prefix).items()):
        yield from (shard_path(location.prefix, number, count) for number in sorted(numbers))


def is_table(path: str) -> bool:
    """Return whether a file ends as a table does."""
    end = peek(path, FOOTER_SIZE, at_end=True)
    return len(end) == FOOTER_SIZE and end.endswith(MAGIC)


def checkpoint_at(path: str) -> Location | None:
    """Return the checkpoint with this prefix; V2 wins, as in TensorFlow.

    Raises:
        CheckpointNotFoundError: several sets of V1 shards match.
    """
    return v2_checkpoint(path) or v1_checkpoint(path)


def v2_checkpoint(prefix: str) -> Location | None:
    """Return the V2 checkpoint with this prefix, if its index exists."""
    if not is_file(prefix + ".index"):
        return None
    if not exists(prefix) or prefix.endswith("/"):
        return Location("V2", prefix)
    other = "folder" if is_folder(prefix) else "file"
    return Location("V2", prefix, notes=(f"{prefix}.index was read, not the {other} {prefix}",))


def v1_checkpoint(path: str) -> Location | None:
    """Return the V1 checkpoint with this path: a shard's set, a single file, or a set's base.

    Raises:
        CheckpointNotFoundError: several sets of shards match.
    """
    if V1_SHARD.fullmatch(path):
        return v1_shards(path) or v1_file(path)
    return v1_file(path) or v1_shards(path)


def v1_file(path: str) -> Location | None:
    """Return the V1 checkpoint in a single file: a table, or a damaged file beside its graph."""
    is_one = is_table(path) or (is_file(path) and is_file(f"{path}.meta"))
    return Location("V1", path, (path,)) if is_one else None


def v1_shards(path: str) -> Location | None:
    """Return the sharded V1 checkpoint of a shard's path, TensorFlow's pattern or the base.

    Raises:
        CheckpointNotFoundError: several sets of shards match.
    """
    match = V1_SHARD.fullmatch(path)
    base, count = (match[1], match[3]) if match else (path, "?????")
    sets = {n: s for n, s in _v1_sets(base).items() if count.startswith("?") or n == int(count)}
    if len(sets) > 1:
        names = ", ".join(v1_pattern(base, n) for n in sorted(sets))
        raise CheckpointNotFoundError(
            "several sets of shards have this name", file=path, advice=f"Name one: {names}"
        )
    for n, shards in sets.items():
        files = tuple(shards[i] for i in sorted(shards))
        missing = tuple(i for i in range(min(n, _MOST_MISSING)) if i not in shards)
        pattern = v1_pattern(base, n)
        notes = () if path == pattern else (f"{count_of(len(files), 'shard')} {pattern} were read",)
        lost = (missing_text(missing, n),) if missing else ()
        return Location("V1", pattern, files, (*notes, *lost), missing)
    return None


def _v1_sets(base: str) -> dict[int, dict[int, str]]:
    """Return the sets of V1 shards with a base: count -> shard number -> path.

    A set needs one file that is a table, or its graph; the other files may be damaged.
    """
    folder, stem = os.path.split(base)
    sets: dict[int, dict[int, str]] = {}
    for name in list_names(folder):
        shard = parse_v1_shard(name)
        if shard and shard[0] == stem:
            sets.setdefault(shard[2], {})[shard[1]] = os.path.join(folder, name)
    has_graph = is_file(f"{base}.meta")
    return {n: s for n, s in sets.items() if has_graph or any(map(is_table, s.values()))}


def checkpoints_in(folder: str) -> list[Location]:
    """Return all checkpoints directly in a folder, in the order of names."""
    by_prefix: dict[str, Location] = {}
    for name in list_names(folder):
        path = os.path.join(folder, name)
        if UNFINISHED.fullmatch(name):
            continue
        if name.endswith(".index") and is_file(path):
            prefix = path.removesuffix(".index")
            by_prefix[prefix] = Location("V2", prefix)
        elif is_table(path):
            shard = parse_v1_shard(path)
            pattern = v1_pattern(shard[0], shard[2]) if shard else path
            location = None if pattern in by_prefix else v1_checkpoint(pattern) or v1_file(path)
            if location is not None:
                by_prefix[location.prefix] = location
    return list(by_prefix.values())
