"""The names of tensors in the destination: prefixes removed, rules applied, names from a list.

Knows names only.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def renamed(
    names: Iterable[str], strip_prefix: str, rules: Sequence[str], listed: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return each tensor's name in the destination, and a note for each step without effect.

    A step without effect is probably mistyped.

    Args:
        names: The tensors' names.
        strip_prefix: Removed from the beginning of names, first.
        rules: ``REGEX=>REPLACEMENT``, applied one after another to the rest. Groups are written as
            for `re.sub`.
        listed: Name -> name in the destination; overrides everything else.

    Raises:
        ValueError: a rule is not valid.
    """
    before, notes = list(names), []
    if not any(name.startswith(strip_prefix) for name in before):
        notes.append(f"no name begins with {strip_prefix!r}")
    after = [name.removeprefix(strip_prefix) for name in before]
    for pattern, replacement in [_parsed(rule) for rule in rules]:
        if not any(pattern.search(name) for name in after):
            notes.append(f"no name matches {pattern.pattern!r}")
        after = [pattern.sub(replacement, name) for name in after]
    new_names = dict(zip(before, after, strict=True))
    return new_names | {n: new for n, new in listed.items() if n in new_names}, notes


def _parsed(rule: str) -> tuple[re.Pattern[str], str]:
    regex, arrow, replacement = rule.partition("=>")
    if not arrow:
        raise ValueError(f"a rule to rename is written REGEX=>REPLACEMENT, not {rule!r}")
    try:
        pattern = re.compile(regex)
        pattern.sub(replacement, "")  # checks the groups, with or without a match
    except (re.error, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"{rule!r} is not a valid rule to rename: {error}") from error
    return pattern, replacement


def collisions(new_names: Mapping[str, str], collision_key: Callable[[str], str]) -> dict[str, str]:
    """Return the tensors with colliding names in the destination: name -> reason.

    Args:
        new_names: Name of each tensor -> name in the destination.
        collision_key: Returns a key, unique among the names in the destination.
    """
    owners: dict[str, list[str]] = {}
    for name, new_name in new_names.items():
        owners.setdefault(collision_key(new_name), []).append(name)
    return {
        name: _reason(new_names, name, names[name == names[0]])
        for names in owners.values()
        if len(names) > 1
        for name in names
    }


def _reason(new_names: Mapping[str, str], name: str, other: str) -> str:
    if new_names[name] == new_names[other]:
        return f"would be called {new_names[name]!r}, as {other!r}"
    both = f"{new_names[name]!r} and {new_names[other]!r}"
    return f"{both} would be one file where case is ignored"


def read_list(path: str) -> dict[str, str]:
    """Read a list of names, ``{"name": "new name"}``, from a ``.json`` or ``.toml`` file.

    Raises:
        ValueError: the content is not a list of names, or Python has no TOML (before 3.11).
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        names = _toml(data, path) if path.endswith(".toml") else json.loads(data)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a list of names: {error}") from error
    if not isinstance(names, dict) or not all(isinstance(new, str) for new in names.values()):
        raise ValueError(f"{path}: not a list of names: each entry must be name = new name")
    return names


def _toml(data: bytes, path: str) -> object:
    try:
        import tomllib
    except ImportError as error:
        raise ValueError(f"Python reads TOML from 3.11 on; write {path} as JSON") from error
    return tomllib.loads(data.decode("utf-8"))
