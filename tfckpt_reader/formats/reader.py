"""What a reader of either format offers to the layers above.

Knows no format; V2 (bundle.py) and V1 (v1.py) both have this shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSpec

    Take = Callable[[int, int, memoryview], object]
    """Called on any thread with a number, how many bytes lie before, and some whole elements,
    little-endian and canonical, which are overwritten when it returns.
    """

    OnRead = Callable[[int], None]
    """Called on the caller's thread, now and then, with how many bytes more were read."""


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


def pour_in_order(
    reader: Reader,
    specs: Iterable[tuple[int, TensorSpec]],
    take: Take,
    on_read: OnRead | None,
) -> None:
    """Do what `Reader.pour` says for tensors that must be put together, one after another."""
    for number, spec in specs:
        done = 0
        for piece in reader.stream(spec):
            take(number, done, piece)
            done += len(piece)
            if on_read is not None:
                on_read(len(piece))
