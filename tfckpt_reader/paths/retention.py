"""Which checkpoints a folder's state file keeps, and what else lies in the folder.

Knows no tensor. FORMAT 1.1, 1.2.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.paths.layout import DATA_FILE, V1_SHARD, names_in, shard_counts
from tfckpt_reader.paths.locate import listed_at, places
from tfckpt_reader.paths.state_file import STATE_FILE, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tfckpt_reader.paths.layout import Location

_Owner: TypeAlias = "tuple[str, str]"
"""Base name that the files of a checkpoint begin with, and its version."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a state file says of its folder, and what is there."""

    newest: str
    """Path of the newest checkpoint, as the state file has it."""
    kept: tuple[str, ...]
    """Paths of the checkpoints it lists, as it has them, oldest first."""
    there: tuple[str, ...]
    """Those of them of which all files are there, as `open` takes them."""
    incomplete: tuple[str, ...]
    """Those of which files are there, but not all, or not sound, or several sets of shards; as the
    state file has them."""
    missing: tuple[str, ...]
    """Those of which no file is there, as the state file has them."""
    other_files: tuple[str, ...]
    """Names of the files in the folder that belong to none of the checkpoints it lists."""


def kept_checkpoints(folder: str | os.PathLike[str] | bytes) -> Kept:
    """Compare a folder's state file with the folder.

    Raises:
        CheckpointNotFoundError: there is no state file.
        CheckpointError: it cannot be read, or names no checkpoint.
    """
    name = os.fsdecode(folder)
    path = os.path.join(name, STATE_FILE)
    state = read_state(path)
    listed = tuple(dict.fromkeys((*state.kept, state.newest)))
    files = [file for file in names_in(name) if os.path.isfile(os.path.join(name, file))]
    parts = {owner for file in files for owner in _owners(file)}
    owners_in = cache(_owners_in)  # a long list can lead into one folder again and again
    there, incomplete, missing = [], [], []
    taken: set[_Owner] = set()
    for written in listed:
        location = _find(path, written, owners_in)
        owners = _named_so(written) if location is None else {_owner(location)}
        if location is not None and _is_whole(location):
            there.append(location.prefix)
        elif location is not None or owners & parts:
            incomplete.append(written)
        else:
            missing.append(written)
        taken |= owners
    others = [file for file in files if file != STATE_FILE and taken.isdisjoint(_owners(file))]
    found = map(tuple, (dict.fromkeys(there), incomplete, missing, others))
    return Kept(state.newest, listed, *found)


def _find(
    state_path: str, written: str, owners_in: Callable[[str], set[_Owner]]
) -> Location | None:
    """Return a checkpoint of the state file, without a look where no file can be one of its."""
    folder = os.path.dirname(state_path)
    if all(
        _named_so(os.path.basename(place)).isdisjoint(owners_in(os.path.dirname(place)))
        for place in places(folder, written)
    ):
        return None
    try:
        return listed_at(state_path, written)
    except CheckpointNotFoundError:  # several sets of shards have that name
        return None


def _is_whole(location: Location) -> bool:
    """Tell whether all files of a checkpoint are there, by their names."""
    if location.version == "V1":
        return not location.missing
    counts = shard_counts(location.prefix)
    return any(len(numbers) == count for count, numbers in counts.items())


def _owner(location: Location) -> _Owner:
    """Return what the files of a checkpoint belong to."""
    shard = V1_SHARD.fullmatch(location.prefix)
    return os.path.basename(shard[1] if shard else location.prefix), location.version


def _named_so(written: str) -> set[_Owner]:
    """Return what the files of a checkpoint that a state file lists would belong to."""
    last = re.split(r"[/\\]", written.rstrip("/\\"))[-1]
    shard = V1_SHARD.fullmatch(last)
    return {(shard[1] if shard else last, version) for version in ("V1", "V2")}


def _owners_in(folder: str) -> set[_Owner]:
    """Return what the files of a folder may belong to."""
    return {owner for file in names_in(folder or ".") for owner in _owners(file)}


def _owners(file: str) -> Iterator[_Owner]:
    """Yield what a file may belong to, by its name."""
    yield file, "V1"
    for version, match in (("V1", V1_SHARD.fullmatch(file)), ("V2", DATA_FILE.fullmatch(file))):
        if match:
            yield match[1], version
    if file.endswith(".index"):
        yield file.removesuffix(".index"), "V2"
    if file.endswith(".meta"):
        yield file.removesuffix(".meta"), "V1"
        yield file.removesuffix(".meta"), "V2"
