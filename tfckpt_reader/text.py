"""Text for messages: printable, short, counted, nearest names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def printable(text: str) -> str:
    """Return the text on one line: control characters and lone surrogates escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def shortened(text: str) -> str:
    """Return a text of any length, such as a name out of a file, as one that can be read."""
    return (
        text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({len(text):,} letters)"
    )


def quoted(name: str | bytes) -> str:
    """Return a name or a key in quotes, as messages show it."""
    return shortened(repr(name))


def count_of(number: int, noun: str) -> str:
    """Return "1 shard", "2 shards"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


_MOST_COMPARED = 1000
_LONGEST_TEXT = 300


def nearest(name: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Return the few of `names` that look most like `name`.

    Names that share the last path component come first: the usual mistake is a missing scope.
    The rest is left to difflib, on a bounded number of names and letters, since it is slow.
    """
    from difflib import get_close_matches

    last = name.removesuffix(":0").rsplit("/", 1)[-1]
    alike = [n for n in names if n == name.removesuffix(":0") or n.rsplit("/", 1)[-1] == last]
    compared = (alike or names)[:_MOST_COMPARED] if len(name) <= _LONGEST_TEXT else []
    close = get_close_matches(name, compared, n=most)
    return close or alike[:most]
