"""The three names of each tensor: checkpoint key, full name, and paths of objects.

Knows no values. FORMAT 6.3, 6.4. A checkpoint without an object graph is keyed by full names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tfckpt_reader.errors import CheckpointError, TensorNotFoundError
from tfckpt_reader.objects.paths import (
    OBJECT_GRAPH,
    VARIABLE,
    joined,
    object_path,
    path_of,
    unescaped,
)
from tfckpt_reader.text import count_of, nearest, quoted, shortened

if TYPE_CHECKING:
    from tfckpt_reader.objects.object_graph import ObjectGraph, Value
    from tfckpt_reader.tensor.spec import TensorSpec

KEY = "key"
VIEWS = {KEY: "key", "full_name": "full name", "object_path": "object path"}
"""Each kind of name, and its text."""
_COPIES = "_all_variables/"
"""Keras 3 exports each variable twice; here is the copy."""
_T = TypeVar("_T")


class TensorNames(NamedTuple):
    """The names of one tensor."""

    key: str
    full_name: str
    """Name of its variable, without ``:0``; "" if it has none."""
    object_paths: tuple[str, ...]
    """Its paths from the root, without escapes, that of the key first; () without an object."""


class Names:
    """The names of all tensors of a checkpoint.

    Args:
        specs: Its tensors.
        graph: Its object graph; None if it has none.

    Attributes:
        graph: The object graph.
        notes: Names that could not be found out, a line each.
    """

    def __init__(self, specs: Mapping[str, TensorSpec], graph: ObjectGraph | None) -> None:
        self._specs = specs
        self.graph = graph
        self.notes: list[str] = []

    def value_of(self, key: str) -> tuple[Value | None, str]:
        """Return the object's value with a key, and the rest of the key behind the object's.

        A table's value, for one, has a key that begins the keys of several tensors.
        """
        if self.graph is None:
            return None, ""
        value = self.graph.values.get(key)
        if value is None and self._prefixes:
            begin = self._prefixes[bisect_right(self._prefixes, key) - 1]
            if begin and key.startswith(begin):
                return self.graph.values[begin], key[len(begin) :]
        return value, ""

    @cached_property
    def _prefixes(self) -> list[str]:
        values = {} if self.graph is None else self.graph.values
        return sorted(key for key in values if key not in self._specs)

    def full_name(self, key: str) -> str:
        """Return the full name of a tensor; "" if it has none."""
        if self.graph is None:
            return "" if key == OBJECT_GRAPH else key
        value, rest = self.value_of(key)
        return value.full_name + rest if value is not None and value.full_name else ""

    def __getitem__(self, key: str) -> TensorNames:
        paths = [object_path(key)]
        value, rest = self.value_of(key)
        if value is not None:
            name = "" if value.name == VARIABLE else value.name + rest
            others = (each for each in self._paths.get(value.node, ()) if each != path_of(key))
            paths += [unescaped(joined(path, name) if name else path) for path in others]
        return TensorNames(key, self.full_name(key), tuple(dict.fromkeys(filter(None, paths))))

    @cached_property
    def _paths(self) -> Mapping[int, tuple[str, ...]]:
        try:
            return {} if self.graph is None else self.graph.paths
        except CheckpointError as error:
            self.notes.append(f"only the paths in keys are known: {error}")
            return {}

    def find(self, text: str) -> tuple[TensorNames, ...]:
        """Return the tensors with `text` as a name, or as whole components of one, in key order."""
        if not text:
            return ()
        part = f"/{text.removesuffix(':0')}/"
        found = (self[key] for key in self._specs)
        return tuple(
            each
            for each in found
            if any(part in f"/{name}/" for name in (each.key, each.full_name, *each.object_paths))
        )

    @cached_property
    def copies(self) -> Mapping[str, str]:
        """Key of a second copy of a variable -> key of the first.

        A Keras 3 export stores each variable twice. Its copies have the full name, dtype, shape and
        crc of the first; without an object graph, the full name is unknown.
        """

        def form(key: str) -> tuple[object, ...]:
            spec = self._specs[key]
            if spec.crc32c is None:  # in slices: nothing tells that the values are the same
                return (key,)
            name = "" if self.graph is None else self.full_name(key) or key
            return name, spec.dtype, spec.shape, spec.crc32c

        copies = [key for key in self._specs if _is_copy(key)]
        first = {form(key): key for key in self._specs if not _is_copy(key)} if copies else {}
        return {key: first[form(key)] for key in copies if form(key) in first}

    def view(self, kind: str) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Return the name of each tensor in one view, and those that keep their keys, by reason.

        A tensor keeps its key if it has no name of that kind, or shares it with another tensor.

        Args:
            kind: A key of `VIEWS`.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in VIEWS:
            raise ValueError(f"names are one of {', '.join(VIEWS)}, not {kind!r}")
        if kind == KEY:
            return {key: key for key in self._specs}, {}
        name_of = self.full_name if kind == "full_name" else object_path
        names = {key: "" if key in self.copies else name_of(key) for key in self._specs}
        without = [key for key in names if not names[key] and key not in self.copies]
        kept = {
            "second copies of variables": list(self.copies),
            f"without {VIEWS[kind]}": [key for key in without if key != OBJECT_GRAPH],
            f"which share their {VIEWS[kind]}": _keep_keys(names),
        }
        return names, kept


def _is_copy(key: str) -> bool:
    return key.startswith(_COPIES) or f"/{_COPIES}" in key


def _keep_keys(names: dict[str, str]) -> list[str]:
    """Give tensors without a name of their own their keys; return those whose name is shared."""
    owners: dict[str, list[str]] = {}
    for key, name in names.items():
        if name:
            owners.setdefault(name, []).append(key)
    shared = [key for keys in owners.values() if len(keys) > 1 for key in keys]
    pending = [*(key for key, name in names.items() if not name), *shared]
    while pending:
        key = pending.pop()
        names[key] = key
        others = [each for each in owners.pop(key, ()) if names[each] != each]
        shared += others  # a key that stays may be the name of another tensor
        pending += others
    return shared


class Renamed(Mapping[str, _T]):
    """A checkpoint under other names.

    Args:
        values: Key -> array.
        specs: Key -> spec.
        names: Key -> new name, each once.
        kept: Reason -> the tensors that keep their keys.

    Attributes:
        key_of: New name -> key.
        specs: New name -> spec; the spec's own name is the key.
    """

    def __init__(
        self,
        values: Mapping[str, _T],
        specs: Mapping[str, TensorSpec],
        names: Mapping[str, str],
        kept: Mapping[str, Sequence[str]],
    ) -> None:
        self._values = values
        self._names = names
        self._kept = kept
        self.key_of = {name: key for key, name in names.items()}
        self.specs = {name: specs[key] for name, key in self.key_of.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """The tensors that keep their keys, a line for each reason."""
        return self.notes_of(self._names)

    def notes_of(self, keys: Collection[str]) -> tuple[str, ...]:
        """Return the notes about some of the tensors."""
        kept = {why: [key for key in each if key in keys] for why, each in self._kept.items()}
        return tuple(
            f"the key stays for {count_of(len(each), 'tensor')}, {why}: "
            + shortened(", ".join(each))
            for why, each in kept.items()
            if each
        )

    @property
    def name_of(self) -> Mapping[str, str]:
        """Key -> new name."""
        return self._names

    def __getitem__(self, name: str) -> _T:
        key = self.key_of.get(name)
        if key is None:
            alike = ", ".join(map(shortened, nearest(name, list(self.key_of))))
            advice = f"Nearest: {alike}" if alike else None
            raise TensorNotFoundError(f"there is no tensor {quoted(name)}", advice=advice)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.key_of)

    def __len__(self) -> int:
        return len(self.key_of)

    def __contains__(self, name: object) -> bool:
        return name in self.key_of
