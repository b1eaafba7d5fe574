"""Which checkpoints a folder's state file keeps, and what else lies in the folder.

Rank 6: knows no tensor. FORMAT 1.1, 1.2.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.folder import V1_SHARD, names_in
from tfckpt_reader.locate import listed_at
from tfckpt_reader.state import STATE_FILE, read_state

if TYPE_CHECKING:
    from tfckpt_reader.folder import Location

_DATA_END = re.compile(r"\.data-\d{5,}-of-\d{5,}")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a state file says of its folder, and what is there."""

    newest: str
    """Path of the newest checkpoint, as the state file has it."""
    kept: tuple[str, ...]
    """Paths of the checkpoints it lists, as it has them, oldest first."""
    there: tuple[str, ...]
    """Those of them that are there, as `open` takes them."""
    missing: tuple[str, ...]
    """Those that are not, as the state file has them."""
    other_files: tuple[str, ...]
    """Names of the files in the folder that belong to none of those that are there."""


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
    found = {written: listed_at(path, written) for written in listed}
    there = [location for location in found.values() if location is not None]
    taken = [_owner(location) for location in there]
    others = [
        file
        for file in names_in(name)
        if file != STATE_FILE
        and os.path.isfile(os.path.join(name, file))
        and not any(_belongs(file, base, version) for base, version in taken)
    ]
    return Kept(
        state.newest,
        listed,
        tuple(dict.fromkeys(location.prefix for location in there)),
        tuple(written for written, location in found.items() if location is None),
        tuple(others),
    )


def _owner(location: Location) -> tuple[str, str]:
    """Return the base name that all files of a checkpoint begin with, and its version."""
    shard = V1_SHARD.fullmatch(location.prefix)
    return os.path.basename(shard[1] if shard else location.prefix), location.version


def _belongs(file: str, base: str, version: str) -> bool:
    if not file.startswith(base):
        return False
    end = file[len(base) :]
    if end == ".meta":
        return True
    if version == "V1":
        shard = V1_SHARD.fullmatch(file)
        return not end or (shard is not None and shard[1] == base)
    return end == ".index" or _DATA_END.fullmatch(end) is not None
