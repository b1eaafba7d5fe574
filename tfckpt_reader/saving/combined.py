"""Several checkpoints, behind the interface of the reader of one.

Knows no destination. A tensor comes from one checkpoint, or its slices come from several, as of an
unmerged save. Shards are numbered on: those of the second after those of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.tensor.spec import Segment, TensorSlice, TensorSpec, Unplaced
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import OnRead, Reader, Sink


class Combined:
    """The tensors of several readers as a `Reader`.

    Args:
        readers: The readers.
        specs: For each, the tensors that are taken from it.

    Raises:
        UnsupportedError: tensors of one name that are no slices of one tensor; all are named.
    """

    version = "V2"
    shard_count = 1

    def __init__(
        self, readers: Sequence[Reader], specs: Sequence[Mapping[str, TensorSpec]]
    ) -> None:
        self.prefix, self.path = readers[0].prefix, readers[0].path
        self.notes = [note for reader in readers for note in reader.notes]
        self._readers = readers
        self._first_shards: list[int] = []
        self._owners: dict[str, int] = {}
        self._specs: dict[str, TensorSpec] = {}
        conflicts: list[str] = []
        first = 0
        for number, (reader, taken) in enumerate(zip(readers, specs, strict=True)):
            self._first_shards.append(first)
            for name, spec in taken.items():
                mine = _renumbered(spec, first)
                if name not in self._specs:
                    self._owners[name], self._specs[name] = number, mine
                elif _are_slices_of_one(self._specs[name], mine):
                    joined = self._specs[name].slices + mine.slices
                    self._specs[name] = self._specs[name]._replace(slices=joined)
                else:
                    conflicts.append(name)
            first += max(reader.shard_count, 1)
        if conflicts:
            raise UnsupportedError(
                f"in more than one checkpoint: {', '.join(map(quoted, sorted(conflicts)))}",
                advice="Leave them out of one by tfckpt convert --exclude, or rename them",
            )

    def lookup(self, name: str, _rows: slice | None = None) -> TensorSpec | None:
        """Return the spec of one tensor, or None."""
        return self._specs.get(name)

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, in key order."""
        return {name: self._specs[name] for name in sorted(self._specs, key=_bytes)}

    def _home(self, spec: TensorSpec) -> tuple[Reader, TensorSpec]:
        """Return the reader of a tensor or a slice, and the spec there."""
        number = self._owners[spec.name]
        shard = spec.shard if isinstance(spec.segment, Segment) else None
        if shard is not None:
            number = sum(first <= shard for first in self._first_shards) - 1
        elif {self._number_of(each) for each in spec.slices} - {number, None}:
            raise UnsupportedError(
                f"the slices of {quoted(spec.name)} lie in several checkpoints, and can only be "
                "written as they are"
            )
        return self._readers[number], _renumbered(spec, -self._first_shards[number])

    def _number_of(self, part: TensorSlice) -> int | None:
        if not isinstance(part.segment, Segment):
            return None
        return sum(first <= part.segment.shard for first in self._first_shards) - 1

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor."""
        reader, there = self._home(spec)
        return reader.array(there, check=check)

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows, owned, or written into `out`."""
        reader, there = self._home(spec)
        return reader.read(there, rows, check=check, out=out)

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's portable bytes."""
        reader, there = self._home(spec)
        return reader.chunks(there)

    def read_many(
        self, specs: Sequence[TensorSpec], sink: Sink, on_read: OnRead | None = None
    ) -> None:
        """Hand all bytes of numeric tensors to `sink`: see `Reader.read_many`."""
        groups: dict[int, list[tuple[int, TensorSpec]]] = {}
        readers: dict[int, Reader] = {}
        for number, spec in enumerate(specs):
            reader, there = self._home(spec)
            readers[id(reader)] = reader
            groups.setdefault(id(reader), []).append((number, there))
        for key, group in groups.items():
            numbers = [number for number, _ in group]

            def forward(
                index: int, first: int, data: memoryview, numbers: Sequence[int] = tuple(numbers)
            ) -> None:
                sink(numbers[index], first, data)

            readers[key].read_many([spec for _, spec in group], forward, on_read)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _renumbered(spec: TensorSpec, by: int) -> TensorSpec:
    """Return a spec with other numbers of shards."""

    def moved(segment: Segment | Unplaced) -> Segment | Unplaced:
        if isinstance(segment, Segment):
            return segment._replace(shard=segment.shard + by)
        return segment

    slices = tuple(each._replace(segment=moved(each.segment)) for each in spec.slices)
    return TensorSpec(moved(spec.segment), slices)


def _are_slices_of_one(one: TensorSpec, other: TensorSpec) -> bool:
    """Return whether two specs list different slices of the same tensor."""
    extents = {each.extents for each in one.slices}
    return (
        bool(one.slices and other.slices)
        and (one.dtype, one.shape) == (other.dtype, other.shape)
        and extents.isdisjoint(each.extents for each in other.slices)
    )
