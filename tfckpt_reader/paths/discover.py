"""All checkpoints below a folder, and notes about files that only resemble them.

Independent of tensors. Each folder is listed once; of a file, at most the first bytes, the footer
and the header row are read.

Links to folders are not followed: their targets lie below the same top, or a note names them. V1
checkpoints have no ending of their own. So a table counts as one by its contents, and a truncated
one by the graph of a V1 saver beside it; LevelDB writes tables too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.paths.companions import SAVED_MODEL_FILES, saved_model_variables
from tfckpt_reader.paths.layout import (
    OWN_FILE,
    UNFINISHED,
    UNMERGED_FOLDER,
    UNMERGED_PART,
    Location,
    is_copied,
    is_foreign,
    is_index,
    is_table,
    v1_pattern,
    v1_shards,
)
from tfckpt_reader.paths.listing import DATA_FILE, listed_once, parse_v1_shard, remember
from tfckpt_reader.paths.saver import saver_version, writes_v1
from tfckpt_reader.paths.state_file import STATE_FILE
from tfckpt_reader.storage.filesystem import (
    FolderEntry,
    absolute_path,
    identity_of,
    is_file,
    is_permitted,
    join,
    list_entries,
    real_path,
    size_of,
)
from tfckpt_reader.storage.sniff import is_state_file, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_SEARCHED = frozenset(
    {".git", ".svn", ".hg", "__MACOSX", ".ipynb_checkpoints", ".stversions", ".Trash", ".Trashes"}
    | {"$RECYCLE.BIN", "@eaDir", ".AppleDouble", ".dropbox.cache"}
)
"""Folders of other programs, with copies of files: Git's have other names, those of Jupyter and
macOS lie beside their originals."""
_NOT_V1 = (".ldb", ".sst", ".index")
"""Endings of tables in LevelDB and RocksDB, and of V2 indexes."""
_MOST_NOTES = 50
_MOST_NAMED = 3


@dataclass(slots=True)
class Discovery:
    """Results of a search; each list is in the order of names."""

    checkpoints: list[tuple[Location, int]] = field(default_factory=list)
    """Each with the bytes of its data files, or of its V1 files."""
    state_files: list[str] = field(default_factory=list)
    """Paths of the files named `checkpoint`, and of those that begin as one does."""
    models: list[str] = field(default_factory=list)
    """Folders of SavedModels without variables."""
    without_index: list[str] = field(default_factory=list)
    """Prefixes of data files without an index."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Folders that could not be listed, and the reasons."""
    notes: list[str] = field(default_factory=list)
    """Skipped files and links, a line each."""

    def note(self, text: str) -> None:
        """Add a note, up to a limit."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append("… and more was skipped")


@listed_once()
def discover(top: str) -> Discovery:
    """Return all checkpoints in a folder and the folders below it."""
    result = Discovery()
    for folder, files in walk(top, result):
        listing = remember(folder, files)
        if not set(SAVED_MODEL_FILES).isdisjoint(files):
            variables = saved_model_variables(folder)
            result.models += [] if variables else [folder]
            for note in variables.notes if variables else ():
                result.note(note)
        names = _finished(folder, listing.names, result)
        if hidden := listing.hidden():
            shown = ", ".join(hidden[:_MOST_NAMED]) + (" …" if hidden[_MOST_NAMED:] else "")
            result.note(f"{folder}: copies that other programs left were skipped: {shown}")
        sizes = _data_sizes(folder, names)
        _add_v2(folder, names, sizes, result)
        tables = _add_v1(folder, names, result)
        without_index = sorted(sizes.keys() - _bases(names))
        for prefix in (join(folder, base) for base in without_index):
            if is_copied(prefix):
                result.note(f"{prefix}.data-… was skipped: it is a copy, and has no index")
            else:
                result.without_index.append(prefix)
        _add_small_files(folder, names, tables, result)
    result.checkpoints.sort(key=lambda pair: pair[0].prefix)
    return result


def walk(top: str, result: Discovery) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder and the names of everything in it but folders, parents first, sorted.

    Unreadable folders, and links that lead out of `top`, are added to `result`.
    """
    pending, seen = [top], set()
    inside = join(real_path(top), "")
    while pending:
        folder = pending.pop()
        try:
            identity = identity_of(folder)
            if identity is not None and identity in seen:
                continue  # mounted, or joined on Windows, at two paths
            seen.add(identity)
            entries = list_entries(folder)
        except OSError as error:
            result.unreadable.append((folder, error.strerror or str(error)))
            continue
        files, inner = [], []
        for entry in entries:
            if not _is_folder(entry):
                files.append(entry.name)
            elif entry.is_symlink():
                if not join(real_path(entry.path), "").startswith(inside):
                    link = f"{entry.path} leads out of {top}"
                    result.note(f"{link} and was not followed: pass it too")
            elif entry.name not in _NOT_SEARCHED:
                inner.append(entry.path)
        pending += reversed(inner)
        yield folder, files


def _is_folder(entry: FolderEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _finished(folder: str, names: list[str], result: Discovery) -> list[str]:
    """Return the names without those of a save that is under way or was aborted."""
    is_unmerged = UNMERGED_FOLDER.fullmatch(os.path.basename(absolute_path(folder)))
    finished = [
        name
        for name in names
        if not (
            UNFINISHED.fullmatch(name)
            or (is_unmerged and UNMERGED_PART.fullmatch(name.partition(".")[0]))
        )
    ]
    if len(finished) < len(names):
        result.note(f"{folder}: files of an unfinished save were skipped")
    return finished


def _data_sizes(folder: str, names: list[str]) -> dict[str, int]:
    """Return base name -> bytes of its V2 data files."""
    sizes: dict[str, int] = {}
    for match in filter(None, map(DATA_FILE.fullmatch, names)):
        sizes[match[1]] = sizes.get(match[1], 0) + size_of(join(folder, match[0]))
    return sizes


def _bases(names: list[str]) -> list[str]:
    """Return the base names of all indexes."""
    return [name.removesuffix(".index") for name in names if name.endswith(".index")]


def _add_v2(folder: str, names: list[str], sizes: dict[str, int], result: Discovery) -> None:
    for base in _bases(names):
        prefix = join(folder, base)
        if is_index(prefix):
            result.checkpoints.append((Location("V2", prefix), sizes.get(base, 0)))
        else:
            note = "was skipped: it has no data beside it, and is a copy or no index"
            result.note(f"{prefix}.index {note}")


def _add_v1(folder: str, names: list[str], result: Discovery) -> set[str]:
    """Add V1 checkpoints; return the names of their files."""
    sets: set[str] = set()
    existing, added = set(names), set()
    for name in names:
        path = join(folder, name)
        if name.endswith(_NOT_V1) or DATA_FILE.fullmatch(name):
            continue
        shard = parse_v1_shard(path)
        if shard:
            sets.add(v1_pattern(shard[0], shard[2]))
        elif not (is_table(path) or _was_v1(path, existing)):
            if is_file(path) and not is_permitted(path):
                result.note(f"{path} cannot be opened: is it a checkpoint?")
        elif is_foreign(path):
            result.note(f"{path} was skipped: a table, but not of a V1 checkpoint")
        else:
            added.add(name)
            result.checkpoints.append((Location("V1", path, (path,)), size_of(path)))
    for location in filter(None, map(v1_shards, sorted(sets))):
        added.update(os.path.basename(path) for path in (*location.files, location.base))
        result.checkpoints.append((location, sum(map(size_of, location.files))))
    return added


def _was_v1(path: str, existing: set[str]) -> bool:
    """Return whether the graph beside a damaged file is that of a V1 checkpoint."""
    name = os.path.basename(path)
    has_graph = f"{name}.meta" in existing and f"{name}.index" not in existing
    return has_graph and writes_v1(f"{path}.meta")


def _add_small_files(folder: str, names: list[str], tables: set[str], result: Discovery) -> None:
    """Add state files, by any name; note graphs of no checkpoint."""
    owned = tables | set(_bases(names))
    for name in names:
        path = join(folder, name)
        own = OWN_FILE.fullmatch(name)
        if name == STATE_FILE:
            result.state_files.append(path)
        elif own and own[2] == "meta":
            if own[1] not in owned and saver_version(path) is not None:
                result.note(f"{path} is a graph without a checkpoint of its name")
        elif not (own or name in tables) and is_state_file(read_head(path)):
            result.state_files.append(path)
