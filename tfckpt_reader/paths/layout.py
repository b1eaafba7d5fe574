"""The files of a checkpoint: their names, and the checkpoint that has a given prefix.

Independent of tensors; reads little of a file, unless its name is that of a copy. V1 files
have no ending of their own, so their contents, or a graph beside them, identify them. FORMAT 1.1,
1.3; TensorFlow ``core/util/tensor_bundle/naming.cc``, ``python/training/checkpoint_management.py``.
"""

from __future__ import annotations

import filecmp
import os
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, enough_memory
from tfckpt_reader.paths.listing import V1_SHARD, listing, parse_v1_shard
from tfckpt_reader.paths.saver import writes_v1
from tfckpt_reader.storage.filesystem import (
    absolute_path,
    exists,
    is_file,
    is_folder,
    join,
    modified_time,
    path_of,
    peek,
    portable_path,
    split,
)
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.table.format import FOOTER_SIZE, MAGIC
from tfckpt_reader.table.table import Table
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

OWN_FILE = re.compile(r"(?s)(.*)\.(index|meta|data-\d{5,}-of-\d{5,})")
"""Prefix and ending in the name of a file of a V2 checkpoint, or of a graph."""
UNFINISHED = re.compile(r"(?s).*\.tempstate\d+")
"""Name of a file that TensorFlow was still writing."""
UNMERGED_FOLDER = re.compile(r"(?s)(.*)_temp(_[0-9a-f]{32})?")
"""Name of the folder with the parts of a sharded save, and the base name of the checkpoint."""
UNMERGED_PART = re.compile(r"part-(\d{5,19})-of-(\d{5,19})")
"""Base name of a part, its number, and the number of parts. A finished save has merged them."""
_COPY = re.compile(
    r"(?s)Copy of (.+)|(.+?)(?: - Copy| copy|-(?:DESKTOP|LAPTOP)-\w+)?(?: ?\(\d+\)| \d+)?"
)
"""Base name of a copy made by a file manager or a browser, and that of its original."""
_V2_HEADER_STARTS = (b"", b"\x08", b"\x10", b"\x1a")
"""First byte of a BundleHeader: its fields are 1 to 3; a SavedTensorSlices begins with none."""
LACKS = "; missing: "
_MOST_SHOWN = 10


class Location(NamedTuple):
    """A checkpoint on disk."""

    version: str
    """"V1" or "V2"."""
    prefix: str
    """V2: path of the index without ``.index``. V1: path of the file, or the pattern of its set."""
    files: tuple[str, ...] = ()
    """V1: its files."""
    notes: tuple[str, ...] = ()
    """Assumptions made on the way from the given path, a line each."""
    missing: str = ""
    """V1: the message about missing shards."""

    def noted(self, *notes: str) -> Location:
        """Return the same location with more notes before its own."""
        return self._replace(notes=(*notes, *self.notes))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle absolute paths, for a process in another folder."""
        prefix, *files = map(portable_path, (self.prefix, *self.files))
        return _unpickled, (self.version, prefix, files, self.notes, self.missing)

    @property
    def first_file(self) -> str:
        """V2: the index. V1: the first of its files."""
        return self.files[0] if self.files else self.prefix + ".index"

    @property
    def modified(self) -> float:
        """Time of the last change of its first file, in seconds since the epoch."""
        return modified_time(self.first_file)

    @property
    def base(self) -> str:
        """Start of the names of all its files: of a V1 set, the prefix without its ending."""
        return base_of(self.prefix) if self.version == "V1" else self.prefix


def _unpickled(
    version: str,
    prefix: tuple[str, object],
    files: Iterable[tuple[str, object]],
    *others: Any,
) -> Location:
    return Location(version, path_of(*prefix), tuple(path_of(*file) for file in files), *others)


def base_of(prefix: str) -> str:
    """Return a prefix without the ending of a V1 shard, or of the pattern for a set."""
    shard = V1_SHARD.fullmatch(prefix)
    return shard[1] if shard else prefix


def v1_pattern(base: str, count: int) -> str:
    """Return TensorFlow's name for a set of V1 shards."""
    return f"{base}-?????-of-{count:05d}"


def _missing_text(shards: Collection[int], count: int) -> str:
    """Return the message about missing V1 shards; "" if all exist. A name can claim any count."""
    missing = count - sum(number < count for number in shards)
    absent = (number for number in range(count) if number not in shards)
    if missing == 1:
        return f"shard {next(absent)} of {count} is missing, with all tensors in it"
    shown = ", ".join(map(str, islice(absent, _MOST_SHOWN)))
    more = " …" if missing > _MOST_SHOWN else ""
    text = f"shards {shown}{more} of {count} are missing, with all tensors in them"
    return text if missing else ""


def shard_path(prefix: str, shard: int, num_shards: int) -> str:
    """Return the path of a V2 data file."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def shard_counts(prefix: str) -> dict[int, set[int]]:
    """Return the V2 data files beside an index: N -> numbers of those named ``-of-N``."""
    folder, base = split(prefix)
    return listing(folder).data_files.get(base, {})


def guessed_shard_count(prefix: str) -> int:
    """Return the largest shard count in the names of data files, for an index without a header."""
    return max(shard_counts(prefix), default=1)


def tensor_files(location: Location, shard_count: int | None = None) -> Iterator[str]:
    """Yield the paths of the files with the tensors; the index of a V2 checkpoint comes first.

    Args:
        location: The checkpoint.
        shard_count: Number of data files by the header, if it is known: with 1, the folder of a V2
            checkpoint is not listed, and the file may be missing.
    """
    if location.version != "V2":
        yield from location.files
        return
    yield location.first_file
    counts = {1: {0}} if shard_count == 1 else shard_counts(location.prefix)
    for count, numbers in sorted(counts.items()):
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
    location = _v2_location(prefix)
    if not exists(prefix) or prefix.endswith("/"):
        return location
    other = "folder" if is_folder(prefix) else "file"
    return location.noted(f"{prefix}.index was read, not the {other} {prefix}")


def _v2_location(prefix: str) -> Location:
    note = unmerged_note(prefix)
    return Location("V2", prefix, notes=(f"{prefix} {note}",) if note else ())


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
    is_one = is_table(path) or (is_file(path) and writes_v1(f"{path}.meta"))
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
        missing = _missing_text(shards, n)
        pattern = v1_pattern(base, n)
        were = "was" if len(files) == 1 else "were"
        note = f"{count_of(len(files), 'shard')} {pattern} {were} read"
        notes = () if path == pattern else (note,)
        return Location("V1", pattern, files, (*notes, *filter(None, [missing])), missing)
    return None


def _v1_sets(base: str) -> dict[int, dict[int, str]]:
    """Return the sets of V1 shards with a base: count -> shard number -> path.

    A set needs one file that is a table, or its graph; the other files may be damaged.
    """
    folder, stem = split(base)
    sets = {
        n: {number: join(folder, name) for number, name in shards.items()}
        for n, shards in listing(folder).v1_shards.get(stem, {}).items()
    }
    has_graph = bool(sets) and writes_v1(f"{base}.meta")
    return {n: s for n, s in sets.items() if has_graph or any(map(is_table, s.values()))}


def is_index(prefix: str) -> bool:
    """Return whether ``.index`` of a prefix is one of a checkpoint: other programs write some, too.

    It ends as a table does, has a usual name, or lies beside another file of a checkpoint.
    """
    folder, base = split(prefix)
    files = listing(folder)
    has_company = base in files.data_files or is_file(f"{prefix}.meta")
    inner = os.path.basename(absolute_path(folder))
    has_usual_name = "ckpt" in base or base.lower() == inner.lower() == "variables"
    looks_right = has_company or has_usual_name or is_table(f"{prefix}.index")
    return looks_right and not is_copied(prefix)


def unmerged_note(prefix: str) -> str:
    """Return a note about a part of a save that was never merged; "" for another checkpoint.

    It ends with the missing parts, if any.
    """
    folder, base = split(prefix)
    part = UNMERGED_PART.fullmatch(base)
    if part is None:
        return ""
    is_inside = UNMERGED_FOLDER.fullmatch(os.path.basename(absolute_path(folder)))
    if not (is_inside or int(part[2]) > 1):
        return ""
    count, names = int(part[2]), set(listing(folder).names)
    others = (f"part-{number:05d}-of-{count:05d}" for number in range(count))
    missing = (name for name in others if f"{name}.index" not in names)
    shown = list(islice(missing, _MOST_SHOWN + 1))
    text = f"is part {int(part[1]) + 1} of {count} of a save that never ended"
    if not shown:
        return text if count == 1 else f"{text}; all its parts are there, not merged"
    more = " …" if len(shown) > _MOST_SHOWN else ""
    return f"{text}{LACKS}{', '.join(shown[:_MOST_SHOWN])}{more}"


def is_copied(prefix: str) -> bool:
    """Return whether the index, or the data, of a prefix is a copy, by its name and its bytes.

    A file manager or a browser made it: ``P - Copy.index``, ``P (1).data-00000-of-00001``. Where
    index and data were copied, they are a checkpoint.
    """
    folder, base = split(prefix)
    match = _COPY.fullmatch(base)
    original = join(folder, (match[1] or match[2]) if match else base)
    data = shard_counts(prefix)
    if original == prefix or (data and is_file(f"{prefix}.index")):
        return False
    files = [
        (shard_path(prefix, n, count), shard_path(original, n, count))
        for count, numbers in data.items()
        for n in numbers
    ] or [(f"{prefix}.index", f"{original}.index")]
    return all(map(_are_equal, *zip(*files, strict=True)))


def _are_equal(path: str, other: str) -> bool:
    try:
        return is_file(path) and is_file(other) and filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def is_foreign(path: str) -> bool:
    """Return whether a table has another header than V1 checkpoints have, or none.

    A damaged one may be a V1 checkpoint, and counts as one.
    """
    try:
        with enough_memory(path):
            first = Table(open_file(path)).first()
    except CheckpointError:
        return False
    return first is None or first[0] != b"" or bytes(first[1][:1]) in _V2_HEADER_STARTS


def _bases_in(folder: str) -> list[str]:
    """Return the base names of all indexes in a folder."""
    return [n.removesuffix(".index") for n in listing(folder).names if n.endswith(".index")]


def unmerged_save(prefix: str) -> str | None:
    """Return a message about the parts of a save of this checkpoint that was never merged."""
    folder, base = split(prefix)
    for name in listing(folder).names:
        match = UNMERGED_FOLDER.fullmatch(name)
        if match and match[1] in (base, f"{base}_temp"):
            inner = join(folder, name)
            parts = [n for n in map(UNMERGED_PART.fullmatch, _bases_in(inner)) if n]
            if parts:
                number = count_of(len(parts), "part")
                return f"a save of it never ended: {inner} has {number} of {int(parts[0][2])}"
    return None


def checkpoints_in(folder: str) -> list[Location]:
    """Return all checkpoints directly in a folder, in the order of names."""
    by_prefix: dict[str, Location] = {}
    for name in listing(folder).names:
        path = join(folder, name)
        if UNFINISHED.fullmatch(name):
            continue
        if name.endswith(".index"):
            prefix = path.removesuffix(".index")
            if is_file(path) and is_index(prefix):
                by_prefix[prefix] = _v2_location(prefix)
        elif not OWN_FILE.fullmatch(name) and is_table(path) and not is_foreign(path):
            shard = parse_v1_shard(path)
            pattern = v1_pattern(shard[0], shard[2]) if shard else path
            location = None if pattern in by_prefix else v1_checkpoint(pattern) or v1_file(path)
            if location is not None:
                by_prefix[location.prefix] = location
    return list(by_prefix.values())
