"""The options of a conversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.export.elements import CAST_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Options:
    """Options of `convert`, under the names of its keyword arguments, and their defaults.

    The docstring of `convert` documents each.

    Raises:
        ValueError: no float can be cast to `cast`.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    strip_prefix: str = ""
    rename: Sequence[str] = ()
    names: Mapping[str, str] | None = None
    cast: str | None = None
    raw: bool = False
    format: str | None = None
    compress: bool = False
    force: bool = False
    skip_unsupported: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.cast is not None and self.cast not in CAST_TYPES:
            raise ValueError(f"cannot cast to {self.cast!r}, only to {', '.join(CAST_TYPES)}")


DEFAULTS = Options()
