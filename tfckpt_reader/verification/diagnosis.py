"""From problems to what happened: a file that was cut off, replaced, mangled, mixed up.

Opens nothing. `diagnose` is a function of the problems and of a few facts about the files
they are in; verify_files.py gathers those.

One cause shows as many problems. Of each file it is told what fits; the evidence stands beside it,
and what to do. Where two causes look the same, both are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.text import count_of, printable, shortened
from tfckpt_reader.verification.codes import ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tfckpt_reader.verification.report import Problem

_NEARLY_ALL = 0.9
"""Of a file's tensors, or of its bytes: so many do not fail because some are damaged."""
_MANY = 0.5
"""Of the tensors, where nearly all bytes fail: small ones can be equal in two saves."""
_MOST_NAMED = 5
_HOUR, _DAY = 3600, 86400
_DAMAGED = ("TFC401", "TFC402")


@dataclass(frozen=True, slots=True)
class Facts:
    """About a file in which something is wrong; sizes and offsets in bytes."""

    file: str
    size: int
    needed: int | None = None
    """Where the last tensor in it ends; None of an index, or of a V1 file."""
    tensors: int = 0
    """How many have bytes in it."""
    whole: int = 0
    """How many of those are wholly there."""
    failing: int = 0
    """How many of those are not what was saved."""
    failing_share: float = 0.0
    """Of the bytes of those that are wholly there, how much is in failing ones."""
    kind: tuple[str, str] | None = None
    """What it is instead of a part of a checkpoint, and what to do about it."""
    zeros_from: int | None = None
    """From here on, all that is wrong with it is zero bytes."""
    newlines: str | None = None
    """"added": each line feed has a carriage return before it, and it is as many bytes too long.
    "removed": it is too short, and no line feed has one."""
    older: float | None = None
    """Seconds by which it was changed before the index."""


def diagnose(problems: Sequence[Problem], facts: Iterable[Facts]) -> tuple[str, ...]:
    """Return a line per cause; none where nothing is an error."""
    errors = [problem for problem in problems if problem.severity == ERROR]
    if not errors:
        return ()
    lines = _missing(problems)
    other_index = any(problem.code == "TFC502" for problem in errors)
    mixed = False
    for fact in facts:
        here = [problem for problem in errors if problem.file == fact.file]
        texts = [test(fact, here) for test in _WHOLE_FILE]
        found = next(filter(None, texts), None)
        if found is None and _is_of_other_save(fact):
            found, mixed = _other_save(fact, other_index=other_index), True
        parts = [found] if found else [test(fact, here) for test in _PARTS]
        lines += [f"{printable(fact.file)}: {text}" for text in parts if text]
    if other_index and not mixed and not any(p.code in _DAMAGED for p in errors):
        lines.append(
            "the index was exchanged, or the SavedModel around it: what fingerprint.pb was made of "
            "is another index. Copy or export the whole SavedModel again"
        )
    return tuple(lines)


def _missing(problems: Sequence[Problem]) -> list[str]:
    """Explain data files that are not there, or are named for another number."""
    missing = [problem for problem in problems if problem.code == "TFC301"]
    counts = next((problem for problem in problems if problem.code == "TFC307"), None)
    if counts is not None:
        said = (
            f"the index counts {counts.expected} data files, the names of those beside it say "
            f"{counts.got}: "
        )
        needed = f"-of-{str(counts.expected).zfill(5)}"
        return [
            said + "index and data are of different saves, or files were renamed. Copy all files "
            "of one save, under the names that it gave them"
            if missing
            else said + f"TensorFlow looks for names that end in {needed}. Give them such names"
        ]
    if not missing:
        return []
    files = ", ".join(printable(str(problem.file)) for problem in missing[:_MOST_NAMED])
    more = f" and {len(missing) - _MOST_NAMED:,} more" if len(missing) > _MOST_NAMED else ""
    verb = "belongs" if len(missing) == 1 else "belong"
    return [f"not all files were copied: {files}{more} {verb} here too"]


def _other_kind(fact: Facts, _here: list[Problem]) -> str | None:
    return None if fact.kind is None else f"this is {fact.kind[0]}. {fact.kind[1]}"


def _newlines(fact: Facts, _here: list[Problem]) -> str | None:
    if fact.newlines is None:
        return None
    evidence = {
        "added": "each line feed in it has become a carriage return and a line feed",
        "removed": "it is too short and has no carriage return before any line feed, so that it "
        "looks as if these were taken out",
    }[fact.newlines]
    return f"{evidence}: it was moved as if it were text. Copy it again, in binary mode"


def _zeros(fact: Facts, _here: list[Problem]) -> str | None:
    if fact.zeros_from is None:
        return None
    whose = f", in {count_of(fact.failing, 'tensor')}" if fact.failing else ""
    return (
        f"what is wrong with it is nothing but zeros, from byte {fact.zeros_from:,} on{whose}: a "
        "download that did not end, or a sparse copy. Copy it again"
    )


def _is_of_other_save(fact: Facts) -> bool:
    enough = _MANY if fact.failing_share >= _NEARLY_ALL else _NEARLY_ALL
    return fact.failing > 1 and fact.failing >= enough * fact.whole


def _other_save(fact: Facts, *, other_index: bool) -> str:
    fits = "its size fits" if fact.size == fact.needed else "its size does not fit either"
    which = (
        "and fingerprint.pb is that of another index: the index does not belong here"
        if other_index
        else f"so it belongs to another save than the index{_age(fact.older)}"
    )
    return (
        f"{fact.failing:,} of {count_of(fact.tensors, 'tensor')} are not what was saved, {fits}, "
        f"{which}. Copy both from one save"
    )


def _age(older: float | None) -> str:
    """Return a hint; many a copy sets times anew, so they are no evidence."""
    if older is None or abs(older) < _HOUR:
        return ""
    unit, seconds = ("day", _DAY) if abs(older) >= _DAY else ("hour", _HOUR)
    word = "older" if older > 0 else "newer"
    return f" (a hint: it is {count_of(round(abs(older) / seconds), unit)} {word})"


def _cut_off(fact: Facts, here: list[Problem]) -> str | None:
    if fact.needed is None:
        cut = any(problem.code == "TFC101" for problem in here)
        return (
            "it does not end as it should: it was cut off, or is no part of a checkpoint. "
            "Compare its size with the original's and copy it again"
            if cut
            else None
        )
    if fact.needed <= fact.size:
        return None
    lost = len({problem.tensor for problem in here if problem.code == "TFC302"})
    return (
        f"it ends {count_of(fact.needed - fact.size, 'byte')} early and lacks {lost:,} of "
        f"{count_of(fact.tensors, 'tensor')}, wholly or in part: the download or copy was cut "
        "off. Copy it again"
    )


def _damaged_tensors(fact: Facts, here: list[Problem]) -> str | None:
    names = list(dict.fromkeys(p.tensor for p in here if p.code in _DAMAGED and p.tensor))
    if not names:
        return None
    shown = ", ".join(repr(shortened(name)) for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    cause = "it is damaged, or of another save" if fact.tensors == 1 else "it is damaged"
    of = f", of {count_of(fact.tensors, 'tensor')} in it" if fact.tensors else ""
    return printable(f"{cause}. Affected: {shown}{more}{of}. Copy it again")


def _damaged_table(fact: Facts, here: list[Problem]) -> str | None:
    tables = ("TFC102", "TFC103", "TFC104", "TFC105")
    if fact.needed is not None or not any(problem.code in tables for problem in here):
        return None
    if any(problem.code in _DAMAGED for problem in here):
        return None  # V1, whose tensors were named
    lost = sum(problem.code == "TFC104" for problem in here)
    with_it = f", {count_of(lost, 'block')} of it with all that was in there" if lost else ""
    data = "; the data files may be good" if fact.file.endswith(".index") else ""
    return f"it is damaged{with_it}{data}. Copy it again"


def _other_graph(_fact: Facts, here: list[Problem]) -> str | None:
    lacking = [p.tensor for p in here if p.code == "TFC503" and p.tensor is not None]
    if not lacking:
        return None
    more = len([p for p in here if p.code == "TFC503"]) - 1
    others = f" and {more:,} more" if more else ""
    return printable(
        f"it restores {shortened(lacking[0])!r}{others}, which the checkpoint lacks: it is of "
        "another model, or the checkpoint holds only a part. Copy the graph of this checkpoint"
    )


_WHOLE_FILE: tuple[Callable[[Facts, list[Problem]], str | None], ...] = (
    _other_kind,
    _newlines,
    _zeros,
)
"""Causes that explain all that is wrong with a file; the first that fits is told."""
_PARTS: tuple[Callable[[Facts, list[Problem]], str | None], ...] = (
    _cut_off,
    _damaged_tensors,
    _damaged_table,
    _other_graph,
)
"""Causes of which several may be true."""
