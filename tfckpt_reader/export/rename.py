"""What tensors are called in a target: prefixes off, names replaced by rule or by a list.

Knows names only.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ARROW = "=>"


class Rule(NamedTuple):
    """Replaces what a regular expression finds, wherever it finds it."""

    pattern: re.Pattern[str]
    replacement: str

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Return the rule ``REGEX=>REPLACEMENT``; groups are named in it as `re.sub` has them.

        Raises:
            ValueError: it is no such rule.
        """
        regex, arrow, replacement = text.partition(ARROW)
        if not arrow:
            raise ValueError(f"a rule to rename is written REGEX{ARROW}REPLACEMENT, not {text!r}")
        try:
            rule = cls(re.compile(regex), replacement)
            rule.pattern.sub(replacement, "")  # looks at the groups in it, found or not
        except (re.error, IndexError, RecursionError, OverflowError) as error:
            raise ValueError(f"{text!r} is no rule to rename: {error}") from error
        return rule


def target_names(
    names: Iterable[str],
    *,
    strip_prefix: str = "",
    rules: Sequence[Rule] = (),
    listed: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return what each tensor is called in the target.

    Args:
        names: Of the tensors.
        strip_prefix: Taken off names that begin with it, first.
        rules: Applied one after another to what is left.
        listed: Name -> target name; wins over everything else.
    """
    found = {}
    for name in names:
        target = name.removeprefix(strip_prefix)
        for pattern, replacement in rules:
            target = pattern.sub(replacement, target)
        found[name] = target
    return found | {name: found_as for name, found_as in (listed or {}).items() if name in found}


def collisions(
    targets: Mapping[str, str], same: Callable[[str], str] = lambda target: target
) -> dict[str, str]:
    """Return the tensors that would share a place in the target: name -> why.

    Args:
        targets: Name of each tensor -> its target name.
        same: Returns what two target names may not have in common.
    """
    owners: dict[str, list[str]] = {}
    for name, target in targets.items():
        owners.setdefault(same(target), []).append(name)
    return {
        name: _clash(targets, name, names[name == names[0]])
        for names in owners.values()
        if len(names) > 1
        for name in names
    }


def _clash(targets: Mapping[str, str], name: str, other: str) -> str:
    if targets[name] == targets[other]:
        return f"would be called {targets[name]!r}, as {other!r}"
    called = f"{targets[name]!r} and {targets[other]!r}"
    return f"{called} would be one file where case does not count"


def read_list(path: str) -> dict[str, str]:
    """Read a list of names, ``{"name": "target name"}``, from a ``.json`` or ``.toml`` file.

    Raises:
        ValueError: it is no such list, or Python has no TOML (before 3.11).
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        found = _toml(data, path) if path.endswith(".toml") else json.loads(data)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a list of names: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ValueError(f"{path}: is no list of names: it must hold only name = target name")
    return found


def _toml(data: bytes, path: str) -> object:
    try:
        import tomllib
    except ImportError as error:
        raise ValueError(f"Python reads TOML from 3.11 on; write {path} as JSON") from error
    return tomllib.loads(data.decode("utf-8"))
