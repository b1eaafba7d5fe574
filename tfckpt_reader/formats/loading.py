"""Many tensors at once, in memory of their own.

Knows no format. Small ones are copied from their views, one after another: a thread costs more
than they do. Large ones are read on threads.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tfckpt_reader.storage.workers import each

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
        return reader.read(spec, spec.all_rows, check=check)

    if large:
        with closing(each(large, read)) as done:
            for spec, array in done:
                arrays[spec.name] = array
    return arrays
