"""Where a conversion goes: the format that a path means, and whether it may be written there.

Knows no tensor.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.export.formats.npy_folder import files_to_replace
from tfckpt_reader.export.plan import FORMATS
from tfckpt_reader.storage.atomic import atomic_file, atomic_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tfckpt_reader.export.arrays import Stored
    from tfckpt_reader.formats.reader import Reader

    Write = Callable[[Reader, Sequence[Stored], Callable[[int], None], Mapping[str, str]], None]

_SLASHES = tuple(filter(None, (os.sep, os.altsep)))


class Target(NamedTuple):
    """A file or a folder that is to be written."""

    path: str
    """Without a slash at its end."""
    kind: str
    """Key of its format in `FORMATS`."""
    compress: bool

    @classmethod
    def of(cls, path: str, kind: str | None, *, compress: bool) -> Target:
        """Return the target that a path means, or a path and the name of a format.

        Raises:
            ValueError: there is no such format, or it is never compressed.
        """
        found = kind or _kind_of(path)
        if found not in FORMATS:
            raise ValueError(f"there is no format {found!r}, only {', '.join(FORMATS)}")
        if compress and FORMATS[found].write_deflated is None:
            raise ValueError(f"{path}: only an .npz can be compressed")
        stripped = path.rstrip("".join(_SLASHES)) if FORMATS[found].is_folder else path
        return cls(stripped or path, found, compress)

    @property
    def is_folder(self) -> bool:
        """Whether it is going to be a folder."""
        return FORMATS[self.kind].is_folder

    def require_writable(self, *, force: bool) -> None:
        """Refuse a target that is there already, unless `force`, or where none can be.

        Raises:
            OSError: why it cannot be.
        """
        path, folder = self.path, os.path.dirname(self.path)
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"{path}: there is no folder {folder}")
        if path.endswith(_SLASHES) or (os.path.isdir(path) and not self.is_folder):
            raise IsADirectoryError(f"{path} is a folder; name a file")
        if not os.path.lexists(path):
            return
        if not force:
            raise FileExistsError(f"{path} exists already; --force (force=True) replaces it")
        if self.is_folder:
            self._files()
        elif os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            raise FileExistsError(f"{path} is no regular file; name another one")

    def _files(self) -> set[str]:
        """Return the names of the files that go when the folder is replaced."""
        if not os.path.lexists(self.path):
            return set()
        if os.path.islink(self.path) or not os.path.isdir(self.path):
            raise FileExistsError(f"{self.path} is no folder; name another one")
        return files_to_replace(self.path)

    @contextmanager
    def written(self) -> Iterator[Write]:
        """Give what writes it aside; it takes its name when all went well."""
        to = FORMATS[self.kind]
        write = to.write_deflated if self.compress and to.write_deflated else to.write

        def call(
            place: object,
            reader: Reader,
            arrays: Sequence[Stored],
            wrote: Callable[[int], None],
            about: Mapping[str, str],
        ) -> None:
            write(place, reader, arrays, wrote, *([about] if to.says_about else []))

        if to.is_folder:
            with atomic_folder(self.path, self._files()) as folder:
                yield partial(call, folder)
        else:
            with atomic_file(self.path) as file:
                yield partial(call, file)


def _kind_of(path: str) -> str:
    """Return the name of the format that the end of a path tells."""
    for kind, to in FORMATS.items():
        ends = _SLASHES if to.is_folder else (to.end,)
        if path.endswith(ends):
            return kind
    known = " or ".join(to.end for to in FORMATS.values() if not to.is_folder)
    raise ValueError(
        f"{path}: unknown format; name a file that ends in {known}, or a folder that ends in /"
    )
