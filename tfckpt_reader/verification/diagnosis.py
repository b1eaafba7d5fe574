"""From problems to their cause: a file cut off, replaced, mangled or mixed up.

Opens nothing. `diagnose` is a function of the problems and of facts about their files; `evidence`
gathers those.

One cause shows as many problems. Each line names a cause, the evidence for it, and a remedy; of two
causes with the same evidence, both. The causes are tables of functions from facts to a line, or
to None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.storage.sniff import IS_TEXT
from tfckpt_reader.text import count_of, printable, quoted
from tfckpt_reader.verification.codes import CODES, DAMAGED_TABLE, DAMAGED_TENSOR, ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tfckpt_reader.verification.report import Problem

_NEARLY_ALL = 0.9
"""Share of a file's tensors, or of its bytes; local damage does not reach it."""
_MANY = 0.5
"""Share of the tensors, where nearly all bytes fail: small ones can be equal in two saves."""
_MOST_NAMED = 5
_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a file with errors; sizes and offsets in bytes."""

    file: str
    size: int
    needed: int | None = None
    """End of the last tensor in it; None for an index and for a V1 file."""
    tensors: int = 0
    """Tensors with bytes in it."""
    whole: int = 0
    """Tensors among those with all their bytes."""
    failing: int = 0
    """Tensors among those with wrong bytes."""
    failing_share: float = 0.0
    """Share of the failing ones in the bytes of the whole ones."""
    kind: tuple[str, str] | None = None
    """Its real kind, if it is no file of a checkpoint, and advice."""
    begins_as_table: bool = True
    """Its first bytes are those of a table; of an index and a V1 file only."""
    zeros_from: int | None = None
    """From here on, all wrong bytes are zero."""
    newlines: str | None = None
    """"added": each line feed has a carriage return before it, and it is as many bytes too long.
    "removed": it is too short, and no line feed has one."""
    moved: int | None = None
    """A tensor is this many bytes behind its place, or before it if negative."""
    absent: str | None = None
    """The name of a character that none of its many bytes is."""
    text: str | None = None
    """How it is text, or was taken for text by a program that changed it; None if it is not."""
    holds: str | None = None
    """Another data file, whose tensors it holds."""
    older: float | None = None
    """Seconds by which its last change precedes that of the index."""
    foreign_index: bool = False
    """The fingerprint of the SavedModel belongs to another index."""


def diagnose(
    problems: Sequence[Problem], facts: Iterable[Facts], renamed: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return a line per cause; none without errors.

    Args:
        problems: All problems of a checkpoint.
        facts: About its files with errors.
        renamed: Missing data file -> the existing file that it seems to be.
    """
    errors = [problem for problem in problems if problem.severity == ERROR]
    if not errors:
        return ()
    lines = list(filter(None, [_shard_names(errors, renamed or {})]))
    for fact in (each for each in facts if each.file not in (renamed or {}).values()):
        here = [problem for problem in errors if problem.file == fact.file]
        whole = next(filter(None, (cause(fact) for cause in _OF_WHOLE_FILE)), None)
        causes = [whole] if whole else [cause(fact, here) for cause in _IN_PART]
        lines += [f"{printable(fact.file)}: {cause}" for cause in causes if cause]
    if _select(errors, "other-index") and not _select(errors, *DAMAGED_TENSOR):
        lines.append(
            "the index was exchanged, or the SavedModel around it: fingerprint.pb belongs to "
            "another index. Copy or export the whole SavedModel again"
        )
    return tuple(lines)


def _shard_names(errors: Sequence[Problem], renamed: Mapping[str, str]) -> str | None:
    """Return the cause in the names of the data files."""
    missing = [str(problem.file) for problem in _select(errors, "shard-missing")]
    counts = _select(errors, "shard-count")
    if counts:
        expected, got = counts[0].expected, counts[0].got
        evidence = (
            f"the index counts {expected} data files, the names of those beside it give {got}"
        )
        if missing and not renamed:
            return (
                f"{evidence}: index and data are of different saves, or files were renamed. Copy "
                "all files of one save, under the names that it gave them"
            )
    if counts and not renamed:
        end = f"-of-{str(expected).zfill(5)}"
        return f"{evidence}: TensorFlow looks for names that end in {end}. Give them such names"
    if renamed:
        wanted, other = next(iter(renamed.items()))
        others = f", and {len(renamed) - 1:,} more likewise" if len(renamed) > 1 else ""
        return printable(
            f"index and data have different names: {other} has the size and the checksums of "
            f"{wanted}{others}. Give both the name that the save gave them"
        )
    verb = "belongs" if len(missing) == 1 else "belong"
    names = _some(missing, printable)
    if any("-?????-of-" in name for name in missing):
        return f"not all files of {names} were copied"
    return f"not all files were copied: {names} {verb} here too" if missing else None


def _select(problems: Sequence[Problem], *names: str) -> list[Problem]:
    """Return the problems with one of these names of codes."""
    return [problem for problem in problems if CODES[problem.code].name in names]


def _some(names: Sequence[str], shown: Callable[[str], str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(shown, names[:_MOST_NAMED])) + more


def _other_kind(fact: Facts) -> str | None:
    return None if fact.kind is None else f"this is {fact.kind[0]}. {fact.kind[1]}"


def _newlines(fact: Facts) -> str | None:
    if fact.newlines is None:
        return None
    evidence = {
        "added": "each line feed in it has become a carriage return and a line feed",
        "removed": "it is too short, and no line feed has a carriage return before it, as if these "
        "were removed",
    }[fact.newlines]
    return f"{evidence}: it was transferred as text. Copy it again, in binary mode"


def _text(fact: Facts) -> str | None:
    if fact.text is None:
        return None
    if fact.text == IS_TEXT:
        return f"{fact.text}: it is another file, or was replaced"
    return f"{fact.text}. Copy it again from where it was saved, in binary mode"


def _moved(fact: Facts) -> str | None:
    if fact.moved is None:
        return None
    how = "early: bytes before it were removed" if fact.moved < 0 else "late: bytes were inserted"
    return (
        f"its tensors are there, one of them {count_of(abs(fact.moved), 'byte')} too {how}, as by "
        "a program that took it for text. Copy it again, in binary mode"
    )


def _absent(fact: Facts) -> str | None:
    if fact.absent is None:
        return None
    return (
        f"none of its bytes is {fact.absent}, as if a program that took it for text had removed "
        "or replaced them. Copy it again, in binary mode"
    )


def _zeros(fact: Facts) -> str | None:
    if fact.zeros_from is None:
        return None
    whose = f", in {count_of(fact.failing, 'tensor')}" if fact.failing else ""
    return (
        f"all its wrong bytes are zeros, from byte {fact.zeros_from:,} on{whose}: an unfinished "
        "download, or a sparse copy. Copy it again"
    )


def _mixed_up(fact: Facts) -> str | None:
    if fact.holds is None:
        return None
    return (
        f"it holds the tensors of {printable(fact.holds)}: the data files were mixed up. Give each "
        "the name that the save gave it, or copy both again"
    )


def _other_save(fact: Facts) -> str | None:
    enough = _MANY if fact.failing_share >= _NEARLY_ALL else _NEARLY_ALL
    if fact.failing <= 1 or fact.failing < enough * fact.whole:
        return None
    fits = "its size fits" if fact.size == fact.needed else "its size does not fit either"
    changed = "" if fact.size == fact.needed else ", or was changed"
    which = (
        "and fingerprint.pb is that of another index: the index does not belong here"
        if fact.foreign_index
        else f"so it belongs to another save than the index{_age(fact.older)}{changed}"
    )
    return (
        f"{fact.failing:,} of {count_of(fact.tensors, 'tensor')} are not those saved, {fits}, "
        f"{which}. Copy both from one save"
    )


def _age(older: float | None) -> str:
    """Return a hint; many copies set new times, so they are no evidence."""
    if older is None or abs(older) < _HOUR:
        return ""
    unit, seconds = ("day", _DAY) if abs(older) >= _DAY else ("hour", _HOUR)
    word = "older" if older > 0 else "newer"
    return f" (a hint: it is {count_of(round(abs(older) / seconds), unit)} {word})"


def _cut_off_table(fact: Facts, here: Sequence[Problem]) -> str | None:
    if fact.needed is not None or not _select(here, "not-a-table"):
        return None
    if not fact.begins_as_table:
        return "it neither begins nor ends as a table does: it seems to be no file of a checkpoint"
    return (
        "it does not end like a table: it was cut off, or is no file of a checkpoint. "
        "Compare its size with the original's and copy it again"
    )


def _cut_off_shard(fact: Facts, here: Sequence[Problem]) -> str | None:
    if fact.needed is None or fact.needed <= fact.size:
        return None
    lost = len({problem.tensor for problem in _select(here, "shard-short")})
    return (
        f"it ends {count_of(fact.needed - fact.size, 'byte')} early and lacks {lost:,} of "
        f"{count_of(fact.tensors, 'tensor')}, wholly or in part: the download or copy was cut "
        "off. Copy it again"
    )


def _damaged_tensors(fact: Facts, here: Sequence[Problem]) -> str | None:
    damaged = _select(here, *DAMAGED_TENSOR)
    names = list(dict.fromkeys(problem.tensor for problem in damaged if problem.tensor))
    if not names:
        return None
    cause = "it is damaged, or of another save" if fact.tensors == 1 else "it is damaged"
    of = f", of {count_of(fact.tensors, 'tensor')} in it" if fact.tensors else ""
    return printable(f"{cause}. Affected: {_some(names, quoted)}{of}. Copy it again")


def _damaged_table(fact: Facts, here: Sequence[Problem]) -> str | None:
    if fact.needed is not None or not _select(here, *DAMAGED_TABLE):
        return None
    if _select(here, *DAMAGED_TENSOR):
        return None  # V1: its tensors are named
    lost = len(_select(here, "block"))
    with_it = f", {count_of(lost, 'block')} of it with all rows" if lost else ""
    data = "; the data files may be good" if fact.file.endswith(".index") else ""
    return f"it is damaged{with_it}{data}. Copy it again"


def _other_graph(_fact: Facts, here: Sequence[Problem]) -> str | None:
    missing = [problem.tensor for problem in _select(here, "graph-key")]
    if not missing or missing[0] is None:
        return None
    others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
    return printable(
        f"it restores {quoted(missing[0])}{others}, which the checkpoint lacks: it is of another "
        "model, or the checkpoint holds only part of the model. Copy the graph of this checkpoint"
    )


_OF_WHOLE_FILE = (_other_kind, _mixed_up, _newlines, _text, _moved, _zeros, _absent, _other_save)
"""Causes of all errors in a file; the first match counts."""
_IN_PART = (_cut_off_table, _cut_off_shard, _damaged_tensors, _damaged_table, _other_graph)
"""Causes of some errors in a file; several may apply."""
