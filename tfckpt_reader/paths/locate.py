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
    OWN_FILE,
    UNMERGED_FOLDER,
    Location,
    checkpoint_at,
    checkpoints_in,
    unmerged_note,
    unmerged_save,
    v1_checkpoint,
    v2_checkpoint,
)
from tfckpt_reader.paths.listing import DATA_FILE, listed_once, listing
from tfckpt_reader.paths.saver import saver_version
from tfckpt_reader.paths.state_file import (
    STATE_FILE,
    last_component,
    listed_checkpoint,
    read_state,
    state_file_of,
)
from tfckpt_reader.storage.filesystem import (
    can_list,
    closed_folder,
    exists,
    folder_of,
    is_file,
    is_folder,
    is_same_file,
    join,
    path_of,
    split,
)
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.sniff import (
    describe,
    describe_folder,
    is_state_file,
    looks_like_table,
    read_head,
)
from tfckpt_reader.table.format import MAGIC
from tfckpt_reader.text import shortened

_MOST_LISTED = 10
_NOT_LISTED = (
    "This server lists no files, and may hide those that it denies: name the prefix of a "
    "checkpoint, or a state file, and check the credentials"
)
_INDEX_TOO = "Copy or download the .index file too"
_CHECKPOINT_TOO = "Copy the checkpoint too; `tfckpt meta` reads the graph"


@listed_once()
def locate(
    path: str | os.PathLike[str] | bytes | Location,
    *,
    latest: bool = False,
    filesystem: object = None,
) -> Location:
    """Return the checkpoint meant by a path.

    Args:
        path: Prefix, file, state file or folder. A Location stands for itself.
        latest: In a folder with several checkpoints and no state file, choose the newest by time.
        filesystem: The user's own store or filesystem for the path: see `path_of`.

    Raises:
        CheckpointNotFoundError: the path does not exist, or a folder is ambiguous.
        CorruptCheckpointError: the file is of another kind; the message names it.
        CheckpointError: nothing was found, and the folder may not be listed.
    """
    if isinstance(path, Location):
        return path
    try:
        return _found(path_of(path, filesystem), latest=latest)
    except CheckpointNotFoundError as error:
        folder = closed_folder(error.file or "")
        if folder is None:
            raise
        advice = "Grant the user that runs this permission to read it"
        raise CheckpointError(
            "this folder cannot be read: no permission", file=folder, advice=advice
        ) from error


def _found(name: str, *, latest: bool) -> Location:
    if is_folder(name):
        beside = None if name.endswith("/") else v2_checkpoint(name)
        return beside or _in_folder(name, latest=latest)
    location = v2_checkpoint(name) or _by_file(name) or v1_checkpoint(name)
    if location is not None:
        return location
    raise _wrong_file(name) if exists(name) else _missing(name)


@listed_once()
def latest_checkpoint(
    folder: str | os.PathLike[str] | bytes, *, filesystem: object = None
) -> str | None:
    """Return the newest checkpoint that a folder's state file names, or None.

    `open` accepts the path. The result is None too where the checkpoint is gone.

    Args:
        folder: A path or a URL.
        filesystem: As for `open`.

    Raises:
        CheckpointError: a store cannot be reached; of kind UNREACHABLE.
    """
    try:
        return _from_state(state_file_of(path_of(folder, filesystem))).prefix
    except CheckpointError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            raise
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
    folder, base = split(path)
    if base in SAVED_MODEL_FILES:
        return _in_saved_model(folder)
    if base == STATE_FILE or is_state_file(read_head(path)):
        return _from_state(path)
    return None


def _in_folder(path: str, *, latest: bool) -> Location:
    notes = []
    state_path = state_file_of(path)
    nameless = v2_checkpoint(join(path, ""))
    if is_file(state_path):
        try:
            location = _from_state(state_path)
        except CorruptCheckpointError as error:
            notes.append(f"the state file was ignored: {error}")
        else:
            return location.noted(*_passed_over(location, nameless, state_path))
    if saved_model_file(path) is not None:
        return _in_saved_model(path)
    if nameless is not None:
        return nameless.noted(*notes, f"{nameless.prefix}.index was read")
    locations = checkpoints_in(path)
    if not locations and saved_model_variables(path) is not None:
        missing = f"{join(path, SAVED_MODEL_FILES[0])} is missing"
        return _in_saved_model(path).noted(*notes, missing)
    if len(locations) > 1 and latest:
        locations = [max(locations, key=lambda location: (location.modified, location.prefix))]
    if len(locations) != 1:
        raise _ambiguous(path, locations, notes)
    return locations[0].noted(*notes, f"{locations[0].prefix} was found in {path}")


def _passed_over(location: Location, nameless: Location | None, state_path: str) -> list[str]:
    """Return notes about a state file of another name, and about a checkpoint it does not name."""
    notes = []
    if os.path.basename(state_path) != STATE_FILE:
        notes.append(f"{state_path} is the state file that was read")
    other = f"{nameless.prefix}.index" if nameless else ""
    if other and not is_same_file(other, f"{location.prefix}.index"):
        notes.append(f"{other} was not read: {state_path} names another")
    return notes


def _in_saved_model(folder: str) -> Location:
    location = saved_model_variables(folder, anywhere=True)
    if location is None:
        prefix = saved_model_prefix(folder)
        raise CheckpointNotFoundError(
            "this SavedModel has no variables",
            file=f"{prefix}.index",
            advice=_without_index(prefix)
            or "If the model has variables, copy its folder `variables` too",
        )
    return location.noted(f"the variables of the SavedModel {folder or '.'} were read")


def _from_state(path: str) -> Location:
    state = read_state(path)
    location = listed_checkpoint(path, state.newest)
    folder = folder_of(path) or "."
    if location is not None:
        faults = (f"{path}: {state.fault}",) if state.fault else ()
        return location.noted(*faults)
    last = join(folder, last_component(state.newest))
    others = _hidden(last) or _listed(checkpoints_in(folder))
    raise CheckpointNotFoundError(
        f"the checkpoint it names is not beside it: {shortened(state.newest)}",
        file=path,
        advice=others or f"There is no other checkpoint in {folder}",
    )


def _without_index(prefix: str) -> str | None:
    """Return what is there of a checkpoint without its index, or instead of it."""
    folder, base = split(prefix)
    if hidden := _hidden(prefix):
        return hidden
    if base in listing(folder).data_files:
        return "Its data files are there, but not its .index file: copy or download that too"
    is_graph = saver_version(f"{prefix}.meta") is not None
    return f"{prefix}.meta is there. {_CHECKPOINT_TOO}" if is_graph else None


def _hidden(prefix: str) -> str | None:
    """Return what is there instead of a checkpoint: a part of a save, copies of other programs."""
    folder, base = split(prefix)
    index = f"{base}.index"
    if other := next((n for n in listing(folder).names if n.lower() == index.lower()), None):
        return f"{join(folder, other)} is there: TensorFlow writes its name as {index}"
    left = [join(folder, name) for name in listing(folder).hidden(base)] if base else []
    copies = f"Copies that other programs left are no checkpoint: {', '.join(left[:_MOST_LISTED])}"
    unmerged = unmerged_save(prefix)
    return f"{unmerged[0].upper()}{unmerged[1:]}" if unmerged else copies if left else None


def _listed(locations: list[Location], before: str = "The folder has: ") -> str | None:
    if not locations:
        return None
    names = ", ".join(location.prefix for location in locations[:_MOST_LISTED])
    more = len(locations) - _MOST_LISTED
    return f"{before}{names} and {more} more" if more > 0 else f"{before}{names}"


def _wrong_file(path: str) -> CheckpointError:
    """Return the error about an existing file that belongs to no checkpoint."""
    try:
        open_file(path)
    except CheckpointError as error:  # a pipe, or no permission
        return error
    head = read_head(path)
    known = describe(head)
    own = OWN_FILE.fullmatch(path)
    is_graph = own is not None and own[2] == "meta"
    is_foreign = is_graph and saver_version(path) is None
    if own and not (is_foreign or known):
        what = "this is a graph without a checkpoint" if is_graph else "this is a data file"
        return CheckpointNotFoundError(
            f"{what}; its index, {own[1]}.index, is not beside it",
            file=path,
            advice=_hidden(own[1]) or (_CHECKPOINT_TOO if is_graph else _INDEX_TOO),
        )
    if known is not None:
        kind, advice = known
        return CorruptCheckpointError(
            f"this is {kind}", kind=ErrorKind.FOREIGN, file=path, advice=advice
        )
    begins = looks_like_table(head)
    return CorruptCheckpointError(
        "this is no checkpoint of TensorFlow: it does not end as a table does",
        kind=ErrorKind.FOREIGN,
        file=path,
        expected=f"magic {MAGIC.hex()} in the last 8 bytes",
        advice="It begins as one and is truncated: copy or download it again" if begins else None,
    )


def _ambiguous(path: str, locations: list[Location], notes: list[str]) -> CheckpointNotFoundError:
    because = f" ({notes[0]})" if notes else ""
    if locations and all(map(unmerged_note, (location.prefix for location in locations))):
        return CheckpointNotFoundError(
            f"this folder has {len(locations)} checkpoints, each part of a save that never ended",
            file=path,
            advice=_listed(locations, "To read one part, name it: "),
        )
    if locations:
        return CheckpointNotFoundError(
            f"this folder has {len(locations)} checkpoints, and no state file names the newest"
            f"{because}",
            file=path,
            advice=_listed(locations, "Name one, or use --latest: "),
        )
    names = listing(path).names
    other = describe_folder(set(names))
    if other:
        return CheckpointNotFoundError(
            f"this is {other}", file=path, advice="It is not a TensorFlow checkpoint"
        )
    data = next(filter(None, map(DATA_FILE.fullmatch, names)), None)
    return CheckpointNotFoundError(
        f"there is no checkpoint in this folder{because}",
        file=path,
        advice=(None if can_list(path) else _NOT_LISTED)
        or _inside(path, names)
        or (f"There is {data[0]}, but not its .index file" if data else None),
    )


def _inside(path: str, names: list[str]) -> str | None:
    """Return what a folder without a checkpoint has instead of one."""
    left = listing(path).hidden()
    if left:
        return (
            f"Copies that other programs left are no checkpoint: {', '.join(left[:_MOST_LISTED])}"
        )
    bases = (match[1] for match in map(UNMERGED_FOLDER.fullmatch, names) if match)
    return next(filter(None, (_hidden(join(path, base)) for base in bases)), None)


def _missing(path: str) -> CheckpointNotFoundError:
    folder, base = split(path)
    stem = re.split(r"[-.]", base)[0]
    alike = [c for c in checkpoints_in(folder or ".") if base and stem in c.prefix]
    advice = _listed(alike)
    if not can_list(folder):
        advice = _NOT_LISTED
    elif folder and not is_folder(folder):
        advice = f"There is no folder {folder} either"
    elif lost := _without_index(path):
        advice = lost
    return CheckpointNotFoundError("there is no checkpoint here", file=path, advice=advice)
