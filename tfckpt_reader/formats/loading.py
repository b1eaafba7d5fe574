"""Many tensors at once, in memory of their own.

Knows no format. Small ones are copied from their views, one after another: a thread costs more
than they do. Large ones are read on threads, and lie on huge pages.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tfckpt_reader.storage.huge_pages import HUGE, huge_pages
from tfckpt_reader.storage.workers import each
from tfckpt_reader.tensor.dense import shaped
from tfckpt_reader.tensor.dtypes import to_numpy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.tensor.spec import TensorSpec

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
    large = []
    for spec in specs:
        size = spec.nbytes
        if size is None or size >= _LARGE or spec.slices:
            arrays[spec.name] = None  # keeps its place
            large.append(spec)
        else:
            arrays[spec.name] = reader.array(spec, check=check).copy()

    def read(spec: TensorSpec, _buffer: memoryview) -> NDArray[Any]:
        return reader.read(spec, spec.all_rows, check=check, out=_on_huge_pages(spec))

    if large:
        with closing(each(large, read)) as done:
            for spec, array in done:
                arrays[spec.name] = array
    return arrays


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
