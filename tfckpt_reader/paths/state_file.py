"""The `checkpoint` state file: the checkpoints that a training run keeps, and the newest of them.

Independent of tensors. FORMAT 1.2; TensorFlow ``python/training/checkpoint_state.proto``: a
protobuf message in text form. TensorFlow follows its paths anywhere. Here, a path is tried only in
the folder of the state file: first as written, then by its last component.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import Any, NamedTuple

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.paths.layout import OWN_FILE, Location, checkpoint_at
from tfckpt_reader.paths.listing import listing
from tfckpt_reader.protobuf import format_text, parse_text
from tfckpt_reader.storage.filesystem import absolute_path, folder_of, is_file, is_folder, join
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.sniff import HEAD_SIZE, describe, is_state_file, read_head
from tfckpt_reader.text import count_of, shortened

STATE_FILE = "checkpoint"
"""Its usual name."""
_WINDOWS_PATH = re.compile(rb"""["'][A-Za-z]:\\(?!\\)""")
"""A path with a plain backslash, which escapes the next character."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ESCAPED = re.compile(r"\\\\|(?:\\[23][0-7]{2})+")
"""A backslash, or bytes above 127, in protobuf's text form."""
_LARGEST = 1 << 20
"""Bytes of the largest file to parse."""


class State(NamedTuple):
    """Contents of a `checkpoint` file; paths as written."""

    newest: str
    """Path of the newest checkpoint."""
    kept: tuple[str, ...] = ()
    """Paths of all listed checkpoints, oldest first."""
    timestamps: tuple[float, ...] = ()
    """Seconds since the epoch, parallel to `kept` or empty."""
    last_preserved: float = 0.0
    """Seconds since the epoch."""
    fault: str = ""
    """Why TensorFlow cannot read the file."""


def read_state(path: str) -> State:
    """Read a `checkpoint` file.

    Raises:
        CorruptCheckpointError: the file names no checkpoint.
        CheckpointError: as for `load_state`.
    """
    state = load_state(path)
    if not state.newest:
        raise CorruptCheckpointError("names no checkpoint", file=path)
    return state


def load_state(path: str) -> State:
    """Read a `checkpoint` file that may name no checkpoint.

    Raises:
        CheckpointNotFoundError: the file is missing.
        CheckpointError: the file is unreadable.
        CorruptCheckpointError: the file is of another kind.
    """
    file = open_file(path)
    if file.size > _LARGEST:
        raise CorruptCheckpointError(f"is larger than {count_of(_LARGEST, 'byte')}", file=path)
    text = bytes(file.read(0, file.size))
    try:
        state, fault = _parse(text)
    except CheckpointError as error:
        known = None if is_state_file(text[:HEAD_SIZE]) else describe(text[:HEAD_SIZE])
        error.file = path
        error.advice = f"It is {known[0]}" if known else "Name the checkpoint itself instead"
        raise
    return State(
        os.fsdecode(state.model_checkpoint_path),
        tuple(os.fsdecode(p) for p in state.all_model_checkpoint_paths),
        tuple(state.all_model_checkpoint_timestamps),
        state.last_preserved_timestamp,
        fault,
    )


def state_files(folder: str) -> list[str]:
    """Return the paths of a folder's state files: `checkpoint` first, then any others, by name.

    A Saver gives them any name (`latest_filename`): their first bytes identify them.
    """
    names = [name for name in listing(folder).names if not OWN_FILE.fullmatch(name)]
    paths = [join(folder, name) for name in names if name != STATE_FILE]
    usual = join(folder, STATE_FILE)
    return [usual] * is_file(usual) + [path for path in paths if is_state_file(read_head(path))]


def state_file_of(folder: str) -> str:
    """Return the path of a folder's state file: `checkpoint`, or the only one of another name."""
    usual = join(folder, STATE_FILE)
    others = [] if is_file(usual) else state_files(folder)
    return others[0] if len(others) == 1 else usual


def format_state(state: State) -> str:
    """Return the text of a state file, as TensorFlow writes it; bytes above 127 are escaped."""
    return format_text(
        "CheckpointState",
        model_checkpoint_path=os.fsencode(state.newest),
        all_model_checkpoint_paths=map(os.fsencode, state.kept),
        all_model_checkpoint_timestamps=state.timestamps,
        last_preserved_timestamp=state.last_preserved,
    )


def write_state(path: str, state: State) -> None:
    """Write a state file, atomically, as TensorFlow 2.21 does: with UTF-8 as it is.

    Raises:
        OSError: the file cannot be written; the old one is unchanged.
    """
    from tfckpt_reader.storage.writing.atomic import atomic_file

    with atomic_file(path) as file:
        file.write(_ESCAPED.sub(_unescaped, format_state(state)).encode("utf-8"))


def _unescaped(match: re.Match[str]) -> str:
    codes = match[0].split("\\")[1:]
    try:
        return bytes([int(code, 8) for code in codes]).decode("utf-8") if codes[0] else match[0]
    except UnicodeDecodeError:
        return match[0]


def _parse(text: bytes) -> tuple[Any, str]:
    """Decode a state file; return why TensorFlow cannot, too.

    People write Windows paths with plain backslashes, which escape, editors a byte order mark, and
    the shell of Windows UTF-16.
    """
    plain = text.removeprefix(_BYTE_ORDER_MARK)
    fault = "TensorFlow refuses the byte order mark at its beginning" if plain != text else ""
    if text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        plain = text.decode("utf-16", "replace").encode()
        fault = "it is text in UTF-16, and TensorFlow reads UTF-8"
    if not _WINDOWS_PATH.search(plain):
        try:
            state = parse_text("CheckpointState", plain)
        except CheckpointError:
            if b"\\" not in plain:
                raise
        else:
            return state, fault or _fault_of(state)
    doubled = plain.replace(b"\\", b"\\\\")
    return parse_text("CheckpointState", doubled), "its backslashes must be doubled for TensorFlow"


def _fault_of(state: Any) -> str:
    try:
        for path in (state.model_checkpoint_path, *state.all_model_checkpoint_paths):
            path.decode("utf-8")
    except UnicodeDecodeError:
        return "TensorFlow takes only paths in UTF-8"
    return ""


def last_component(written: str) -> str:
    """Return the last component of a path in a state file, written on Windows or elsewhere."""
    return re.split(r"[/\\]", written.rstrip("/\\"))[-1]


def candidates(folder: str, written: str) -> list[str]:
    """Return the prefixes to try for a path in a state file, none of them outside its folder."""
    top = absolute_path(folder)
    direct = join(folder, written)
    whole = absolute_path(direct)
    is_inside = whole == top or whole.startswith(join(top, ""))
    last = join(folder, last_component(written))
    prefixes = [direct, last] if is_inside else [last]
    # A checkpoint with an empty base name, `dir/.index`, is written as the folder itself.
    as_folder = [join(path, "") for path in prefixes if is_folder(path)]
    return [*prefixes, *as_folder, *filter(None, map(prefix_of_file, prefixes))]


def prefix_of_file(path: str) -> str | None:
    """Return the prefix in the path of a file of a V2 checkpoint; None for any other path."""
    own = OWN_FILE.fullmatch(path)
    is_file_of_one = own is not None and is_file(f"{own[1]}.index") and not is_file(f"{path}.index")
    return own[1] if own and is_file_of_one else None


def listed_checkpoint(state_path: str, written: str) -> Location | None:
    """Return the checkpoint that a path in a state file names; None for a missing one.

    Raises:
        CheckpointNotFoundError: several sets of V1 shards match.
    """
    folder = folder_of(state_path)
    for prefix in candidates(folder, written):
        location = None if prefix_of_file(prefix) else checkpoint_at(prefix)
        if location is not None:
            if prefix == join(folder, written):
                return location
            note = f"{state_path} names {shortened(written)}; {prefix} was read instead"
            return location.noted(note)
    return None
