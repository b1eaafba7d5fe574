"""The arrays of an export: name, type, shape, and the source of their bytes.

Knows no format and no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tfckpt_reader.tensor.spec import TensorSpec

    Encode = Callable[[memoryview], memoryview]
    """Converts whole little-endian elements to as many of another type. Called on any thread."""


class ElementEncoding(NamedTuple):
    """How a format holds the elements of a dtype."""

    type_name: str
    """The type in the format's spelling."""
    itemsize: int
    """Bytes per element."""
    encode: Encode | None = None
    """Makes the format's elements from the tensor's; None: they are equal."""

    def after(self, first: Encode | None) -> ElementEncoding:
        """Return the encoding that converts the elements with `first` beforehand."""
        if first is None:
            return self
        then = self.encode
        return self._replace(encode=first if then is None else lambda data: then(first(data)))


@dataclass(frozen=True, slots=True)
class OutputArray:
    """An array to write. Its bytes are a tensor's, encoded if necessary, or come in chunks."""

    name: str
    """Name in the destination."""
    type_name: str
    """The type in the format's spelling."""
    shape: tuple[int, ...]
    itemsize: int
    """Bytes per element in the destination."""
    spec: TensorSpec
    """The tensor it comes from."""
    encode: Encode | None = None
    chunks: Callable[[], Iterator[bytes | memoryview]] | None = None
    """Yields the bytes of an array of strings; None for numbers."""

    @classmethod
    def numeric(cls, name: str, spec: TensorSpec, encoding: ElementEncoding) -> OutputArray:
        """Return the array for a tensor of numbers."""
        type_name, itemsize, encode = encoding
        return cls(name, type_name, spec.shape, itemsize, spec, encode)

    @property
    def nbytes(self) -> int:
        """Bytes of its elements in the destination, known before they are written."""
        return prod(self.shape) * self.itemsize
