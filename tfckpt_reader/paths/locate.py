"""From a user's path to the checkpoint it means.

Independent of tensors. FORMAT 1.3; TensorFlow ``python/training/checkpoint_management.py``.

A path can be a prefix, any file of a checkpoint, a state file, or a folder. It is never a glob.
Notes record every assumption.
"""

from __future__ import annotations

import os
import re

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    ErrorKind,
)
from tfckpt_reader.paths.companions import (
    SAVED_MODEL_FILES,
    saved_model_file,
    saved_model_prefix,
    saved_model_variables,
)
from tfckpt_reader.paths.layout import (
    DATA_FILE,
    OWN_FILE,
    Location,
    checkpoint_at,
    checkpoints_in,
    v1_checkpoint,
    v2_checkpoint,
)
from tfckpt_reader.paths.state_file import STATE_FILE, listed_checkpoint, read_state
from tfckpt_reader.storage.filesystem import exists, is_file, is_folder, list_names
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.sniff import describe, describe_folder, is_state_file, read_head
from tfckpt_reader.table.format import MAGIC
from tfckpt_reader.text import shortened

_MOST_LISTED = 10
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://")


def locate(path: str | os.PathLike[str] | bytes | Location, *, latest: bool = False) -> Location:
    """Return the checkpoint meant by a path.

    Args:
        path: Prefix, file, state file or folder. A Location stands for itself.
        latest: In a folder with several checkpoints and no state file, choose the newest by time.

    Raises:
        CheckpointNotFoundError: the path does not exist, or a folder is ambiguous.
        CorruptCheckpointError: the file is of another kind; the message names it.
    """
    if isinstance(path, Location):
        return path
    name = os.fsdecode(path)
    scheme = _URL.match(name)
    if scheme and scheme[1] != "file":
        raise CheckpointNotFoundError(
            f"{scheme[1]}:// paths are not read", file=name, advice="Copy the files here first"
        )
    name = name[7:] if scheme else name
    if is_folder(name):
        return v2_checkpoint(name) or _in_folder(name, latest=latest)
    location = v2_checkpoint(name) or _by_file(name) or v1_checkpoint(name)
    if location is not None:
        return location
    raise _wrong_file(name) if exists(name) else _missing(name)


def latest_checkpoint(folder: str | os.PathLike[str] | bytes) -> str | None:
    """Return the newest checkpoint that a folder's state file names, or None.

    `open` accepts the path. The result is None too where the checkpoint is gone.
    """
    try:
        return _from_state(os.path.join(os.fsdecode(folder), STATE_FILE)).prefix
    except CheckpointError:
        return None


def _by_file(path: str) -> Location | None:
    """Return the checkpoint of one of its files, a state file, or the file of a SavedModel."""
    own = OWN_FILE.fullmatch(path)
    location = checkpoint_at(own[1]) if own else None
    if own and location:
        how = "belongs to" if exists(path) else "does not exist; read was"
        return location.noted(f"{path} {how} the checkpoint {own[1]}")
    if not is_file(path):
        return None
    folder, base = os.path.split(path)
    if base in SAVED_MODEL_FILES:
        return _in_saved_model(folder)
    if base == STATE_FILE or is_state_file(read_head(path)):
        return _from_state(path)
    return None


def _in_folder(path: str, *, latest: bool) -> Location:
    notes = []
    state_path = os.path.join(path, STATE_FILE)
    if is_file(state_path):
        try:
            return _from_state(state_path)
        except CorruptCheckpointError as error:
            notes.append(f"the state file was ignored: {error}")
    if saved_model_file(path) is not None:
        return _in_saved_model(path)
    locations = checkpoints_in(path)
    if len(locations) > 1 and latest:
        locations = [max(locations, key=lambda location: (location.modified, location.prefix))]
    if len(locations) != 1:
        raise _ambiguous(path, locations, notes)
    return locations[0].noted(*notes, f"{locations[0].prefix} was found in {path}")


def _in_saved_model(folder: str) -> Location:
    location = saved_model_variables(folder)
    if location is None:
        raise CheckpointNotFoundError(
            "this SavedModel has no variables",
            file=saved_model_prefix(folder) + ".index",
            advice="If the model has variables, copy its folder `variables` too",
        )
    return location.noted(f"the variables of the SavedModel {folder or '.'} were read")


def _from_state(path: str) -> Location:
    state = read_state(path)
    location = listed_checkpoint(path, state.newest)
    if location is not None:
        return location
    folder = os.path.dirname(path) or "."
    others = _listed(checkpoints_in(folder))
    raise CheckpointNotFoundError(
        f"the checkpoint it names is not beside it: {shortened(state.newest)}",
        file=path,
        advice=others or f"There is no other checkpoint in {folder}",
    )


def _listed(locations: list[Location], before: str = "The folder has: ") -> str | None:
    if not locations:
        return None
    names = ", ".join(location.prefix for location in locations[:_MOST_LISTED])
    more = len(locations) - _MOST_LISTED
    return f"{before}{names} and {more} more" if more > 0 else f"{before}{names}"


def _wrong_file(path: str) -> CheckpointError:
    """Return the error about an existing file that belongs to no checkpoint."""
    try:
        File(path)
    except CheckpointError as error:  # a pipe, or no permission
        return error
    own = OWN_FILE.fullmatch(path)
    if own:
        return CheckpointNotFoundError(
            "this is one file of a checkpoint; the index is not beside it",
            file=f"{own[1]}.index",
            advice="Copy or download the .index file too",
        )
    known = describe(read_head(path))
    if known is not None:
        kind, advice = known
        return CorruptCheckpointError(
            f"this is {kind}", kind=ErrorKind.FOREIGN, file=path, advice=advice
        )
    return CorruptCheckpointError(
        "this is no checkpoint: it does not end as a table does",
        kind=ErrorKind.FOREIGN,
        file=path,
        expected=f"magic {MAGIC.hex()} in the last 8 bytes",
        advice="If it should be one, it is truncated: copy or download it again",
    )


def _ambiguous(path: str, locations: list[Location], notes: list[str]) -> CheckpointNotFoundError:
    because = f" ({notes[0]})" if notes else ""
    if locations:
        return CheckpointNotFoundError(
            f"this folder has {len(locations)} checkpoints, and no state file names the newest"
            f"{because}",
            file=path,
            advice=_listed(locations, "Name one, or use --latest: "),
        )
    names = list_names(path)
    other = describe_folder(set(names))
    if other:
        return CheckpointNotFoundError(
            f"this is {other}", file=path, advice="It is not a TensorFlow checkpoint"
        )
    data = next(filter(DATA_FILE.fullmatch, names), None)
    return CheckpointNotFoundError(
        f"there is no checkpoint in this folder{because}",
        file=path,
        advice=f"There is {data}, but not its .index file" if data else None,
    )


def _missing(path: str) -> CheckpointNotFoundError:
    folder, base = os.path.split(path)
    stem = re.split(r"[-.]", base)[0]
    alike = [c for c in checkpoints_in(folder or ".") if base and stem in c.prefix]
    advice = _listed(alike)
    if folder and not is_folder(folder):
        advice = f"There is no folder {folder} either"
    elif any(name.startswith(base + ".data-") for name in list_names(folder)):
        advice = "Its data files are there, but not its .index file: copy or download that too"
    return CheckpointNotFoundError("there is no checkpoint here", file=path, advice=advice)
