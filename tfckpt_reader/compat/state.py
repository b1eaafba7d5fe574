"""State files and the checkpoints that they name, by TensorFlow's functions.

TensorFlow ``python/checkpoint/checkpoint_management.py``, ``python/training/checkpoint_utils.py``.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.compat.errors import DataLossError, translated
from tfckpt_reader.compat.gfile import local_path
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.paths.layout import v1_shards
from tfckpt_reader.paths.listing import V1_SHARD
from tfckpt_reader.paths.state_file import STATE_FILE, State, format_state, load_state
from tfckpt_reader.storage.filesystem import exists, modified_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

logger = logging.getLogger("tensorflow")
"""TensorFlow's own, which scripts set to be silent."""


@dataclass
class CheckpointState:
    """Contents of a state file. Its text is that of the file."""

    model_checkpoint_path: str = ""
    """The newest checkpoint."""
    all_model_checkpoint_paths: list[str] = field(default_factory=list)
    """All kept checkpoints, oldest first."""
    all_model_checkpoint_timestamps: list[float] = field(default_factory=list)
    """Seconds since the epoch, parallel to the paths or empty."""
    last_preserved_timestamp: float = 0.0
    """Seconds since the epoch."""

    def __str__(self) -> str:
        return format_state(
            State(
                self.model_checkpoint_path,
                tuple(self.all_model_checkpoint_paths),
                tuple(self.all_model_checkpoint_timestamps),
                self.last_preserved_timestamp,
            )
        )

    __repr__ = __str__


def get_checkpoint_state(
    checkpoint_dir: str | os.PathLike[str], latest_filename: str | None = None
) -> CheckpointState | None:
    """Return the contents of a folder's state file, with its paths joined to the folder.

    The result is None for a missing file, and for one that TensorFlow cannot parse.

    Raises:
        DataLossError: a ValueError; the file names no checkpoint, or is not UTF-8.
    """
    folder = os.fspath(checkpoint_dir)
    path = os.path.join(folder, latest_filename or STATE_FILE)
    if not exists(local_path(path)):
        return None
    try:
        state = load_state(local_path(path))
    except CheckpointError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            with translated():
                raise
        _warn(path, str(error))
        return None
    if state.fault:
        _warn(path, state.fault)
        return None
    if not state.newest:
        raise DataLossError(f"Invalid checkpoint state loaded from {folder}", file=path)
    # An absolute path stays as it is.
    return CheckpointState(
        os.path.join(folder, state.newest),
        [os.path.join(folder, kept) for kept in state.kept],
        list(state.timestamps),
        state.last_preserved,
    )


def _warn(path: str, why: str) -> None:
    logger.warning("%s: Checkpoint ignored: %s", path, why)


def latest_checkpoint(
    checkpoint_dir: str | os.PathLike[str], latest_filename: str | None = None
) -> str | None:
    """Return the newest checkpoint that a folder's state file names, if it exists.

    Raises:
        DataLossError: as for `get_checkpoint_state`.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    if checkpoint_exists(state.model_checkpoint_path):
        return state.model_checkpoint_path
    logger.error("Couldn't match files for checkpoint %s", state.model_checkpoint_path)
    return None


def _file_of(prefix: str) -> str | None:
    """Return the first file by which TensorFlow sees that a checkpoint exists, V2 or V1."""
    path = local_path(prefix)
    for candidate in (f"{path}.index", path):
        if exists(candidate):
            return candidate
    is_pattern = V1_SHARD.fullmatch(path) and "?" in path
    shards = v1_shards(path) if is_pattern else None
    return shards.files[0] if shards else None


def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Return whether a V2 or V1 checkpoint has this prefix."""
    return _file_of(checkpoint_prefix) is not None


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[str]) -> list[float]:
    """Return the times of the last change of those that exist, in whole seconds since the epoch."""
    return [float(int(modified_time(path))) for path in map(_file_of, checkpoint_prefixes) if path]


def checkpoints_iterator(
    checkpoint_dir: str | os.PathLike[str],
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Yield the newest checkpoint of a folder again and again, each when it is new.

    Args:
        checkpoint_dir: The folder.
        min_interval_secs: Least time between two results.
        timeout: Seconds to wait for a new one; None for ever.
        timeout_fn: Asked after each result and each timeout whether to end.
    """
    last = None
    while True:
        newest = wait_for_new_checkpoint(checkpoint_dir, last, timeout=timeout)
        if newest is None and timeout_fn is None:
            logger.info("Timed-out waiting for a checkpoint (without timeout_fn).")
            return
        if newest is not None:
            start = time.time()
            last = newest
            yield newest
            time.sleep(max(0.0, start + min_interval_secs - time.time()))
        if timeout_fn is not None and timeout_fn():
            logger.info("Done. No new checkpoints will be generated.")
            return


def wait_for_new_checkpoint(
    checkpoint_dir: str | os.PathLike[str],
    last_checkpoint: str | None = None,
    seconds_to_sleep: float = 1,
    timeout: float | None = None,
) -> str | None:
    """Return a folder's newest checkpoint once it is another than the last; None at the timeout."""
    end = None if timeout is None else time.time() + timeout
    while True:
        newest = latest_checkpoint(checkpoint_dir)
        if newest is not None and newest != last_checkpoint:
            logger.info("Found new checkpoint at %s", newest)
            return newest
        if end is not None and time.time() + seconds_to_sleep > end:
            return None
        time.sleep(seconds_to_sleep)
