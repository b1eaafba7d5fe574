"""Paths of objects, and the keys and display texts that follow from them.

Knows neither kind of object graph but what both have: children and slot variables. FORMAT 6.3.

A key is the shortest path from the root to the object, the first in the order of the file, and the
name of a value; an optimizer's slot has a path below its variable's. Names are escaped in it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.tensor.names import name_text

Name: TypeAlias = "bytes | str"
Children: TypeAlias = "Callable[[int], Iterable[tuple[int, Name]]]"
Slot: TypeAlias = "tuple[int, int, Name, int]"

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Key of the object graph: the structure of the saved Python objects, and no weight."""
ATTRIBUTES = "/.ATTRIBUTES/"
"""Stands between the path of an object and the name of its value."""
VARIABLE = "VARIABLE_VALUE"
"""Name of the value of a variable."""
VALUE = ATTRIBUTES + VARIABLE
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


def shortest_paths(count: int, children: Children, slots: Iterable[Slot]) -> Paths:
    """Return the path of each node reachable from the root, breadth first, then of slots.

    Args:
        count: The number of nodes; 0 is the root.
        children: Returns the children of a node: number and name.
        slots: Number of an optimizer, and of a variable, the slot's name, and its number.

    Raises:
        UnsupportedError: the paths are too long together.
    """
    paths = Paths()
    if not count:
        return paths
    waiting = deque([0])
    paths[0] = ""
    while waiting:
        number = waiting.popleft()
        for child, name in children(number):
            if child in paths or not 0 <= child < count:
                continue
            if paths.add(child, joined(paths[number], escaped(name))):
                waiting.append(child)
    for optimizer, variable, name, target in slots:
        if variable in paths and optimizer in paths and 0 <= target < count:
            paths.add(target, f"{paths[variable]}{SLOT}{paths[optimizer]}/{escaped(name)}")
    return paths


def joined(path: str, name: str) -> str:
    """Return the path of a child; the root's path is ""."""
    return f"{path}/{name}" if path else name


def escaped(name: Name) -> str:
    """Return a name as a part of a key."""
    text = name if isinstance(name, str) else name_text(name)
    return text.replace(".", "..").replace("/", ".S")


def unescaped(path: str) -> str:
    """Return a path, or one name of it, for display."""
    return _ESCAPE.sub(lambda match: "." if match[1] == "." else "/", path)


def path_of(key: str) -> str:
    """Return the escaped path in a key; all of a key of no object."""
    return key.partition(ATTRIBUTES)[0]


def object_path(key: str) -> str:
    """Return the path of a key for display: without ``.ATTRIBUTES`` and escapes.

    The value of a variable has the path of its object, any other value its own name behind it.
    A key of no object has the path "".
    """
    path, marker, attribute = key.partition(ATTRIBUTES)
    if not marker:
        return ""
    return unescaped(path if attribute == VARIABLE else joined(path, attribute))
