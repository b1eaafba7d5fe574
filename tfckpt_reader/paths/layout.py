"""What checkpoints lie in a folder.

Knows no tensor and opens nothing but the last bytes of a file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.table.format import FOOTER_SIZE, MAGIC
from tfckpt_reader.text import count_of

V1_SHARD = re.compile(r"(?s)(.*)-(\d{5,19}|\?{5})-of-(\d{5,19}|\?{5})")
"""Base, number and count in the name of a V1 shard, or in TensorFlow's pattern for them. A state
file could name one of more digits than Python makes a number of."""
DATA_FILE = re.compile(r"(?s)(.*)\.data-\d{5,}-of-\d{5,}")
"""Prefix in the name of a V2 data file."""
UNFINISHED = re.compile(r"(?s).*\.tempstate\d+")
_MOST_SHOWN = 10
_MOST_SHARDS = 1 << 20


@dataclass(frozen=True, slots=True)
class Location:
    """A checkpoint on disk."""

    version: str
    """"V1" or "V2"."""
    prefix: str
    """V2: path of the index without ``.index``. V1: path of the file, or of its shards' base."""
    files: tuple[str, ...] = ()
    """V1: its files."""
    notes: tuple[str, ...] = ()
    """What was assumed on the way, a line each."""
    missing: tuple[int, ...] = ()
    """V1: numbers of the shards that are not there."""

    def noted(self, *notes: str) -> Location:
        """Return the same with more notes before its own."""
        return replace(self, notes=(*notes, *self.notes))

    @property
    def modified(self) -> float:
        """When its index, or its first file, was written, in seconds since the epoch."""
        return os.path.getmtime(self.files[0] if self.files else self.prefix + ".index")


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, sorted; none where it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return []


def size_of(path: str) -> int:
    """Return the bytes of a file; 0 where there is none."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def is_table(path: str) -> bool:
    """Tell by its last bytes whether a file is a table, as V1 files are."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(MAGIC)))
            return size >= FOOTER_SIZE and file.read() == MAGIC
    except OSError:
        return False


def v2_at(prefix: str) -> Location | None:
    """Return the V2 checkpoint of a prefix, if its index is there."""
    if not os.path.isfile(prefix + ".index"):
        return None
    if not os.path.exists(prefix) or prefix.endswith("/"):
        return Location("V2", prefix)
    what = "folder" if os.path.isdir(prefix) else "file"
    note = f"{prefix}.index was read, not the {what} {prefix} beside it"
    return Location("V2", prefix, notes=(note,))


def v1_at(path: str) -> Location | None:
    """Return the V1 checkpoint that is a single file, if it is one, or was: its graph tells."""
    is_one = is_table(path) or (os.path.isfile(path) and os.path.isfile(f"{path}.meta"))
    return Location("V1", path, (path,)) if is_one else None


def v1_of(path: str) -> Location | None:
    """Return the V1 checkpoint of a path: a shard's set, or that file, or the set named after it.

    Raises:
        CheckpointNotFoundError: several sets of shards fit.
    """
    if V1_SHARD.fullmatch(path):
        return v1_set_at(path) or v1_at(path)
    return v1_at(path) or v1_set_at(path)


def v1_set_at(path: str) -> Location | None:
    """Take a shard's name, TensorFlow's pattern or the base name for a sharded V1 checkpoint.

    Raises:
        CheckpointNotFoundError: several sets of shards fit.
    """
    match = V1_SHARD.fullmatch(path)
    base, count = (match[1], match[3]) if match else (path, "?????")
    sets = {n: s for n, s in _v1_sets(base).items() if count.startswith("?") or n == int(count)}
    if len(sets) > 1:
        names = ", ".join(f"{base}-?????-of-{n:05d}" for n in sorted(sets))
        raise CheckpointNotFoundError(
            "there are several sets of shards", file=path, advice=f"Name one: {names}"
        )
    for n, shards in sets.items():
        files = tuple(shards[i] for i in sorted(shards))
        missing = tuple(i for i in range(min(n, _MOST_SHARDS)) if i not in shards)
        pattern = f"{base}-?????-of-{n:05d}"
        notes = () if path == pattern else (f"{count_of(len(files), 'shard')} {pattern} were read",)
        lost = (missing_text(missing, n),) if missing else ()
        return Location("V1", pattern, files, (*notes, *lost), missing)
    return None


def missing_text(missing: tuple[int, ...], count: int) -> str:
    """Say which V1 shards are missing."""
    if len(missing) == 1:
        return f"shard {missing[0]} of {count} is missing, with all that was in it"
    shown = ", ".join(map(str, missing[:_MOST_SHOWN])) + (
        " …" if len(missing) > _MOST_SHOWN else ""
    )
    return f"shards {shown} of {count} are missing, with all that was in them"


def _v1_sets(base: str) -> dict[int, dict[int, str]]:
    """Return the V1 shards named after `base`: N -> shard number -> path.

    A set counts if one of its files is a table, or its graph is there; the others may be damaged.
    """
    folder, stem = os.path.split(base)
    found: dict[int, dict[int, str]] = {}
    for name in names_in(folder or "."):
        match = V1_SHARD.fullmatch(name)
        if match and match[1] == stem and match[2].isdigit() and match[3].isdigit():
            path = os.path.join(folder, name)
            found.setdefault(int(match[3]), {})[int(match[2])] = path
    has_graph = os.path.isfile(f"{base}.meta")
    return {n: s for n, s in found.items() if has_graph or any(map(is_table, s.values()))}


def checkpoints_in(folder: str) -> list[Location]:
    """Return all checkpoints in a folder, by their names' order."""
    found: dict[str, Location] = {}
    for name in names_in(folder):
        path = os.path.join(folder, name)
        if UNFINISHED.fullmatch(name):
            continue  # a save that never ended
        if name.endswith(".index") and os.path.isfile(path):
            prefix = path.removesuffix(".index")
            found[prefix] = Location("V2", prefix)
        elif is_table(path):
            match = V1_SHARD.fullmatch(path)
            pattern = f"{match[1]}-?????-of-{match[3]}" if match else path
            location = None if pattern in found else v1_of(pattern) or v1_at(path)
            if location is not None:
                found[location.prefix] = location
    return list(found.values())


def shard_path(prefix: str, shard: int, num_shards: int) -> str:
    """Return the name of a data file."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def shard_counts(prefix: str) -> dict[int, set[int]]:
    """Return the data files that lie beside an index: N -> numbers of those named ``-of-N``."""
    folder, base = os.path.split(prefix)
    pattern = re.compile(re.escape(base) + r"\.data-(\d{5,})-of-(\d{5,})")
    found: dict[int, set[int]] = {}
    for match in filter(None, map(pattern.fullmatch, names_in(folder or "."))):
        found.setdefault(int(match[2]), set()).add(int(match[1]))
    return found


def guessed_shard_count(prefix: str) -> int:
    """Return the shard count that the data files tell, for an index without a sound header."""
    return max(shard_counts(prefix), default=1)
