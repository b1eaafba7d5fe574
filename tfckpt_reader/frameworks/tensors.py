"""What the loaders share: importing a framework, and the tensors that one can hold.

Knows no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.tensor.spec import TensorSpec


def framework(name: str) -> Any:
    """Import a framework.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            f"{name} cannot be imported: {error}",
            advice=f"Install it: pip install {name} ml_dtypes",
        ) from error


def require_numbers(specs: Mapping[str, TensorSpec], file: str) -> dict[str, TensorSpec]:
    """Return the specs without the object graph, which is no value; all must be of numbers.

    Raises:
        UnsupportedError: some are strings or variants; all are named.
    """
    held = {name: spec for name, spec in specs.items() if spec.name != OBJECT_GRAPH}
    others = [name for name, spec in held.items() if not spec.dtype.itemsize]
    if others:
        raise UnsupportedError(
            f"{count_of(len(others), 'tensor')} cannot be held, being of no numbers: "
            f"{named(others)}",
            file=file,
            advice='Leave them out with only="weights"',
        )
    return held


def named(names: Iterable[str]) -> str:
    """Return names in quotes, as one text of bounded length."""
    return shortened(", ".join(map(quoted, names)))
