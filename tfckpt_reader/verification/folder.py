"""All checkpoints below a folder, verified; and what its state files promise.

Finds (search.py) and asks (verification.py); parses nothing itself.

Small ones are verified several at once, so that where files are slow to open one is worked on
while another is waited for; a large one keeps all processors busy by itself.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, CorruptCheckpointError
from tfckpt_reader.paths.companions import graph_file_of, saved_model_prefix
from tfckpt_reader.paths.discover import Discovery, discover
from tfckpt_reader.paths.layout import V1_SHARD, Location
from tfckpt_reader.paths.state_file import candidates, read_state
from tfckpt_reader.storage.filesystem import exists, is_file, is_folder, size_of
from tfckpt_reader.storage.sniff import describe, is_state_file, read_head
from tfckpt_reader.storage.workers import WORTH_THREADS, each
from tfckpt_reader.text import count_of, shortened
from tfckpt_reader.verification.checkpoint import verify
from tfckpt_reader.verification.codes import require_level
from tfckpt_reader.verification.findings import MOST_PROBLEMS, Findings
from tfckpt_reader.verification.graph import check_alone
from tfckpt_reader.verification.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.progress import Progress

_LEAST_KEPT = 10
"""Problems kept of each checkpoint, however many checkpoints there are."""


def verify_all(
    folder: str | os.PathLike[str] | bytes,
    *,
    level: str = "data",
    on_progress: Progress | None = None,
) -> tuple[Report, ...]:
    """Check every checkpoint in a folder and below it.

    Found are V2 prefixes, V1 files and the variables of SavedModels. Links to folders are not
    followed. What a ``checkpoint`` file names must be there.

    Args:
        folder: Where to search.
        level: How far to go with each: as for `verify`.
        on_progress: Called now and then with the bytes of data checked and their total.

    Returns:
        The reports, by path. One of version "" and the folder's own path comes first if there is
        something to say of the folder: state files, what was left aside.

    Raises:
        ValueError: there is no such level.
        CheckpointNotFoundError: there is no such folder, or nothing to verify in it.
    """
    require_level(level)
    top = os.fsdecode(folder)
    if not is_folder(top):
        what = "is no folder" if exists(top) else "there is no such folder"
        raise CheckpointNotFoundError(what, file=top, advice="To verify one checkpoint, name it")
    found = discover(top)
    about = _about_folder(top, found, level)
    partial = [
        *(_lost(prefix, level) for prefix in found.without_index),
        *_without_variables(found, level),
    ]
    if not (found.checkpoints or partial or about.problems):
        raise CheckpointNotFoundError(
            "there is no checkpoint in this folder or below it",
            file=top,
            advice="; ".join(found.notes[:3]) or None,
        )
    reports = [*partial, *_verified(found, level, on_progress)]
    reports.sort(key=lambda report: (report.path, report.version))
    first = [about] if about.problems or about.notes else []
    return (*first, *reports)


def _verified(found: Discovery, level: str, on_progress: Progress | None) -> Iterator[Report]:
    total = sum(size for _, size in found.checkpoints)
    done = 0
    most = max(_LEAST_KEPT, MOST_PROBLEMS // max(1, len(found.checkpoints)))

    def tell(of_one: int, _its_total: int = 0) -> None:
        if on_progress is not None:
            on_progress(min(done + of_one, total), total)

    def verified(task: tuple[Location, int], _buffer: memoryview) -> Report:
        return _one(task[0], level, None, most)

    small = [task for task in found.checkpoints if _is_small(*task)]
    with closing(each(small, verified)) as reports:
        for (_, size), report in reports:
            yield report
            tell(size)
            done += size
    for location, size in found.checkpoints:
        if not _is_small(location, size):
            yield _one(location, level, tell, most)
            done += size


def _is_small(location: Location, size: int) -> bool:
    """Tell whether several of its kind are verified at once: little to read, and few names.

    Names take some eight times the memory that they take in an index.
    """
    graph = graph_file_of(location.prefix) or ""
    return size + 8 * size_of(f"{location.prefix}.index") + size_of(graph) < WORTH_THREADS


def _one(location: Location, level: str, on_progress: Progress | None, most: int) -> Report:
    """Verify one; that it cannot be read must not hide the others."""
    try:
        report = verify(location, level=level, on_progress=on_progress)
    except CheckpointError as error:
        findings = Findings()
        findings.add_error("TFC354", error)
        problems = tuple(findings.problems)
        return Report(location.prefix, location.version, 0, 0, problems, level=level)
    if len(report.problems) <= most:
        return report
    more = count_of(len(report.problems) - most, "more problem")
    notes = (*report.notes, f"{more} not kept; verify it alone to have them all")
    return replace(report, problems=report.problems[:most], notes=notes)


def _lost(prefix: str, level: str) -> Report:
    findings = Findings()
    what = "data files are there, but not their index"
    findings.add("TFC353", what, file=f"{prefix}.index")
    return Report(prefix, "V2", 0, 0, tuple(findings.problems), level=level)


def _without_variables(found: Discovery, level: str) -> Iterator[Report]:
    """Yield a report of each SavedModel that has no variables, and should have some."""
    for folder in found.models:
        location = Location("V2", saved_model_prefix(folder))
        findings = Findings()
        if location.prefix not in found.without_index:
            check_alone(location, findings)
        if findings.problems:
            problems = tuple(findings.problems)
            yield Report(location.prefix, "V2", 0, 0, problems, tuple(findings.notes), level=level)


def _about_folder(top: str, found: Discovery, level: str) -> Report:
    """Report on the folder itself: what could not be searched, and what state files promise."""
    findings = Findings()
    for path, why in found.unreadable:
        findings.add("TFC355", f"could not be searched: {why}", file=path)
    known = {name for location, _ in found.checkpoints for name in _names_of(location)}
    folders = {os.path.dirname(name) for name in known}
    for path in found.state_files:
        if os.path.abspath(path) not in known:
            has_company = os.path.dirname(os.path.abspath(path)) in folders
            if has_company or is_state_file(read_head(path)):  # else somebody else's file
                _check_state(path, known, findings)
    problems, notes = tuple(findings.problems), tuple(found.notes)
    return Report(top, "", 0, 0, problems, notes, level=level)


def _names_of(location: Location) -> Iterator[str]:
    """Yield the names under which a state file may know a checkpoint."""
    path = _absolute(location.prefix)
    yield path
    match = V1_SHARD.fullmatch(path)
    if location.version == "V1" and match:
        yield match[1]


def _check_state(path: str, known: set[str], findings: Findings) -> None:
    """Report what a state file names that is not there."""
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
    folder = os.path.dirname(path)
    if not _is_known(folder, state.newest, known):
        is_there = any(map(is_file, candidates(folder, state.newest)))
        why = "is cut off, or none" if is_there else "is not beside it"
        what = f"the newest checkpoint {why}: {shortened(state.newest)}"
        findings.add("TFC351", what, file=path)
    others = dict.fromkeys(name for name in state.kept if name != state.newest)
    missing = [name for name in others if not _is_known(folder, name, known)]
    if missing:
        what = f"{count_of(len(missing), 'older checkpoint')} not beside it: "
        findings.add("TFC352", what + shortened(", ".join(missing)), file=path)


def _is_known(folder: str, written: str, known: set[str]) -> bool:
    """Tell whether a state file's entry was found; TensorFlow follows it out of its folder, too."""
    direct = os.path.join(folder, written)
    return any(_absolute(place) in known for place in (direct, *candidates(folder, written)))


def _absolute(path: str) -> str:
    """Return an absolute path that ends in a slash if `path` does: an empty base name counts."""
    return os.path.join(os.path.abspath(path), "") if path.endswith("/") else os.path.abspath(path)
