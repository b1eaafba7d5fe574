"""A hostile checkpoint, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import writers as w

from tfckpt_reader.errors import (
    CheckpointError,
    CorruptCheckpointError,
)

ml_dtypes = pytest.importorskip("ml_dtypes", reason="some cases hold types that NumPy lacks")

Files: TypeAlias = dict[str, bytes]
Edit: TypeAlias = Callable[[w.Rows], w.Rows]
_PLAIN = str.maketrans("?", "x")
DATA = ".data-00000-of-00001"
WHOLE = (0, -1)


@dataclass(frozen=True)
class Fails:
    """Ends in an exception of this very class, with these words in its message."""

    kind: type[CheckpointError]
    says: str


@dataclass(frozen=True)
class Case:
    """One checkpoint.

    Args:
        group: number in the list of hostile input.
        name: of the case, and of its folder.
        change: which byte or field differs from a good checkpoint.
        files: relative path to contents.
        values: name to the exact value of what must be read, a test of it, or how reading it fails.
        opening: how `open` fails, None if it must not.
        listing: how listing fails, None if it must give the names of `values`, in order.
        path: what to open, below the folder.
        note: words that must be in the checkpoint's notes.
        arrange: does what contents cannot say: links, pipes, sparse files.
        stricter: why less is read than TensorFlow reads, where that is so.
        waits: whether TensorFlow waits for ever, and so is not asked.
        measured: what TensorFlow 2.21 did when the list was made, if it was measured then.
    """

    group: int
    name: str
    change: str
    files: Files
    values: Mapping[str, Any] = field(default_factory=dict)
    opening: Fails | None = None
    listing: Fails | None = None
    path: str = "x"
    note: str = ""
    arrange: Callable[[Path], None] | None = None
    stricter: str = ""
    waits: bool = False
    measured: str = ""

    def write(self, folder: Path) -> Path:
        """Write the files, and return what to open."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
        if self.arrange:
            self.arrange(folder)
        return folder / self.path if self.path else folder


def corrupt(says: str) -> Fails:
    return Fails(CorruptCheckpointError, says)
