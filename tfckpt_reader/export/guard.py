"""The checkpoint's own files: never written over, and the same at the end as at the beginning.

Looks at names, sizes and times only.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.paths.companions import SAVED_MODEL_FILES
from tfckpt_reader.paths.layout import shard_counts, shard_path
from tfckpt_reader.paths.state_file import STATE_FILE
from tfckpt_reader.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.paths.layout import Location

    FileStates = dict[str, tuple[int, int]]
    """Path -> bytes, and nanoseconds of the last change."""

_OWN_END = r"\.index|\.meta|\.data-\d+-of-\d+"


def public_name(location: Location) -> str:
    """Return what to call a checkpoint in a file that others get: no part of a path before it."""
    model = _saved_model(location)
    return printable(os.path.basename(model or os.path.abspath(location.prefix)))


def file_states(location: Location) -> FileStates:
    """Return how large the files of a checkpoint are, and when they were changed."""
    found: FileStates = {}
    for path in _files(location):
        try:
            stat = os.stat(path)
        except OSError:
            continue  # whoever needs it will say so
        found[path] = stat.st_size, stat.st_mtime_ns
    return found


def require_unchanged(location: Location, before: FileStates) -> None:
    """Make sure that a checkpoint's files are what they were when they were first looked at.

    Raises:
        CorruptCheckpointError: one has another size or time, is gone, or is new.
    """
    now = file_states(location)
    for path in sorted(before.keys() | now.keys()):
        if before.get(path) != now.get(path):
            raise CorruptCheckpointError(
                "the file has changed while it was read",
                file=path,
                expected=_text(before.get(path)),
                got=_text(now.get(path)),
                advice="Wait until whoever writes it is done, and try again",
            )


def _text(state: tuple[int, int] | None) -> str:
    return "no file" if state is None else f"{state[0]:,} bytes, changed at {state[1] / 1e9:.3f} s"


def require_outside(location: Location, target: str) -> None:
    """Refuse a target that would spoil the checkpoint it is made from.

    Raises:
        FileExistsError: it is one of the checkpoint's files, by whatever name, or takes the name
            of one, or lies in the SavedModel that is read.
    """
    real = _real(target)
    model = _saved_model(location)
    if model is not None and real.startswith(os.path.join(os.path.realpath(model), "")):
        raise FileExistsError(f"{target} lies in the SavedModel that is read; name another place")
    own = f"{re.escape(_real(location.prefix))}({_OWN_END})"
    if location.version == "V2" and re.fullmatch(own, real):
        raise FileExistsError(f"{target} is a name of the checkpoint's own; name another file")
    for path in (*_files(location), *_companions(location)):
        try:
            same = os.path.samefile(target, path)
        except OSError:
            continue  # one of them is not there
        if same:
            raise FileExistsError(f"{target} is the checkpoint itself; name another file")


def _real(path: str) -> str:
    """Return a path with no link in it but its last part, since it is that which is replaced."""
    folder, base = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), base)


def _files(location: Location) -> Iterator[str]:
    """Yield the paths of the files that hold the tensors."""
    if location.version == "V1":
        yield from location.files
        return
    yield location.prefix + ".index"
    for count, numbers in sorted(shard_counts(location.prefix).items()):
        yield from (shard_path(location.prefix, number, count) for number in sorted(numbers))


def _companions(location: Location) -> Iterator[str]:
    """Yield the paths of files that go with them."""
    yield location.prefix + ".meta"
    yield os.path.join(os.path.dirname(location.prefix), STATE_FILE)


def _saved_model(location: Location) -> str | None:
    """Return the folder of the SavedModel whose variables these are, if they are one's."""
    inner = os.path.dirname(os.path.abspath(location.prefix))
    model = os.path.dirname(inner)
    if os.path.basename(inner) != "variables":
        return None
    found = (os.path.isfile(os.path.join(model, name)) for name in SAVED_MODEL_FILES)
    return model if any(found) else None
