"""The checkpoints that a state file keeps, compared with the files in its folder.

Independent of tensors. FORMAT 1.1, 1.2.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError
from tfckpt_reader.paths.layout import OWN_FILE, Location, base_of, shard_counts
from tfckpt_reader.paths.listing import V1_SHARD, listed_once
from tfckpt_reader.paths.state_file import (
    STATE_FILE,
    State,
    candidates,
    last_component,
    listed_checkpoint,
    read_state,
    state_file_of,
    state_files,
)
from tfckpt_reader.storage.filesystem import folder_of, is_file, join, list_names, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Owner: TypeAlias = "tuple[str, str]"
"""Base name of a checkpoint's files, and its version."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Checkpoints of a state file, sorted by the state of their files."""

    newest: str
    """Path of the newest checkpoint, as written in the state file."""
    kept: tuple[str, ...]
    """Paths of all listed checkpoints, as written, oldest first."""
    there: tuple[str, ...]
    """Paths of the complete ones, ready for `open`."""
    incomplete: tuple[str, ...]
    """Those with some files missing or damaged, or with several sets of shards; as written."""
    missing: tuple[str, ...]
    """Those without any file; as written."""
    other_files: tuple[str, ...]
    """Names of the files in the folder that belong to no checkpoint of any state file there."""


@listed_once()
def kept_checkpoints(folder: str | os.PathLike[str] | bytes, *, filesystem: object = None) -> Kept:
    """Compare a folder's state file with the folder.

    Args:
        folder: A path or a URL.
        filesystem: As for `open`.

    Raises:
        CheckpointNotFoundError: the folder has no state file.
        CheckpointError: the state file is unreadable, or names no checkpoint.
    """
    name = path_of(folder, filesystem)
    path = state_file_of(name)
    state = read_state(path)
    listed = _listed(state)
    files = [file for file in list_names(name) if is_file(join(name, file))]
    existing = set(_owners(*files))
    # Cached: a long list can lead into one folder again and again.
    owners_in = cache(lambda folder: set(_owners(*list_names(folder))))
    there, incomplete, missing = [], [], []
    owned: set[_Owner] = set()
    for written in listed:
        location = _find(path, written, owners_in)
        owners = _owners_of(written)
        if location:
            owners = {(os.path.basename(location.base), location.version)}
        owned |= owners
        if location and _is_complete(location):
            prefix = location.prefix
            # `open` goes by the state file in a folder.
            is_other = prefix.endswith("/") and is_file(prefix + STATE_FILE)
            there.append(f"{prefix}.index" if is_other else prefix)
        elif location or owners & existing:
            incomplete.append(written)
        else:
            missing.append(written)
    states = state_files(name)
    for other in states:
        with suppress(CheckpointError):
            owned = owned.union(*map(_owners_of, _listed(read_state(other))))
    others = [
        file for file in files if join(name, file) not in states and owned.isdisjoint(_owners(file))
    ]
    lists = map(tuple, (dict.fromkeys(there), incomplete, missing, others))
    return Kept(state.newest, listed, *lists)


def _listed(state: State) -> tuple[str, ...]:
    """Return all paths in a state file, as written, oldest first."""
    return tuple(dict.fromkeys((*state.kept, state.newest)))


def _find(
    state_path: str, written: str, owners_in: Callable[[str], set[_Owner]]
) -> Location | None:
    """Return a listed checkpoint; folders without any file of it are not searched."""
    folder = folder_of(state_path)
    if all(
        _owners_of(os.path.basename(prefix)).isdisjoint(owners_in(folder_of(prefix)))
        for prefix in candidates(folder, written)
    ):
        return None
    try:
        return listed_checkpoint(state_path, written)
    except CheckpointNotFoundError:  # several sets of shards have that name
        return None


def _is_complete(location: Location) -> bool:
    """Return whether all files of a checkpoint exist, by their names."""
    if location.version == "V1":
        return not location.missing
    counts = shard_counts(location.prefix)
    return any(len(numbers) == count for count, numbers in counts.items())


def _owners_of(written: str) -> set[_Owner]:
    """Return the possible owners of the files of a listed checkpoint."""
    last = last_component(written)
    return {(base_of(last), "V1"), (last, "V2")}


def _owners(*files: str) -> Iterator[_Owner]:
    """Yield the possible owners of files, by their names."""
    for file in files:
        yield file, "V1"
        shard, own = V1_SHARD.fullmatch(file), OWN_FILE.fullmatch(file)
        if shard:
            yield shard[1], "V1"
        if own:
            yield own[1], "V2"
        if own and own[2] == "meta":
            yield own[1], "V1"
