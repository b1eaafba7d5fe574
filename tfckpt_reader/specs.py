"""The index of a checkpoint as a mapping from names to specs.

Knows no array. One name is looked up; all are listed once, when they are asked for.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

from tfckpt_reader.errors import CheckpointError, TensorNotFoundError
from tfckpt_reader.text import count_of, nearest, quoted, shortened

if TYPE_CHECKING:
    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.paths.unchanged import Guard
    from tfckpt_reader.tensor.spec import TensorSpec

_Value_co = TypeVar("_Value_co", covariant=True)


class Names(Mapping[str, _Value_co]):
    """A mapping from names that knows whether it has one before it knows all."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a name, or `default`; decode little for one that is missing."""
        if key not in self:  # not by the error of `[]`, which names the nearest of all names
            return default
        return self[key]


class Specs(Names["TensorSpec"]):
    """Name -> TensorSpec, in key order.

    Looking up one name decodes little; iterating decodes the whole index, once.

    Attributes:
        known: All specs, after a listing; before it none.
        complete: Whether there was a listing.
    """

    def __init__(self, reader: Reader, guard: Guard) -> None:
        self._open_reader: Reader | None = reader
        self._guard = guard
        self.label = os.path.basename(reader.prefix) or reader.prefix
        self.known: dict[str, TensorSpec] = {}
        self.complete = False
        self._last: TensorSpec | None = None
        self._begun: str | None = None

    @property
    def reader(self) -> Reader:
        """The reader of the format; ValueError once it is closed."""
        if self._open_reader is None:
            raise ValueError(f"checkpoint {self.label!r} is closed")
        return self._open_reader

    def close(self) -> None:
        """Drop the reader; listed specs stay."""
        self._open_reader = self._last = None

    @property
    def listed(self) -> dict[str, TensorSpec]:
        """All specs, decoded once."""
        if not self.complete:
            with self._guard:
                self.known = self.reader.listing()
            self.complete = True
        return self.known

    def __getitem__(self, name: str) -> TensorSpec:
        spec = self._find(name)
        if spec is None:
            raise self._not_found(name)
        return spec

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def items(self) -> ItemsView[str, TensorSpec]:
        """Return the (name, spec) pairs in key order."""
        return self.listed.items()

    def values(self) -> ValuesView[TensorSpec]:
        """Return the specs in key order."""
        return self.listed.values()

    def within(self, name: str, rows: slice | None) -> TensorSpec:
        """Return the spec of a tensor; slices without any of these rows may be absent from it.

        They are for the first rows of a tensor. For the next, as in a loop, it is decoded once.
        """
        last = self._last
        if rows is None or self.complete or name in (self._begun, last and last.name):
            return self[name]
        self._begun = name
        with self._guard:
            spec = self.reader.lookup(name, rows)
        if spec is None:
            raise self._not_found(name)
        if spec.shard is not None:  # all of it
            self._last = spec
        return spec

    def _find(self, name: object) -> TensorSpec | None:
        if not isinstance(name, str):
            raise TensorNotFoundError(f"names are str, not {type(name).__name__}")
        if self.complete:
            return self.known.get(name)
        # Rows of one tensor are often read in a loop: decode its slices once.
        spec = self._last
        if spec is None or spec.name != name:
            with self._guard:
                self._last = spec = self.reader.lookup(name)
        return spec

    def _not_found(self, name: str) -> TensorNotFoundError:
        try:
            alike = nearest(name, list(self.listed))
            advice = f"Nearest: {', '.join(map(shortened, alike))}" if alike else None
        except CheckpointError as error:
            advice = f"The index is damaged, so it may be lost: {error.problem}"
        return TensorNotFoundError(
            f"there is no tensor {quoted(name)}", file=self.reader.path, advice=advice
        )

    def __repr__(self) -> str:
        known = f" of {count_of(len(self.known), 'tensor')}" if self.complete else ""
        return f"<Specs{known} in {self.label!r}>"
