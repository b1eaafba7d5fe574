"""What a reader of either format offers to the layers above.

Rank 6: knows no format; V2 (bundle.py) and V1 (v1.py) both have this shape.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, Protocol

from tfckpt_reader.errors import (
    CheckpointError,
    TensorNotFoundError,
    count_of,
    enough_memory,
    nearest,
    shortened,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.spec import TensorSpec
    from tfckpt_reader.streams import OnRead, Take


class Reader(Protocol):
    """What the readers of V2 and of V1 have in common."""

    version: str
    prefix: str
    notes: list[str]

    @property
    def path(self) -> str:
        """The file that lists the tensors."""

    @property
    def shard_count(self) -> int:
        """How many data files there should be."""

    def lookup(self, name: str) -> TensorSpec | None:
        """Return the spec of one tensor."""

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all, in key order."""

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor, read-only."""

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows, owned, or written into a C-contiguous array of their shape."""

    def check(self, spec: TensorSpec) -> None:
        """Read all bytes of a tensor and compare their crcs."""

    def stream(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's bytes, checked, little-endian."""

    def pour(self, specs: Sequence[TensorSpec], take: Take, on_read: OnRead | None = None) -> None:
        """Give all bytes of numeric tensors to `take`, checked, in any order, many at once.

        Nothing of them may be trusted before it returns. The first error stops it.

        Args:
            specs: The tensors.
            take: Called, on any thread, with the number of a tensor and a piece of its bytes.
            on_read: Called for progress.
        """


class Specs(Mapping[str, "TensorSpec"]):
    """Name -> TensorSpec, in key order. One name is looked up; asking for all decodes the index.

    Attributes:
        known: All specs, once they have been listed; until then none.
        complete: Whether they have been.
    """

    def __init__(self, reader: Reader) -> None:
        self._open_reader: Reader | None = reader
        self._label = os.path.basename(reader.prefix) or reader.prefix
        self.known: dict[str, TensorSpec] = {}
        self.complete = False
        self._last: TensorSpec | None = None

    @property
    def _reader(self) -> Reader:
        if self._open_reader is None:
            raise ValueError(f"checkpoint {self._label!r} is closed")
        return self._open_reader

    def close(self) -> None:
        """Drop the reader; what has been listed stays."""
        self._open_reader = self._last = None

    @property
    def listed(self) -> dict[str, TensorSpec]:
        """All specs, decoded once."""
        if not self.complete:
            with enough_memory(self._reader.path):
                self.known = self._reader.listing()
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

    def _find(self, name: object) -> TensorSpec | None:
        if not isinstance(name, str):
            raise TensorNotFoundError(f"names are str, not {type(name).__name__}")
        if self.complete:
            return self.known.get(name)
        # Rows of one tensor are asked for again and again: its slices are decoded once.
        spec = self._last
        if spec is None or spec.name != name:
            with enough_memory(self._reader.path):
                self._last = spec = self._reader.lookup(name)
        return spec

    def _not_found(self, name: str) -> TensorNotFoundError:
        try:
            alike = nearest(name, list(self.listed))
            advice = f"Nearest: {', '.join(map(shortened, alike))}" if alike else None
        except CheckpointError as error:
            advice = f"The index is damaged, so it may be lost: {error.problem}"
        return TensorNotFoundError(
            f"there is no tensor {name!r}", file=self._reader.path, advice=advice
        )

    def __repr__(self) -> str:
        known = f" of {count_of(len(self.known), 'tensor')}" if self.complete else ""
        return f"<Specs{known} in {self._label!r}>"
