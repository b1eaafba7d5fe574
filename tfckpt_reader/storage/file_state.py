"""The state of a file: what differs after a change of its contents.

Independent of where the file lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    import os


class FileState(NamedTuple):
    """Attributes of a file that differ after a change of its contents."""

    size: int
    """Bytes."""
    modified: int
    """Time of the last change, in nanoseconds since the epoch; of an object with a tag 0."""
    identity: object
    """Of the file itself, under whatever name: a replacement has another one. Of an object its
    tag (ETag)."""

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """Return the state in a result of ``os.stat``. Links and permissions do not count."""
        return cls(status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino))


def changed(path: str, before: FileState | None, now: FileState | None) -> CorruptCheckpointError:
    """Return the error for a file that changed while it was read."""
    replaced = before and now and before.identity != now.identity
    return CorruptCheckpointError(
        f"the file has changed while it was read{': it was replaced' * bool(replaced)}",
        kind=ErrorKind.CHANGED,
        file=path,
        expected=_text(before),
        got=_text(now),
        advice="Wait until its writer is done, and try again",
    )


def _text(state: FileState | None) -> str:
    if state is None:
        return "no file"
    size = count_of(state.size, "byte")
    if not state.modified:
        return f"{size}, tag {state.identity}"
    return f"{size}, changed at {state.modified / 1e9:.3f} s"
