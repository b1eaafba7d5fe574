"""The guard of the checkpoint's own files: never overwritten. Reads names only."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tfckpt_reader.paths.companions import companion_files, saved_model_file, saved_model_of
from tfckpt_reader.paths.layout import tensor_files
from tfckpt_reader.storage.filesystem import (
    absolute_path,
    is_same_file,
    is_url,
    join,
    real_path,
    split,
)
from tfckpt_reader.text import printable

if TYPE_CHECKING:
    from tfckpt_reader.paths.layout import Location

_OWN_SUFFIX = r"\.index|\.meta|\.data-\d+-of-\d+"


def public_name(location: Location) -> str:
    """Return the name of a checkpoint for files given to others: without its folders."""
    model = _saved_model(location)
    return printable(os.path.basename(absolute_path(location.prefix if model is None else model)))


def require_outside(location: Location, destination: str) -> None:
    """Refuse a destination path that would damage the checkpoint.

    Raises:
        FileExistsError: it is one of the checkpoint's files, by any name, or has a name of one, or
            lies in the checkpoint's SavedModel.
    """
    if is_url(location.prefix) and not is_url(destination):
        return
    real = _real(destination)
    model = _saved_model(location)
    if model is not None and real.startswith(join(real_path(model), "")):
        raise FileExistsError(
            f"{destination} lies in the SavedModel of the checkpoint; choose a path outside it"
        )
    own = f"{re.escape(_real(location.prefix))}({_OWN_SUFFIX})"
    if location.version == "V2" and re.fullmatch(own, real):
        raise FileExistsError(f"{destination} is a name of the checkpoint's own; choose another")
    for path in (*tensor_files(location), *companion_files(location)):
        if is_same_file(destination, path):
            raise FileExistsError(f"{destination} is the checkpoint itself; choose another path")


def _real(path: str) -> str:
    """Return a path with the links in its folder resolved; a link at its end would be replaced."""
    folder, base = split(path)
    return join(real_path(folder), base)


def _saved_model(location: Location) -> str | None:
    """Return the folder of the SavedModel around a checkpoint, or None."""
    model = saved_model_of(location.base)
    return None if model is None or saved_model_file(model) is None else model
