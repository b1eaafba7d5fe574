"""Choosing tensors by their names.

Knows names only.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_REGEX = "re:"


def select(
    names: Iterable[str], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[str]:
    """Return the names that match any of `include` (or all, if there is none) and no `exclude`.

    Patterns are globs over the whole name, case counts, and ``*`` matches ``/`` too; or, behind
    ``re:``, regular expressions over the whole name. A pattern that is itself the name of a tensor
    matches it, whatever characters are in it.

    Raises:
        ValueError: a pattern is no regular expression.
    """
    wanted, unwanted = _matcher(include), _matcher(exclude)
    literal = frozenset(include), frozenset(exclude)
    return [
        name
        for name in names
        if (not include or name in literal[0] or wanted(name))
        and not (name in literal[1] or unwanted(name))
    ]


def _matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    globs = [translate(pattern) for pattern in patterns if not pattern.startswith(_REGEX)]
    joined = re.compile("|".join(f"(?:{glob})" for glob in globs) or r"(?!)")
    regexes = [_compiled(pattern) for pattern in patterns if pattern.startswith(_REGEX)]

    def matches(name: str) -> bool:
        return bool(joined.match(name)) or any(regex.fullmatch(name) for regex in regexes)

    return matches


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.removeprefix(_REGEX))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} holds no regular expression: {error}") from error


def name_text(name: bytes) -> str:
    """Return a name; bytes that are no UTF-8 are kept as lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def name_of(key: bytes) -> str:
    """Return a key as str; bytes that are not UTF-8 become surrogate escapes."""
    return key.decode("utf-8", "surrogateescape")


def key_of(name: str) -> bytes:
    """Return the key of a name; b"", which no tensor has, for a str that no key decodes to."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""
