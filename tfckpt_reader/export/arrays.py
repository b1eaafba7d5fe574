"""One array as a target holds it: its name there, its type, and how its bytes come about.

Knows no format and no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tfckpt_reader.tensor.spec import TensorSpec

    Change = Callable[[memoryview], memoryview]
    """Turns whole elements, little-endian, into as many of another type. Called on any thread."""


class Form(NamedTuple):
    """How a format holds the elements of a dtype."""

    kind: str
    """The type as the format spells it."""
    itemsize: int
    """Bytes per element."""
    change: Change | None = None
    """What makes its elements from the tensor's; None: they are the same."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One array of a target. Its bytes are a tensor's, perhaps changed, or are made apart."""

    name: str
    """What the target calls it."""
    kind: str
    """The type as the format spells it."""
    shape: tuple[int, ...]
    itemsize: int
    """Bytes per element in the target."""
    spec: TensorSpec
    """The tensor it comes from."""
    change: Change | None = None
    pieces: Callable[[], Iterator[bytes | memoryview]] | None = None
    """Makes its bytes, where they are not the tensor's own: strings."""

    @property
    def nbytes(self) -> int:
        """Bytes of its elements in the target, known before they are written."""
        return prod(self.shape) * self.itemsize


def numeric(name: str, spec: TensorSpec, form: Form) -> Stored:
    """Return numbers as stored under a name in a form."""
    return Stored(name, form.kind, spec.shape, form.itemsize, spec, form.change)
