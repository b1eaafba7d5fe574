"""The location and the text of a problem, as a service shows them.

Opens nothing. Paths are shown relative to the top of the repository.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfckpt_reader.verification.report import Problem, Report


def path_of(problem: Problem, report: Report) -> str:
    """Return the path that a problem is shown at: its file, or else the checkpoint."""
    return problem.file or report.path


def text_of(problem: Problem) -> str:
    """Return a problem in one line, without its severity, code and file."""
    return str(replace(problem, file=None)).partition(": ")[2]


def relative(path: str, top: str) -> str:
    """Return a path relative to the folder `top`; unchanged, if it lies elsewhere."""
    whole, folder = os.path.abspath(path), os.path.join(os.path.abspath(top), "")
    return with_slashes(whole.removeprefix(folder) if whole.startswith(folder) else path)


def uri(path: str, top: str) -> str:
    """Return the URI of a path: relative to `top`, or ``file://`` if it lies elsewhere."""
    from urllib.parse import quote

    shown = relative(path, top)
    whole = os.path.abspath(path)
    if not whole.startswith(os.path.join(os.path.abspath(top), "")):
        return "file:///" + quote(os.fsencode(with_slashes(whole).lstrip("/")), safe="/")
    return quote(os.fsencode(shown), safe="/")


def with_slashes(path: str) -> str:
    """Return a path with the slashes of URIs, on Windows too."""
    return path.replace(os.sep, "/")
