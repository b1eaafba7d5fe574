"""All checkpoints below a folder, and what there looks like one but is not.

Knows no tensor. Each folder is listed once; of a file, at most its footer and the row of
the header are read.

Links to folders are not followed: what they lead to lies below the folder anyway, or else is said
in a note. A table is taken for a V1 checkpoint by its contents, since those have no name of their
own, or by the graph beside it where it was cut off; a LevelDB is such a table too. An ``.index``
file is one of ours if it ends as a table does, is named as ours are, or has a file of a checkpoint
beside it: other tools write such names as well.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, enough_memory
from tfckpt_reader.paths.companions import SAVED_MODEL_FILES, saved_model_of
from tfckpt_reader.paths.layout import (
    DATA_FILE,
    UNFINISHED,
    V1_SHARD,
    Location,
    is_table,
    size_of,
    v1_set_at,
    v2_at,
)
from tfckpt_reader.paths.state_file import STATE_FILE
from tfckpt_reader.storage.local import File
from tfckpt_reader.table.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_SEARCHED = frozenset({".git"})
"""Git's own copies of files have no names by which a checkpoint could be told."""
_NO_CHECKPOINTS = (".ldb", ".sst", ".index")
"""Tables of LevelDB and RocksDB; and V2 indexes, which are told by their names."""
_PARTS_FOLDER = re.compile(r"(?s).*_temp(_[0-9a-f]{32})?")
_PART = re.compile(r"part-\d{5,}-of-\d{5,}(\.index|\.data-\d{5,}-of-\d{5,})")
_V2_HEADER_STARTS = (b"", b"\x08", b"\x10", b"\x1a")
"""First byte of a BundleHeader: its fields are 1 to 3; a SavedTensorSlices begins with none."""
_MOST_NOTES = 50


@dataclass(slots=True)
class Found:
    """What a search came upon; each list is in the order of names."""

    checkpoints: list[tuple[Location, int]] = field(default_factory=list)
    """With the bytes of their data files, or of the V1 files."""
    states: list[str] = field(default_factory=list)
    """Paths of the files named `checkpoint`."""
    models: list[str] = field(default_factory=list)
    """Folders of SavedModels in which no variables are."""
    lost: list[str] = field(default_factory=list)
    """Prefixes of data files whose index is not beside them."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Folders that could not be listed, and why."""
    notes: list[str] = field(default_factory=list)
    """What was left aside, a line each."""
    folders: int = 0

    def note(self, text: str) -> None:
        """Add a note, but not thousands of them."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append("… and more was left aside")


def search(top: str) -> Found:
    """Find all checkpoints in a folder and the folders below it."""
    found = Found()
    for folder, everything in _folders(top, found):
        found.folders += 1
        there = set(everything)
        if STATE_FILE in there:
            found.states.append(os.path.join(folder, STATE_FILE))
        if there.intersection(SAVED_MODEL_FILES) and not _has_variables(folder):
            found.models.append(folder)
        names = _finished(folder, everything, found)
        sizes = _data_sizes(folder, names)
        _add_v2(folder, names, sizes, found)
        _add_v1(folder, names, found)
        found.lost += sorted(
            os.path.join(folder, base) for base in sizes if f"{base}.index" not in there
        )
    found.checkpoints.sort(key=lambda pair: pair[0].prefix)
    return found


def _folders(top: str, found: Found) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder and the names of the files in it, sorted, parents first."""
    pending, seen = [top], set()
    whole = os.path.join(os.path.realpath(top), "")
    while pending:
        folder = pending.pop()
        try:
            status = os.stat(folder)
            if status.st_ino and (status.st_dev, status.st_ino) in seen:
                continue  # mounted, or joined on Windows, in two places
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            found.unreadable.append((folder, error.strerror or str(error)))
            continue
        inner, names = [], []
        for entry in entries:
            kind = _kind(entry)
            if kind == "link" and not _inside(entry.path, whole):
                found.note(f"{entry.path} leads out of {top} and was not followed: name it too")
            elif kind == "folder" and entry.name not in _NOT_SEARCHED:
                inner.append(os.path.join(folder, entry.name))
            elif kind == "file":
                names.append(entry.name)
        pending += reversed(inner)
        yield folder, names


def _inside(link: str, whole: str) -> bool:
    return os.path.join(os.path.realpath(link), "").startswith(whole)


def _kind(entry: os.DirEntry[str]) -> str:
    """Return "folder", "link" for a link to a folder, or "file" for whatever else."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "link" if entry.is_dir() else "file"
    except OSError:  # a link that leads to itself
        return "file"


def _finished(folder: str, names: list[str], found: Found) -> list[str]:
    """Leave out what a save that never ended, or has not yet, leaves behind."""
    parts = _PARTS_FOLDER.fullmatch(os.path.basename(folder))
    kept = [
        name
        for name in names
        if not (UNFINISHED.fullmatch(name) or (parts and _PART.fullmatch(name)))
    ]
    if len(kept) < len(names):
        found.note(f"{folder}: files of a save that never ended, or goes on, were left aside")
    return kept


def _data_sizes(folder: str, names: list[str]) -> dict[str, int]:
    """Return base name -> bytes of its V2 data files."""
    sizes: dict[str, int] = {}
    for name in names:
        match = DATA_FILE.fullmatch(name)
        if match:
            path = os.path.join(folder, name)
            sizes[match[1]] = sizes.get(match[1], 0) + size_of(path)
    return sizes


def _add_v2(folder: str, names: list[str], sizes: dict[str, int], found: Found) -> None:
    there = set(names)
    for name in names:
        if not name.endswith(".index"):
            continue
        base = name.removesuffix(".index")
        prefix = os.path.join(folder, base)
        has_company = base in sizes or f"{base}.meta" in there
        is_named_so = "ckpt" in base or saved_model_of(prefix) is not None
        if has_company or is_named_so or is_table(f"{prefix}.index"):
            found.checkpoints.append((Location("V2", prefix), sizes.get(base, 0)))
        else:
            note = "was left aside: no index of a checkpoint, and no data beside it"
            found.note(f"{prefix}.index {note}")


def _has_variables(model: str) -> bool:
    prefix = os.path.join(model, "variables", "variables")
    return v2_at(prefix) is not None or v1_set_at(prefix) is not None


def _add_v1(folder: str, names: list[str], found: Found) -> None:
    sets: set[str] = set()
    there = set(names)
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(_NO_CHECKPOINTS) or DATA_FILE.fullmatch(name):
            continue
        match = V1_SHARD.fullmatch(path)
        if match and match[2].isdigit() and match[3].isdigit():
            sets.add(f"{match[1]}-?????-of-{match[3]}")
        elif not (is_table(path) or _was_v1(name, there)):
            if os.path.isfile(path) and not os.access(path, os.R_OK):
                found.note(f"{path} cannot be opened: is it a checkpoint?")
        elif _is_foreign(path):
            found.note(f"{path} was left aside: a table, but not that of a V1 checkpoint")
        else:
            found.checkpoints.append((Location("V1", path, (path,)), size_of(path)))
    for pattern in sorted(sets):
        location = v1_set_at(pattern)
        if location is not None:
            found.checkpoints.append((location, sum(map(size_of, location.files))))


def _was_v1(name: str, there: set[str]) -> bool:
    """Tell a file whose graph lies beside it: it is one that was cut off."""
    return f"{name}.meta" in there and f"{name}.index" not in there


def _is_foreign(path: str) -> bool:
    """Tell whether a table is that of something else: it has no header, or that of a V2 index.

    A damaged one may well be a V1 checkpoint, and counts as one.
    """
    try:
        with enough_memory(path):
            header = Table(File(path)).get(b"")
    except CheckpointError:
        return False
    return header is None or bytes(header[:1]) in _V2_HEADER_STARTS
