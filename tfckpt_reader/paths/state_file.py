"""The `checkpoint` state file: which checkpoints of a folder are kept, and which is the newest.

Knows no tensor and follows no path. FORMAT 1.2; TensorFlow
``python/training/checkpoint_state.proto``: a protobuf message in text form.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.protobuf import parse_text
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.sniff import HEAD_SIZE, describe, is_state_file
from tfckpt_reader.text import count_of

STATE_FILE = "checkpoint"
"""Its usual name."""
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class State:
    """What a `checkpoint` file says; paths as written."""

    newest: str
    kept: tuple[str, ...]
    """All kept checkpoints, oldest first."""
    timestamps: tuple[float, ...]
    """Seconds since the epoch, parallel to `kept` or empty."""
    last_preserved: float


def read_state(path: str) -> State:
    """Read a `checkpoint` file.

    Raises:
        CheckpointNotFoundError: it is not there.
        CheckpointError: it cannot be read.
        CorruptCheckpointError: it is not such a file, or names no checkpoint.
    """
    file = File(path)
    if file.size > _LARGEST:
        raise CorruptCheckpointError(f"is larger than {count_of(_LARGEST, 'byte')}", file=path)
    text = bytes(file.read(0, file.size))
    try:
        state = parse_text("CheckpointState", text.removeprefix(b"\xef\xbb\xbf"))
    except CheckpointError as error:
        known = None if is_state_file(text[:HEAD_SIZE]) else describe(text[:HEAD_SIZE])
        error.file = path
        error.advice = f"It is {known[0]}" if known else "Name the checkpoint itself instead"
        raise
    if not state.model_checkpoint_path:
        raise CorruptCheckpointError("names no checkpoint", file=path)
    return State(
        os.fsdecode(state.model_checkpoint_path),
        tuple(os.fsdecode(p) for p in state.all_model_checkpoint_paths),
        tuple(state.all_model_checkpoint_timestamps),
        state.last_preserved_timestamp,
    )
