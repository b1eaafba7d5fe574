"""A saver that keeps the newest checkpoints of a run, as ``tf.train.Saver`` does.

Knows no bytes of tensors. FORMAT 1.2, 8.6; TensorFlow ``python/training/saver.py``.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.paths.state_file import STATE_FILE, State, write_state
from tfckpt_reader.saving.save import save
from tfckpt_reader.storage.writing.atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tfckpt_reader.saving.save import Tensors

_HOUR = 3600
_SHARDS = 2
"""Data files of a sharded save, as of two devices."""


class _Saved(NamedTuple):
    prefix: str
    saved: float
    """Seconds since the epoch."""


class Saver:
    """Saves checkpoints into a folder, and removes the oldest.

    After each save the folder's state file names the newest checkpoint and those that are kept,
    with paths relative to the folder, and their times.

    Args:
        folder: The folder; it exists.
        name: Checkpoints are called ``NAME-STEP``.
        max_to_keep: How many are kept; None or 0 keeps all.
        keep_checkpoint_every_n_hours: Of those to be removed, one is left for each such time.
        sharded: Write two data files.
        latest_filename: Name of the state file.
        pad_step_number: Write steps with eight digits, so that names sort like steps.

    Raises:
        ValueError: `max_to_keep` is negative, or the name of the state file is a path.
    """

    def __init__(  # noqa: PLR0913 - all but two by keyword
        self,
        folder: str | os.PathLike[str],
        name: str = "model.ckpt",
        *,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        sharded: bool = False,
        latest_filename: str = STATE_FILE,
        pad_step_number: bool = False,
    ) -> None:
        if max_to_keep is not None and max_to_keep < 0:
            raise ValueError(f"max_to_keep must not be negative: {max_to_keep}")
        if os.path.split(latest_filename)[0] or not latest_filename:
            raise ValueError(f"latest_filename must be a name without folders: {latest_filename!r}")
        self.folder, self.name = os.fspath(folder), name
        self._most = max_to_keep
        self._period = keep_checkpoint_every_n_hours * _HOUR
        self._next_left = time.time() + self._period
        self._sharded = sharded
        self._latest_filename = latest_filename
        self._pad = pad_step_number
        self._kept: list[_Saved] = []
        self._surplus: list[_Saved] = []

    @property
    def last_checkpoints(self) -> list[str]:
        """Prefixes of the checkpoints that are kept, oldest first."""
        return [each.prefix for each in self._kept]

    def recover_last_checkpoints(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        """Take over the checkpoints of an earlier run, oldest first; absent ones are left out."""
        self._kept = []
        for path in paths:
            prefix = os.fspath(path)
            with suppress(FileNotFoundError):
                self._kept.append(_Saved(prefix, os.stat(f"{prefix}.index").st_mtime))

    def save(
        self,
        tensors: Tensors,
        global_step: int | None = None,
        *,
        meta_graph: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> str:
        """Save tensors, update the state file, and remove what is to go.

        Args:
            tensors: As for `save`.
            global_step: Appended to the name.
            meta_graph: A ``.meta`` file, copied to the checkpoint's.
            options: More arguments for `save`.

        Returns:
            The prefix of the checkpoint.

        Raises:
            ValueError: the checkpoint would have the name of the state file.
            FileNotFoundError: the folder does not exist.
            Exception: as for `save`. State file and older checkpoints are unchanged then.
        """
        prefix = os.path.join(self.folder, self._base_name(global_step))
        options = {"shards": _SHARDS, **options} if self._sharded else options
        save(prefix, tensors, **options)
        self._record(prefix)
        write_state(os.path.join(self.folder, self._latest_filename), self._state(prefix))
        self._remove_oldest()
        if meta_graph is not None:
            with open(meta_graph, "rb") as source, atomic_file(f"{prefix}.meta") as copy:
                shutil.copyfileobj(source, copy)
        return prefix

    def _base_name(self, step: int | None) -> str:
        if step is not None:
            return f"{self.name}-{int(step):0{8 if self._pad else 0}d}"
        if self.name == self._latest_filename and not self._sharded:
            raise ValueError(f"the checkpoint would have the name of the state file: {self.name!r}")
        return self.name

    def _record(self, prefix: str) -> None:
        if not self._most:
            return
        self._kept = [each for each in self._kept if each.prefix != prefix]
        self._kept.append(_Saved(prefix, time.time()))
        if len(self._kept) > self._most:
            self._surplus.append(self._kept.pop(0))

    def _state(self, newest: str) -> State:
        kept = self._kept or [_Saved(newest, time.time())]
        return State(
            os.path.relpath(newest, self.folder),
            tuple(os.path.relpath(each.prefix, self.folder) for each in kept),
            tuple(each.saved for each in kept),
            self._next_left - self._period,
        )

    def _remove_oldest(self) -> None:
        if not self._surplus:
            return
        oldest = self._surplus.pop(0)
        if oldest.saved > self._next_left:
            self._next_left += self._period
        else:
            remove_checkpoint(oldest.prefix)


def remove_checkpoint(prefix: str) -> None:
    """Remove the files of a V2 checkpoint, its graph too. What is absent, or cannot be, is left."""
    data = [shard_path(prefix, n, count) for count, ns in shard_counts(prefix).items() for n in ns]
    for path in (f"{prefix}.meta", f"{prefix}.index", *data):
        with suppress(OSError):
            os.unlink(path)
