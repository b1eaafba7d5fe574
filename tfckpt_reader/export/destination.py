"""The destination of a conversion: its path, its format, and whether it may be written.

Knows no tensor.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, NamedTuple

from tfckpt_reader.export.formats import FORMATS
from tfckpt_reader.storage.atomic import atomic_file, atomic_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tfckpt_reader.export.formats.base import Format

_SLASHES = tuple(filter(None, (os.sep, os.altsep)))


class Destination(NamedTuple):
    """A file or a folder to write."""

    path: str
    """Without a slash at its end."""
    format: Format

    @classmethod
    def of(cls, path: str, name: str | None, *, compress: bool) -> Destination:
        """Return the destination at a path; its suffix selects the format unless `name` does.

        Raises:
            ValueError: the format is unknown, or cannot be compressed.
        """
        name = name or _format_name(path)
        if name not in FORMATS:
            raise ValueError(f"there is no format {name!r}, only {', '.join(FORMATS)}")
        if compress and not FORMATS[name].can_compress:
            compressible = " or ".join(f".{key}" for key in FORMATS if FORMATS[key].can_compress)
            raise ValueError(f"{path}: only an {compressible} can be compressed")
        stripped = path.rstrip("".join(_SLASHES)) if FORMATS[name].is_folder else path
        return cls(stripped or path, FORMATS[name])

    def require_writable(self, *, force: bool) -> None:
        """Refuse an existing path, unless `force`, and an impossible one.

        Raises:
            OSError: the reason.
        """
        path, folder = self.path, os.path.dirname(self.path)
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"{path}: there is no folder {folder}")
        if path.endswith(_SLASHES) or (os.path.isdir(path) and not self.format.is_folder):
            raise IsADirectoryError(f"{path} is a folder; name a file")
        if not os.path.lexists(path):
            return
        if not force:
            raise FileExistsError(f"{path} exists already; --force (force=True) replaces it")
        self.format.files_to_replace(path)

    def written(self, *, force: bool) -> AbstractContextManager[IO[bytes] | str]:
        """Yield a new file, or the path of a new folder; rename it to `path` on success.

        Whatever appears at `path` meanwhile stays, unless `force`.
        """
        if not self.format.is_folder:
            return atomic_file(self.path, replace=force)
        replaced = self.format.files_to_replace(self.path) if force else ()
        return atomic_folder(self.path, replaced, replace=force)


def _format_name(path: str) -> str:
    for name, file_format in FORMATS.items():
        if path.endswith(_SLASHES if file_format.suffix == "/" else file_format.suffix):
            return name
    known = " or ".join(each.suffix for each in FORMATS.values() if not each.is_folder)
    raise ValueError(
        f"{path}: unknown format; name a file that ends in {known}, or a folder that ends in /"
    )
