"""The destination of a conversion: its path, its format, and whether it may be written.

Knows no tensor.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.export.formats import FORMATS
from tfckpt_reader.storage.filesystem import is_folder, is_url
from tfckpt_reader.storage.writing.targets import has_name, require_place

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tfckpt_reader.export.formats.base import Format, Settings

_SLASHES = tuple(filter(None, (os.sep, os.altsep)))


class Destination(NamedTuple):
    """A file or a folder to write."""

    path: str
    """Without a slash at its end."""
    format: Format

    @classmethod
    def of(cls, path: str, name: str | None, settings: Settings) -> Destination:
        """Return the destination at a path; its suffix selects the format unless `name` does.

        Raises:
            ValueError: the format is unknown, or lacks some of the settings.
            UnsupportedError: a library that writes the format is not installed.
        """
        name = name or _format_name(path)
        if name not in FORMATS:
            raise ValueError(f"there is no format {name!r}, only {', '.join(FORMATS)}")
        for setting in sorted(settings.chosen - FORMATS[name].settings):
            having = [key for key, other in FORMATS.items() if setting in other.settings]
            raise ValueError(f"{path}: the option {setting} needs --format {' or '.join(having)}")
        stripped = path.rstrip("".join(_SLASHES)) if FORMATS[name].is_folder else path
        return cls(stripped or path, FORMATS[name].configured(settings))

    @property
    def own_file(self) -> str:
        """The file or folder that exists if the destination does."""
        return self.format.own_file(self.path)

    def require_writable(self, *, force: bool) -> None:
        """Refuse an existing path, unless `force`, and an impossible one.

        Raises:
            OSError: the reason.
            CheckpointError: a URL cannot be written to.
        """
        path = self.path
        if is_url(path) and not self.format.to_url:
            able = ", ".join(key for key, each in FORMATS.items() if each.to_url)
            raise UnsupportedError(f"only {able} are written to URLs", file=path)
        require_place(path)
        if path.endswith(_SLASHES) or (is_folder(path) and not self.format.is_folder):
            raise IsADirectoryError(f"{path} is a folder; name a file")
        if not has_name(self.own_file):
            return
        if not force:
            existing = f"{self.own_file} exists already"
            raise FileExistsError(f"{existing}; --force (force=True) replaces it")
        self.format.files_to_replace(path)

    def written(self, *, force: bool) -> AbstractContextManager[Any]:
        """Yield something new to write to, for `Format.write`; give it its name on success.

        Whatever appears at the destination meanwhile stays, unless `force`.
        """
        return self.format.opened(self.path, replace=force)


def _format_name(path: str) -> str:
    for name, file_format in FORMATS.items():
        named = path.rstrip("".join(_SLASHES)) if file_format.is_folder else path
        if named.endswith(file_format.suffix) or (file_format.suffix == "/" and named != path):
            return name
    *others, last = (each.suffix for each in FORMATS.values() if each.suffix != "/")
    known = f"{', '.join(others)} or {last}"
    raise ValueError(
        f"{path}: unknown format; name a file that ends in {known}, or a folder that ends in /"
    )
