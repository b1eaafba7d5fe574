"""State files whose paths died when their folder was moved, and their new contents.

Independent of tensors. FORMAT 1.2: TensorFlow follows the paths as written, and does not look
beside the state file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.paths.layout import checkpoint_at
from tfckpt_reader.paths.state_file import (
    State,
    listed_checkpoint,
    prefix_of_file,
    read_state,
    write_state,
)
from tfckpt_reader.storage.file_state import FileState, changed
from tfckpt_reader.storage.filesystem import folder_of, join, state_of
from tfckpt_reader.text import shortened


@dataclass(frozen=True, slots=True)
class Repair:
    """A state file and its new contents."""

    path: str
    """The state file."""
    before: State
    after: State
    changes: tuple[tuple[str, str | None], ...]
    """Each path that changes, and its new one; None for a checkpoint that is gone."""
    signature: FileState | None
    """Of the file that was read."""

    @property
    def needed(self) -> bool:
        """Whether TensorFlow reads the file otherwise than it should."""
        return self.after != self.before

    def write(self) -> None:
        """Write the new contents, atomically. Comments are lost.

        Raises:
            CorruptCheckpointError: the file has changed meanwhile.
            OSError: it cannot be written; the old one is unchanged.
        """
        now = state_of(self.path)
        if now != self.signature:
            raise changed(self.path, self.signature, now)
        write_state(self.path, self.after)


def plan_repair(path: str) -> Repair:
    """Return the new contents of a state file. A path that leads to a checkpoint stays.

    Any other becomes relative to the folder, where its checkpoint lies there. Checkpoints without
    a file in the folder are left out, with their timestamps.

    Raises:
        CheckpointNotFoundError: the newest checkpoint is not in the folder.
        CheckpointError: as for `read_state`.
    """
    signature = state_of(path)
    before = read_state(path)
    found = {written: _found(path, written) for written in (*before.kept, before.newest)}
    newest = found[before.newest]
    if newest is None:
        there = [written for written in before.kept if found[written] is not None]
        raise CheckpointNotFoundError(
            f"the newest checkpoint is not beside it: {shortened(before.newest)}",
            file=path,
            advice=f"Of the kept ones there is {shortened(there[-1])}" if there else None,
        )
    kept = [(n, new) for n, new in enumerate(map(found.__getitem__, before.kept)) if new]
    is_parallel = len(before.timestamps) == len(before.kept)
    times = tuple(before.timestamps[n] for n, _ in kept) if is_parallel else before.timestamps
    after = before._replace(
        newest=newest, kept=tuple(new for _, new in kept), timestamps=times, fault=""
    )
    changes = tuple((old, new) for old, new in found.items() if old != new)
    return Repair(path, before, after, changes, signature)


def _found(path: str, written: str) -> str | None:
    """Return a path in a state file as it should be; None for a checkpoint that is gone."""
    folder = folder_of(path)
    direct = join(folder, written)
    if prefix_of_file(direct) is None and checkpoint_at(direct) is not None:
        return written
    location = listed_checkpoint(path, written)
    return None if location is None else os.path.relpath(location.prefix, folder or ".")
