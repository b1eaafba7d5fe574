"""The interface of a reader of either format.

Knows no format: V2 (``v2/bundle.py``) and V1 (``v1/reader.py``) both have this shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.spec import TensorSpec

    Sink = Callable[[int, int, memoryview], object]
    """Called on any thread with the number of a tensor, an offset in its bytes, and a chunk: whole
    elements from there on, as portable bytes (``tensor.dense``). It is overwritten on return.
    """

    OnRead = Callable[[int], None]
    """Called on the caller's thread, now and then, with the bytes read since the last call."""


class Reader(Protocol):
    """A checkpoint of either format. It touches no data until data is asked for."""

    version: str
    """"V1" or "V2"."""
    prefix: str
    """Path without the endings of its files."""
    notes: list[str]
    """Assumptions made while reading, a line each."""

    @property
    def path(self) -> str:
        """The file that lists the tensors."""

    @property
    def shard_count(self) -> int:
        """How many data files there should be."""

    def lookup(self, name: str, rows: slice | None = None, /) -> TensorSpec | None:
        """Return the spec of one tensor, or None; decode as little as possible.

        With `rows`, it need not have the slices without any of these rows, along axis 0.
        """

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, in key order."""

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor, read-only: a view of a mapped file where possible."""

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows, owned, or written into `out`, a C-contiguous array of their shape."""

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's portable bytes in C order, whole elements at a time.

        A chunk is overwritten by the next. The crc is compared at the end: no chunk may be trusted
        until the iteration is over.
        """

    def read_many(
        self, specs: Sequence[TensorSpec], sink: Sink, on_read: OnRead | None = None
    ) -> None:
        """Hand all bytes of numeric tensors to `sink`, in any order, several at a time, checked.

        No byte may be trusted before it returns. The first error stops it.

        Args:
            specs: The tensors.
            sink: Called with the number of a tensor and some of its bytes.
            on_read: Called for progress.
        """
