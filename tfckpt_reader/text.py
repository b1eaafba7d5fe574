"""Text for messages: printable, short, counted, nearest names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_TEXT = 300
"""Letters of a name in a message."""
_MOST_COMPARED = 1000
"""Names to compare letter by letter."""


def printable(text: str) -> str:
    """Return the text on one line, with control characters and lone surrogates escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def shortened(text: str) -> str:
    """Return the text, or only its beginning if it is long: names in files can have any length."""
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}… ({len(text):,} letters)"


def quoted(name: str | bytes) -> str:
    """Return a name or a key in quotes, as messages show it."""
    return shortened(repr(name))


def count_of(number: int, noun: str) -> str:
    """Return "1 shard", "2 shards"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def nearest(name: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Return the few of `names` most similar to `name`.

    Names with the same last path component come first: the usual mistake is a missing scope.
    difflib finds the rest among a bounded number of names and letters, since it is slow.
    """
    from difflib import get_close_matches

    last = name.removesuffix(":0").rsplit("/", 1)[-1]
    alike = [n for n in names if n == name.removesuffix(":0") or n.rsplit("/", 1)[-1] == last]
    compared = (alike or names)[:_MOST_COMPARED] if len(name) <= _LONGEST_TEXT else []
    close = get_close_matches(name, compared, n=most)
    return close or alike[:most]
