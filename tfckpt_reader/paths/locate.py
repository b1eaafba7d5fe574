"""From a path that somebody typed to the checkpoint that was meant.

Knows no tensor. FORMAT 1.3; TensorFlow ``python/training/checkpoint_management.py``.

A path may be a prefix, any file of a checkpoint, a state file, or a folder. It is never a glob.
What had to be assumed is said in notes. TensorFlow follows a state file wherever it points; here
its paths are looked for beside the state file only, as written and then by their last part.
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
from tfckpt_reader.paths.companions import SAVED_MODEL_FILES
from tfckpt_reader.paths.layout import (
    DATA_FILE,
    Location,
    checkpoints_in,
    names_in,
    v1_of,
    v1_set_at,
    v2_at,
)
from tfckpt_reader.paths.state_file import STATE_FILE, read_state
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.sniff import describe, describe_folder, is_state_file, read_head
from tfckpt_reader.table.format import MAGIC
from tfckpt_reader.text import shortened

_MOST_LISTED = 10
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://")


def locate(path: str | os.PathLike[str] | bytes | Location, *, latest: bool = False) -> Location:
    """Find the checkpoint that a path means.

    Args:
        path: Prefix, file, state file or folder. A Location stands for itself.
        latest: In a folder with several checkpoints and no state file, take the newest by time.

    Raises:
        CheckpointNotFoundError: nothing is there, or a folder leaves open what is meant.
        CorruptCheckpointError: what is there is something else; says what.
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
    if os.path.isdir(name):
        return v2_at(name) or _in_folder(name, latest=latest)
    found = v2_at(name) or _by_file(name) or v1_of(name)
    if found is not None:
        return found
    raise _wrong_file(name) if os.path.exists(name) else _nothing_there(name)


def latest_checkpoint(folder: str | os.PathLike[str] | bytes) -> str | None:
    """Return the newest checkpoint that a folder's state file names, or None.

    The path returned is one `open` takes. None too where it is gone.
    """
    name = os.fsdecode(folder)
    try:
        return _from_state(os.path.join(name, STATE_FILE)).prefix
    except CheckpointError:
        return None


def listed_at(state_path: str, written: str) -> Location | None:
    """Return the checkpoint that a path in a state file means; None where it is not there.

    Raises:
        CheckpointNotFoundError: several sets of shards fit.
    """
    candidates = places(os.path.dirname(state_path), written)
    return next(filter(None, map(_any_at, candidates)), None)


def _any_at(path: str) -> Location | None:
    return v2_at(path) or v1_of(path)


def _by_file(path: str) -> Location | None:
    """Take a file of a checkpoint, or one that leads to it, for the checkpoint."""
    for prefix in _without_suffix(path):
        found = _any_at(prefix)
        if found is not None:
            what = "was taken for" if os.path.exists(path) else "is not there; read was"
            return found.noted(f"{path} {what} the checkpoint {prefix}")
    folder, base = os.path.split(path)
    if not os.path.isfile(path):
        return None
    if base in SAVED_MODEL_FILES:
        return _in_saved_model(folder)
    if base == STATE_FILE or is_state_file(read_head(path)):
        return _from_state(path)
    return None


def _without_suffix(path: str) -> list[str]:
    found = [path.removesuffix(end) for end in (".index", ".meta") if path.endswith(end)]
    match = DATA_FILE.fullmatch(path)
    return [*found, match[1]] if match else found


def _in_folder(path: str, *, latest: bool) -> Location:
    notes = []
    state_path = os.path.join(path, STATE_FILE)
    if os.path.isfile(state_path):
        try:
            return _from_state(state_path)
        except CorruptCheckpointError as error:
            notes.append(f"the state file was left aside: {error}")
    if any(os.path.isfile(os.path.join(path, name)) for name in SAVED_MODEL_FILES):
        return _in_saved_model(path)
    found = checkpoints_in(path)
    if len(found) > 1 and latest:
        found = [max(found, key=lambda location: (location.modified, location.prefix))]
    if len(found) != 1:
        raise _ambiguous(path, found, notes)
    return found[0].noted(*notes, f"{found[0].prefix} was found in {path}")


def _in_saved_model(folder: str) -> Location:
    prefix = os.path.join(folder, "variables", "variables")
    found = v2_at(prefix) or v1_set_at(prefix)
    if found is None:
        raise CheckpointNotFoundError(
            "this SavedModel has no variables",
            file=prefix + ".index",
            advice="If the model has variables, copy its folder `variables` too",
        )
    return found.noted(f"the variables of the SavedModel {folder or '.'} were read")


def _from_state(path: str) -> Location:
    state = read_state(path)
    folder = os.path.dirname(path)
    for tried in places(folder, state.newest):
        found = _any_at(tried)
        if found is None:
            continue
        if tried == os.path.join(folder, state.newest):
            return found
        return found.noted(f"{path} says {shortened(state.newest)}; {tried} was read")
    raise CheckpointNotFoundError(
        f"the checkpoint it names is not beside it: {shortened(state.newest)}",
        file=path,
        advice=_what_is_there(folder or "."),
    )


def places(folder: str, written: str) -> list[str]:
    """Return where a state file's path is looked for, none of them outside its folder."""
    top = os.path.abspath(folder)
    direct = os.path.join(folder, written)
    inside = os.path.abspath(direct) == top or os.path.abspath(direct).startswith(
        os.path.join(top, "")
    )
    last = os.path.join(folder, re.split(r"[/\\]", written.rstrip("/\\"))[-1])
    found = [direct, last] if inside else [last]
    # A checkpoint with an empty base name, `dir/.index`, is written as the folder itself.
    return [*found, *(os.path.join(p, "") for p in found if os.path.isdir(p))]


def _listed(shown: list[str]) -> str:
    more = f" and {len(shown) - _MOST_LISTED} more" if len(shown) > _MOST_LISTED else ""
    return ", ".join(shown[:_MOST_LISTED]) + more


def _what_is_there(folder: str) -> str:
    found = checkpoints_in(folder)
    if not found:
        return f"There is no other checkpoint in {folder}"
    return f"There is: {_listed([location.prefix for location in found])}"


def _wrong_file(path: str) -> CheckpointError:
    """Say what a file is that is no part of a checkpoint."""
    try:
        File(path)
    except CheckpointError as error:  # a pipe, or nothing that we may read
        return error
    prefixes = _without_suffix(path)
    if prefixes:
        return CheckpointNotFoundError(
            "this is one file of a checkpoint; its index is not beside it",
            file=prefixes[0] + ".index",
            advice="Copy or download the .index file too",
        )
    known = describe(read_head(path))
    if known is not None:
        what, advice = known
        return CorruptCheckpointError(
            f"this is {what}", kind=ErrorKind.FOREIGN, file=path, advice=advice
        )
    return CorruptCheckpointError(
        "this is no checkpoint: it does not end as one does",
        kind=ErrorKind.FOREIGN,
        file=path,
        expected=f"magic {MAGIC.hex()} in the last 8 bytes",
        advice="If it should be one, it was cut off: copy or download it again",
    )


def _ambiguous(path: str, found: list[Location], notes: list[str]) -> CheckpointNotFoundError:
    because = f" ({notes[0]})" if notes else ""
    if found:
        return CheckpointNotFoundError(
            f"there are {len(found)} checkpoints in this folder, and no state file says which"
            f"{because}",
            file=path,
            advice=f"Name one, or use --latest: {_listed([c.prefix for c in found])}",
        )
    what = describe_folder(set(names_in(path)))
    return CheckpointNotFoundError(
        f"this is {what}" if what else f"there is no checkpoint in this folder{because}",
        file=path,
        advice="It is not a TensorFlow checkpoint" if what else _lost_index(path),
    )


def _lost_index(folder: str) -> str | None:
    data = [name for name in names_in(folder) if DATA_FILE.fullmatch(name)]
    return f"There is {data[0]}, but not its .index file" if data else None


def _nothing_there(path: str) -> CheckpointNotFoundError:
    folder, base = os.path.split(path)
    alike = [c.prefix for c in checkpoints_in(folder or ".") if _stem(base) in c.prefix]
    advice = f"There is: {_listed(alike)}" if alike and base else None
    if folder and not os.path.isdir(folder):
        advice = f"There is no folder {folder} either"
    elif any(name.startswith(base + ".data-") for name in names_in(folder or ".")):
        advice = "Its data files are there, but not its .index file: copy or download that too"
    return CheckpointNotFoundError("there is no checkpoint here", file=path, advice=advice)


def _stem(base: str) -> str:
    return re.split(r"[-.]", base)[0]
