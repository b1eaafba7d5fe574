"""The location and the text of a problem, as a service shows them.

Opens nothing. Paths are shown relative to the top of the repository.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from tfckpt_reader.storage.filesystem import absolute_path, is_url, join
from tfckpt_reader.verification.codes import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.verification.report import Problem, Report


def worst_first(reports: Sequence[Report]) -> list[tuple[Problem, str]]:
    """Return all problems with their paths: the file, or else the checkpoint."""
    pairs = [
        (problem, problem.file or report.path) for report in reports for problem in report.problems
    ]
    return sorted(pairs, key=lambda pair: SEVERITIES.index(pair[0].severity))


def text_of(problem: Problem) -> str:
    """Return a problem in one line, without its severity, code and file."""
    return str(replace(problem, file=None)).partition(": ")[2]


def relative(path: str, top: str) -> str:
    """Return a path relative to the folder `top`; unchanged, if it lies elsewhere."""
    inside = _inside(path, top)
    return (path if inside is None else inside).replace(os.sep, "/")


def uri(path: str, top: str) -> str:
    """Return the URI of a path: relative to `top`, or ``file://`` if it lies elsewhere."""
    from urllib.parse import quote

    if is_url(path):
        return quote(os.fsencode(path), safe="/:+")
    inside = _inside(path, top)
    shown = (absolute_path(path) if inside is None else inside).replace(os.sep, "/")
    scheme = "file:///" if inside is None else ""
    return scheme + quote(os.fsencode(shown.lstrip("/")), safe="/")


def _inside(path: str, top: str) -> str | None:
    whole, folder = absolute_path(path), join(absolute_path(top), "")
    return whole.removeprefix(folder) if whole.startswith(folder) else None
