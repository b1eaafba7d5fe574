"""The checkpoint with a given prefix, if it exists.

Independent of tensors; reads at most the last bytes of a file. V1 files have no ending of their
own, so their contents, or a graph beside them, identify them. FORMAT 1.1, 1.3.
"""

from __future__ import annotations

import os

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.paths.layout import (
    UNFINISHED,
    V1_SHARD,
    Location,
    missing_text,
    parse_v1_shard,
    v1_pattern,
)
from tfckpt_reader.storage.filesystem import exists, is_file, is_folder, list_names, peek
from tfckpt_reader.table.format import FOOTER_SIZE, MAGIC
from tfckpt_reader.text import count_of

_MOST_MISSING = 1 << 20
"""List at most this many missing shards: a name can claim any count."""


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
