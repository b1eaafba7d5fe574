"""Sinks for the bytes of tensors whose work other processes can do.

Independent of the format, and of what becomes of the bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tfckpt_reader.formats.reader import Sink

    Places = Sequence[tuple[Any, int, int]] | Mapping[int, tuple[Any, int, int]]


class PortableSink(ABC):
    """A `Sink` whose work may be done in other processes, by copies of its parts."""

    def __call__(self, number: int, first: int, data: memoryview) -> None:
        """Take some bytes here."""
        self.merge(self.take(number, first, data))

    @abstractmethod
    def take(self, number: int, first: int, data: memoryview) -> Any:
        """Take some bytes, in any process; return plain values for `merge`."""

    @abstractmethod
    def merge(self, taken: Any) -> None:
        """Use the values of a call of `take`, on any thread."""

    @abstractmethod
    def part(self, numbers: Collection[int]) -> PortableSink:
        """Return a sink for some of the tensors, to be pickled; only its `take` is called."""

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """End a unit of work in another process: everything taken is stored."""


class _Placed(PortableSink):
    """Hands the bytes of segments to the sink of their tensors.

    Args:
        sink: Takes the bytes of tensors.
        places: Number of a segment -> itself, number of its tensor, bytes of that before it.
    """

    def __init__(self, sink: PortableSink, places: Places) -> None:
        self._sink, self._places = sink, places

    def take(self, number: int, first: int, data: memoryview) -> Any:
        """Take bytes of a segment."""
        _, tensor, start = self._places[number]
        return self._sink.take(tensor, start + first, data)

    def merge(self, taken: Any) -> None:
        """Use what `take` returned."""
        self._sink.merge(taken)

    def finish(self) -> None:
        """End a unit of work."""
        self._sink.finish()

    def part(self, numbers: Collection[int]) -> PortableSink:
        """Return a sink for some of the segments."""
        places = {number: (None, *self._places[number][1:]) for number in numbers}
        return _Placed(self._sink.part({tensor for _, tensor, _ in places.values()}), places)


def placed(sink: Sink, places: Places) -> Sink:
    """Return a sink for segments, portable if that of their tensors is; see `_Placed`."""
    if isinstance(sink, PortableSink):
        return _Placed(sink, places)

    def on_segment(index: int, first: int, block: memoryview) -> None:
        _, number, start = places[index]
        sink(number, start + first, block)

    return on_segment
