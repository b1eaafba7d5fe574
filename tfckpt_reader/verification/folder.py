"""Verify all checkpoints below a folder, and the names in its state files.

Parses nothing itself. Small checkpoints are verified several at once, to hide the time for opening
files on slow storage; a large one keeps all processors busy by itself.
"""

from __future__ import annotations

import os
from contextlib import closing
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, CorruptCheckpointError
from tfckpt_reader.objects.selection import Selection, words
from tfckpt_reader.paths.companions import graph_file_of, saved_model_prefix
from tfckpt_reader.paths.discover import Discovery, discover
from tfckpt_reader.paths.layout import Location, unmerged_save
from tfckpt_reader.paths.listing import listed_once
from tfckpt_reader.paths.state_file import candidates, last_component, prefix_of_file, read_state
from tfckpt_reader.storage.filesystem import (
    absolute_path,
    exists,
    folder_of,
    is_file,
    is_folder,
    is_url,
    join,
    path_of,
    portable_path,
    size_of,
)
from tfckpt_reader.storage.sniff import describe, is_state_file, read_head
from tfckpt_reader.storage.workers import MOST_THREADS, WORTH_THREADS, current_spread, each
from tfckpt_reader.text import count_of, shortened
from tfckpt_reader.verification.checkpoint import verify
from tfckpt_reader.verification.checks.restored_keys import check_without_index
from tfckpt_reader.verification.codes import require_level
from tfckpt_reader.verification.findings import MOST_PROBLEMS, Findings
from tfckpt_reader.verification.report import Report
from tfckpt_reader.verification.roles import of_roles, require_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfckpt_reader.progress import Progress
    from tfckpt_reader.storage.workers import Spread

_LEAST_KEPT = 10
"""Problems reported per checkpoint, however many checkpoints there are."""
_WORTH_RANGES = 64 << 20
"""Bytes of a checkpoint that several processes share; a smaller one is verified by one of them."""


@listed_once()
def verify_all(
    folder: str | os.PathLike[str] | bytes,
    *,
    level: str = "data",
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    on_progress: Progress | None = None,
    filesystem: object = None,
) -> tuple[Report, ...]:
    """Check every checkpoint in a folder and below it.

    The search covers V2 prefixes, V1 files and the variables of SavedModels, and does not follow
    links to folders. The checkpoints named in a ``checkpoint`` state file must be there.

    Args:
        folder: Where to search.
        level: Depth of the checks, as for `verify`.
        only: Roles, as for `verify`.
        without: The same.
        on_progress: Called now and then with the bytes of data checked and their total.
        filesystem: As for `open`.

    Returns:
        The reports, by path. Problems and notes about the folder itself (its state files, files
        left out) come first, in a report of version "" with the folder's path.

    Raises:
        ValueError: as for `verify`.
        CheckpointNotFoundError: there is no such folder, or nothing to verify in it.
    """
    require_level(level)
    selection = Selection(only=words(only), without=words(without))
    require_values(selection, level)
    top = path_of(folder, filesystem)
    if not is_folder(top):
        what = "is no folder" if exists(top) else "there is no such folder"
        raise CheckpointNotFoundError(what, file=top, advice="To verify one checkpoint, name it")
    found = discover(top)
    of_folder = _folder_report(top, found, level)
    incomplete = list(_incomplete(found, level))
    if not (found.checkpoints or incomplete or of_folder.problems):
        raise CheckpointNotFoundError(
            "there is no checkpoint in this folder or below it",
            file=top,
            advice="; ".join(found.notes[:3]) or None,
        )
    verified = (of_roles(each, selection) for each in _verified(found, level, on_progress))
    reports = [*incomplete, *verified]
    reports.sort(key=lambda report: (report.path, report.version))
    first = [of_folder] if of_folder.problems or of_folder.notes else []
    return (*first, *reports)


def _verified(found: Discovery, level: str, on_progress: Progress | None) -> Iterator[Report]:
    total = sum(size for _, size in found.checkpoints)
    done = 0
    most = max(_LEAST_KEPT, MOST_PROBLEMS // max(1, len(found.checkpoints)))

    def report(of_one: int, _its_total: int = 0) -> None:
        if on_progress is not None:
            on_progress(min(done + of_one, total), total)

    context = copy_context()  # threads begin without it
    unit = partial(_one_of_several, level, most)

    def on_thread(task: tuple[Location, int], buffer: memoryview) -> Report:
        return context.copy().run(unit, task, buffer)

    spread = _spread_for(found)
    limit = WORTH_THREADS if spread is None else _WORTH_RANGES
    small = [task for task in found.checkpoints if _is_small(*task, limit)]
    threads = MOST_THREADS if small and is_url(small[0][0].prefix) else None
    reports = each(small, on_thread, threads) if spread is None else spread(small, unit)
    with closing(reports):
        for (_, size), verdict in reports:
            yield verdict
            report(size)
            done += size
    for location, size in found.checkpoints:
        if not _is_small(location, size, limit):
            yield _one(location, level, report, most)
            done += size


def _is_small(location: Location, size: int, limit: int) -> bool:
    """Return whether several of its kind may be verified at once: little data, few names.

    In memory, names take about eight times their size in an index.
    """
    graph = graph_file_of(location.prefix) or ""
    return size + 8 * size_of(f"{location.prefix}.index") + size_of(graph) < limit


def _spread_for(found: Discovery) -> Spread | None:
    """Return the way to other processes, if all paths mean the same there, and in their reports."""
    paths = [location.prefix for location, _ in found.checkpoints]
    return current_spread() if all(portable_path(p) == (p, None) for p in paths) else None


def _one_of_several(
    level: str, most: int, task: tuple[Location, int], _buffer: memoryview
) -> Report:
    """Verify one checkpoint while others are verified: a unit of work."""
    return _one(task[0], level, None, most)


def _one(location: Location, level: str, on_progress: Progress | None, most: int) -> Report:
    """Verify one checkpoint. An unreadable one does not stop the rest."""
    try:
        report = verify(location, level=level, on_progress=on_progress)
    except CheckpointError as error:
        findings = Findings()
        findings.add_error("TFC354", error)
        return _report(location, findings, level)
    if len(report.problems) <= most:
        return report
    more = count_of(len(report.problems) - most, "more problem")
    notes = (*report.notes, f"{more} not kept; verify it alone to have them all")
    return replace(report, problems=report.problems[:most], notes=notes)


def _report(location: Location, findings: Findings, level: str) -> Report:
    problems = tuple(findings.problems)
    return Report(location.prefix, location.version, 0, 0, problems, location.notes, level=level)


def _incomplete(found: Discovery, level: str) -> Iterator[Report]:
    """Yield a report of data files without an index, and of SavedModels without variables."""
    for prefix in found.without_index:
        findings = Findings()
        what = "data files are there, but not their index"
        findings.add("TFC353", what, file=f"{prefix}.index")
        yield _report(Location("V2", prefix), findings, level)
    for folder in found.models:
        location = Location("V2", saved_model_prefix(folder))
        findings = Findings()
        if location.prefix not in found.without_index:
            check_without_index(location, findings)
        if findings.problems:
            yield _report(location, findings, level)


def _folder_report(top: str, found: Discovery, level: str) -> Report:
    """Report unreadable folders, and missing checkpoints of state files."""
    findings = Findings()
    for path, why in found.unreadable:
        findings.add("TFC355", f"could not be searched: {why}", file=path)
    # A state file names a V1 set by its base, or by its pattern.
    known = {
        _absolute(path)
        for location, _ in found.checkpoints
        for path in (location.prefix, location.base)
    }
    folders = {folder_of(name) for name in known}
    for path in found.state_files:
        if absolute_path(path) not in known:
            has_company = folder_of(absolute_path(path)) in folders
            if has_company or is_state_file(read_head(path)):  # else of another program
                _check_state(path, known, findings)
    return _report(Location("", top, notes=tuple(found.notes)), findings, level)


def _check_state(path: str, known: set[str], findings: Findings) -> None:
    try:
        state = read_state(path)
    except CorruptCheckpointError as error:
        if error.advice and describe(read_head(path)):
            error.problem += f". {error.advice}"
        findings.add_error("TFC351", error)
        return
    except CheckpointError as error:
        findings.add_error("TFC354", error)
        return
    folder = folder_of(path)
    if state.fault:
        findings.add("TFC356", state.fault, file=path)
    elif prefixes := list(filter(None, map(prefix_of_file, candidates(folder, state.newest)))):
        wanted = os.path.basename(prefixes[0])
        what = f"names a file of a checkpoint: TensorFlow needs the prefix {wanted}"
        findings.add("TFC356", what, file=path, got=shortened(state.newest))
    if not _is_known(folder, state.newest, known):
        is_there = any(map(is_file, candidates(folder, state.newest)))
        why = "is cut off, or no checkpoint" if is_there else "is not beside it"
        unmerged = unmerged_save(join(folder, last_component(state.newest)))
        what = f"the newest checkpoint {why}: {shortened(state.newest)}"
        what += f"; {unmerged}" if unmerged else ""
        findings.add("TFC351", what, file=path)
    others = dict.fromkeys(name for name in state.kept if name != state.newest)
    missing = [name for name in others if not _is_known(folder, name, known)]
    if missing:
        what = f"{count_of(len(missing), 'older checkpoint')} not beside it: "
        findings.add("TFC352", what + shortened(", ".join(missing)), file=path)


def _is_known(folder: str, written: str, known: set[str]) -> bool:
    """Return whether a state file's entry exists, in its folder or, as for TensorFlow, outside."""
    direct = join(folder, written)
    return any(_absolute(path) in known for path in (direct, *candidates(folder, written)))


def _absolute(path: str) -> str:
    """Return an absolute path, with the slash at the end of `path`: an empty base name counts."""
    return join(absolute_path(path), "") if path.endswith("/") else absolute_path(path)
