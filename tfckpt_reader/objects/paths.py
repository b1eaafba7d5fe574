"""Paths of objects, and the keys and display texts that follow from them.

Knows neither kind of object graph but what both have: children and slot variables. FORMAT 6.3.

A key is the shortest path from the root to the object, the first in the order of the file, and the
name of a value; an optimizer's slot has a path below its variable's. Names are escaped in it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.tensor.names import name_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_ATTRIBUTES = "/.ATTRIBUTES/"
VARIABLE = "VARIABLE_VALUE"
"""Name of the value of a variable."""
VALUE = _ATTRIBUTES + VARIABLE
"""End of the key of a variable."""
SLOT = "/.OPTIMIZER_SLOT/"
"""Stands between the path of a variable and that of the optimizer."""
_ESCAPE = re.compile(r"\.([.S])")
# A chain of n nodes has paths of n² letters, and many nodes may share a long path.
_LONGEST_PATH = 1 << 16
MOST_LETTERS = 1 << 27
"""Limit on the letters of all paths together."""


class Paths(dict[int, str]):
    """Number of a node -> its escaped path; of bounded length, each and all together."""

    letters = 0

    def add(self, number: int, path: str) -> bool:
        """Add the path of a node without one; return whether it was added."""
        if number in self or len(path) > _LONGEST_PATH:
            return False
        self.count(path)
        self[number] = path
        return True

    def count(self, path: str) -> None:
        """Count the letters of a path.

        Raises:
            UnsupportedError: there are too many.
        """
        self.letters += len(path)
        if self.letters > MOST_LETTERS:
            raise UnsupportedError(
                "the paths of its objects are longer together than is supported here",
                structure="object graph",
                expected=f"at most {MOST_LETTERS:,} letters",
            )


def shortest_paths(nodes: Sequence[Any]) -> Paths:
    """Return the path of each node reachable from the root, breadth first, then of slots.

    Raises:
        UnsupportedError: the paths are too long together.
    """
    paths = Paths()
    if not len(nodes):
        return paths
    waiting = deque([0])
    paths[0] = ""
    while waiting:
        number = waiting.popleft()
        for child in nodes[number].children:
            if child.node_id in paths or not 0 <= child.node_id < len(nodes):
                continue
            if paths.add(child.node_id, joined(paths[number], escaped(child.local_name))):
                waiting.append(child.node_id)
    for number in tuple(paths):
        for slot in nodes[number].slot_variables:
            variable, target = paths.get(slot.original_variable_node_id), slot.slot_variable_node_id
            if variable is None or target in paths or not 0 <= target < len(nodes):
                continue
            paths.add(target, f"{variable}{SLOT}{paths[number]}/{escaped(slot.slot_name)}")
    return paths


def joined(path: str, name: str) -> str:
    """Return the path of a child; the root's path is ""."""
    return f"{path}/{name}" if path else name


def escaped(name: bytes | str) -> str:
    """Return a name as a part of a key."""
    text = name if isinstance(name, str) else name_text(name)
    return text.replace(".", "..").replace("/", ".S")


def unescaped(path: str) -> str:
    """Return a path, or one name of it, for display."""
    return _ESCAPE.sub(lambda match: "." if match[1] == "." else "/", path)


def path_of(key: str) -> str:
    """Return the escaped path in a key; all of a key of no object."""
    return key.partition(_ATTRIBUTES)[0]


def object_path(key: str) -> str:
    """Return the path of a key for display: without ``.ATTRIBUTES`` and escapes.

    The value of a variable has the path of its object, any other value its own name behind it.
    A key of no object has the path "".
    """
    path, marker, attribute = key.partition(_ATTRIBUTES)
    if not marker:
        return ""
    return unescaped(path if attribute == VARIABLE else joined(path, attribute))
