"""The common part of the loaders: importing a framework, and the tensors that one can hold.

Knows no framework.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.objects.selection import Selection, words
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.tensor.spec import TensorSpec


def framework(name: str, packages: str = "") -> Any:
    """Import a framework.

    Args:
        name: Its module.
        packages: To install for it. Default: the module, and ml_dtypes.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            f"{name} cannot be imported: {error}",
            advice=f"Install it: pip install {packages or f'{name} ml_dtypes'}",
        ) from error


def chosen(ckpt: Checkpoint, names: str, only: str | Sequence[str]) -> dict[str, TensorSpec]:
    """Return the tensors to load, by their new names, without the object graph.

    A warning names the tensors of unknown role that `only` leaves out.

    Args:
        ckpt: The checkpoint.
        names: "key", "full_name" or "object_path".
        only: Roles as for `objects.selection`; () for all.

    Raises:
        ValueError: there are no such names or roles.
        UnsupportedError: some are strings or variants, all are named; or nothing is left.
    """
    selected = Selection(only=words(only)).apply(ckpt.specs, lambda: ckpt.roles)
    for note in selected.notes:
        warnings.warn(note, stacklevel=3)
    specs = {
        name: spec
        for name, spec in ckpt.renamed(names).specs.items()
        if spec.name in selected.sources and spec.name != OBJECT_GRAPH
    }
    others = [name for name, spec in specs.items() if not spec.dtype.itemsize]
    if others or not specs:
        raise UnsupportedError(
            f"{count_of(len(others), 'tensor')} cannot be held, being no numbers: {named(others)}"
            if others
            else f"of {count_of(len(ckpt), 'tensor')} none is left",
            file=ckpt.reader.path,
            advice='Leave such tensors out with only="weights"' if others and not only else None,
        )
    return specs


def named(names: Iterable[str]) -> str:
    """Return names in quotes, as one text of bounded length."""
    return shortened(", ".join(map(quoted, names)))
