"""Many tensors, one after another: for those that cannot be read in windows.

Knows no format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.formats.reader import OnRead, Reader, Sink
    from tfckpt_reader.tensor.spec import TensorSpec


def read_in_order(
    reader: Reader,
    specs: Iterable[tuple[int, TensorSpec]],
    sink: Sink,
    on_read: OnRead | None,
) -> None:
    """Do as `Reader.read_many` for numbered tensors, one after another."""
    for number, spec in specs:
        done = 0
        for chunk in reader.chunks(spec):
            sink(number, done, chunk)
            done += len(chunk)
            if on_read is not None:
                on_read(len(chunk))
