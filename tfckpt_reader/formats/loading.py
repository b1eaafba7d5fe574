"""Many tensors at once, in memory of their own.

Knows no format. Small ones are copied from their views, one after another: a thread costs more
than they do. Large ones are read on threads, and lie on huge pages. Of a distant file, small ones
are fetched together.
"""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from tfckpt_reader.storage.ahead import ahead
from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.storage.huge_pages import HUGE, huge_pages
from tfckpt_reader.storage.workers import MOST_THREADS, each, processors
from tfckpt_reader.tensor.dense import shaped
from tfckpt_reader.tensor.dtypes import to_numpy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.formats.v2.shards import Shards
    from tfckpt_reader.tensor.spec import Segment, TensorSpec

_Task = TypeVar("_Task")

_LARGE = 256 << 10
"""From this size on, in bytes, a tensor is read instead of copied."""


def load(reader: Reader, specs: Iterable[TensorSpec], *, check: bool) -> dict[str, NDArray[Any]]:
    """Return name -> array, owned and writable, in the order of `specs`.

    Args:
        reader: The checkpoint.
        specs: The tensors.
        check: Compare each crc.

    Raises:
        CheckpointError: the first error of a tensor.
    """
    arrays: dict[str, Any] = {}
    small: list[TensorSpec] = []
    large: list[TensorSpec] = []
    for spec in specs:
        arrays[spec.name] = None  # keeps its place
        size = spec.elements * spec.dtype.itemsize or spec.nbytes
        is_large = size is None or size >= _LARGE or spec.slices
        (large if is_large else small).append(spec)

    def copy(group: Iterable[TensorSpec], _buffer: memoryview) -> None:
        for spec in group:
            arrays[spec.name] = reader.array(spec, check=check).copy()

    def read(spec: TensorSpec, _buffer: memoryview) -> None:
        out = _on_huge_pages(spec)
        arrays[spec.name] = reader.read(spec, spec.all_rows, check=check, out=out)

    if is_url(reader.prefix):
        _run(_groups(reader, small), copy, MOST_THREADS)
        _run(large, read, MOST_THREADS)
    else:
        copy(small, memoryview(b""))
        _run(large, read, processors())
    return arrays


def _run(tasks: list[_Task], work: Callable[[_Task, memoryview], None], threads: int) -> None:
    with closing(each(tasks, work, min(threads, len(tasks)))) as done:
        for _ in done:
            pass


def _groups(reader: Reader, specs: list[TensorSpec]) -> list[Iterable[TensorSpec]]:
    """Return tensors by data file; as they are iterated, their bytes are fetched together."""
    from tfckpt_reader.formats.v2.bundle import Bundle
    from tfckpt_reader.tensor.spec import Segment

    if not isinstance(reader, Bundle):
        return [specs]
    placed = [(spec.segment, spec) for spec in specs if isinstance(spec.segment, Segment)]
    for segment, _ in placed:  # of several missing ones, the first is the error
        reader.shards.file_of(segment)
    placed.sort(key=lambda each: (each[0].shard, each[0].offset))
    groups = (list(of_one) for _, of_one in groupby(placed, lambda each: each[0].shard))
    return [_fetched(reader.shards, group) for group in groups]


def _fetched(shards: Shards, group: list[tuple[Segment, TensorSpec]]) -> Iterator[TensorSpec]:
    file = shards.file_of(group[0][0])
    for _, spec in ahead(file, group, lambda each: range(each[0].offset, each[0].end)):
        yield spec


def _on_huge_pages(spec: TensorSpec) -> NDArray[Any] | None:
    """Return an array for a tensor of numbers; None if it is small, or the system refuses.

    It takes memory only as it is filled, so the tensor's bytes may still turn out to be missing.
    """
    import numpy as np

    size = spec.elements * spec.dtype.itemsize
    buffer = huge_pages(size) if size >= HUGE else None
    if buffer is None:
        return None
    return shaped(np.frombuffer(buffer, to_numpy(spec.dtype)), spec.shape, spec.dtype)
