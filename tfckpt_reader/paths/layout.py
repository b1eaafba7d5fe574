"""Names of the files of a checkpoint, and the files that belong to a prefix.

Independent of tensors; opens no file. FORMAT 1.1; TensorFlow
``core/util/tensor_bundle/naming.cc``, ``python/training/checkpoint_management.py``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tfckpt_reader.storage.filesystem import list_names, modified_time

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
