"""Files that change while they are read: their states before and after, and one more reading.

Independent of contents. A checkpoint can be saved again, under the same names, at any time. Then
index and data of two saves are read together, and no error about their bytes means anything.

TensorFlow renames the data files first, and then writes the index in place. Meanwhile the folder
or the file that the save was written to lies beside them: `Unchanged.settle` waits for its end.
"""

from __future__ import annotations

import re
import time
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    ErrorKind,
    enough_memory,
)
from tfckpt_reader.paths.layout import tensor_files
from tfckpt_reader.storage.answers import asked_anew
from tfckpt_reader.storage.file_state import FileState, changed
from tfckpt_reader.storage.filesystem import (
    join,
    list_names,
    path_of,
    portable_path,
    split,
    state_of,
    states_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.storage.file_state import FileState

_Result = TypeVar("_Result")
_LONGEST_SAVE = 2.0
"""Seconds to wait for a save to end."""
_STEP = 0.02
_UNFINISHED = re.compile(r"_temp(_[0-9a-f]{32})?|\.(index|data-\d{5,}-of-\d{5,})\.tempstate\d+")
"""Ending, behind the prefix, of a folder or a file of a save that did not end yet."""
_ABANDONED = 3600
"""Seconds after which a save that left its files is not going on."""


class Unchanged:
    """The states of the files of a checkpoint now, to be required later.

    Args:
        location: The checkpoint.
        others: More files of interest.
        earlier_change: What changed during an earlier reading: other errors may come of it, too.
        files: Instead of all its files with tensors: `watch` takes more.
    """

    def __init__(
        self,
        location: Location,
        others: Iterable[str] = (),
        earlier_change: CorruptCheckpointError | None = None,
        files: Iterable[str] | None = None,
    ) -> None:
        self._before: dict[str, FileState | None] = {}
        self.watch(tensor_files(location) if files is None else files)
        self.watch(others)
        self._prefix = location.base
        self.earlier_change = earlier_change

    def watch(self, files: Iterable[str]) -> None:
        """Take the state of more files now."""
        self._before.update({path: state_of(path) for path in files if path not in self._before})

    def require(self, error: CheckpointError | None = None, *, pinned: bool = False) -> None:
        """Require that each file is the same as before, with the same size and time.

        Args:
            error: What a change would explain: its class and its tensor stay.
            pinned: Enough that what was read is the same: see `states_of`.

        Raises:
            CorruptCheckpointError: one is not, of kind CHANGED.
        """
        states = states_of(self._before, pinned=pinned)
        for path, before in self._before.items():
            now = states[path]
            if now != before:
                change = changed(path, before, now)
                if isinstance(error, CorruptCheckpointError):
                    change.__class__, change.tensor = type(error), error.tensor
                raise change

    def settle(self, error: CheckpointError | None = None) -> None:
        """Require that nothing changed, and that no save is going on: one may end meanwhile.

        Raises:
            CorruptCheckpointError: as for `require`.
        """
        end = time.monotonic() + _LONGEST_SAVE
        while True:
            is_saved = _is_saved_now(self._prefix)
            self.require(error)
            if not is_saved or time.monotonic() > end:
                return
            time.sleep(_STEP)

    def explain(self, error: CheckpointError) -> None:
        """Raise the error of `settle` in place of another one, if there is a change."""
        if error.kind not in (ErrorKind.CHANGED, ErrorKind.UNREACHABLE):
            self.settle(error)

    def records(self) -> tuple[FileRecord, ...]:
        """Return the states as plain values, by path."""
        states = ((path, state) for path, state in sorted(self._before.items()) if state)
        return tuple(FileRecord.of(path, state) for path, state in states)

    @property
    def is_there(self) -> bool:
        """Whether all files that existed before exist now."""
        now = states_of(self._before)
        return all(before is None or now[path] for path, before in self._before.items())


class FileRecord(NamedTuple):
    """A file as one process saw it, for another to require: plain values.

    The identity of a local file does not count: another machine may have its own for a shared one.
    """

    place: tuple[str, object]
    """Of `portable_path`."""
    size: int
    """Bytes; -1 for no file."""
    modified: int
    """Time of the last change, in nanoseconds since the epoch."""
    tag: str | None
    """Of an object."""

    @classmethod
    def of(cls, path: str, state: FileState | None) -> FileRecord:
        """Return the record of a file in a state."""
        if state is None:
            return cls(portable_path(path), -1, 0, None)
        tag = state.identity if isinstance(state.identity, str) else None
        return cls(portable_path(path), state.size, state.modified, tag)


def require_same(files: Iterable[FileRecord]) -> None:
    """Require that this process sees files as another one saw them.

    Raises:
        CheckpointNotFoundError: it does not see one of them.
        CorruptCheckpointError: one is another, of kind CHANGED.
    """
    records = {path_of(*file.place): file for file in files}
    states = states_of(records)
    for path, before in records.items():
        now = states[path]
        if now is None:
            raise CheckpointNotFoundError(
                "this process sees no such file, unlike the one that opened it",
                file=path,
                advice="Put it where all processes see it under the same path",
            )
        if FileRecord.of(path, now) != before:
            expected = now._replace(size=before.size, modified=before.modified)
            raise changed(path, expected._replace(identity=before.tag or now.identity), now)


class Snapshot(NamedTuple):
    """A checkpoint and the states of its files, as plain values for another process."""

    location: Location
    files: tuple[FileRecord, ...]


class Guard:
    """Explains errors of a reader by their cause: too little memory, or files that changed.

    Args:
        location: The checkpoint.
        files: As for `Unchanged`.
    """

    def __init__(self, location: Location, files: Iterable[str] | None = None) -> None:
        self.location = location
        self._files = Unchanged(location, files=files)
        self._memory = enough_memory(location.first_file)
        self.watch = self._files.watch

    def confirm(self, *, checked: bool) -> None:
        """Require that nothing changed, unless a crc would give bytes of another save away."""
        if not checked:
            self._files.require(pinned=True)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files, in the states that are required."""
        return Snapshot(self.location, self._files.records())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, CheckpointError):
            self._files.explain(error)
        self._memory.__exit__(kind, error, trace)


def _is_saved_now(prefix: str) -> bool:
    """Return whether the files of an unfinished save under this prefix are there, and new."""
    folder, base = split(prefix)
    for name in list_names(folder):
        if name.startswith(base) and _UNFINISHED.fullmatch(name, len(base)):
            state = state_of(join(folder, name))
            if state is not None and abs(time.time() - state.modified / 1e9) < _ABANDONED:
                return True
    return False


def read_unchanged(
    location: Location, read: Callable[[Unchanged], _Result], others: Iterable[str] = ()
) -> _Result:
    """Return the result of `read`, from files that did not change; on a change, read once more.

    Args:
        location: The checkpoint.
        read: Reads it. It can require that nothing changed, before it hands anything out.
        others: More files that it reads.

    Raises:
        CorruptCheckpointError: they changed, and could not be read without an error once more, or
            one is gone; of kind CHANGED.
        CheckpointError: any other error of `read`, if nothing changed.
    """
    before = Unchanged(location, others)
    try:
        return _read(read, before)
    except CorruptCheckpointError as error:
        if error.kind is not ErrorKind.CHANGED or not before.is_there:
            raise
        change = error
    try:
        with asked_anew():
            return _read(read, Unchanged(location, others, change))
    except CheckpointError:
        raise change from None


def _read(read: Callable[[Unchanged], _Result], before: Unchanged) -> _Result:
    try:
        result = read(before)
    except CheckpointError as error:
        before.explain(error)
        raise
    before.require()
    return result
