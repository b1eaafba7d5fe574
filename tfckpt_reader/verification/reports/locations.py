"""Problems as a service shows them: where, seen from the top of the repository, and in words.

Opens nothing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfckpt_reader.verification.report import Problem, Report


def place(problem: Problem, report: Report) -> str:
    """Return the path that a problem is shown at: its file, or else the checkpoint's."""
    return problem.file or report.path


def words(problem: Problem) -> str:
    """Return a problem in one line, without its severity, code and file."""
    return str(replace(problem, file=None)).partition(": ")[2]


def inside(path: str, top: str) -> str:
    """Return a path as seen from the folder `top`; as it is, if it is not in there."""
    whole, folder = os.path.abspath(path), os.path.join(os.path.abspath(top), "")
    return with_slashes(whole.removeprefix(folder) if whole.startswith(folder) else path)


def uri(path: str, top: str) -> str:
    """Return the URI of a path: relative to `top` if it is in there, else ``file://``."""
    from urllib.parse import quote

    shown = inside(path, top)
    whole = os.path.abspath(path)
    if not whole.startswith(os.path.join(os.path.abspath(top), "")):
        return "file:///" + quote(os.fsencode(with_slashes(whole).lstrip("/")), safe="/")
    return quote(os.fsencode(shown), safe="/")


def with_slashes(path: str) -> str:
    """Return a path with the slashes of URIs, on Windows too."""
    return path.replace(os.sep, "/")
