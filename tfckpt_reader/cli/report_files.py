"""Where else the outcome of `verify` goes: files of reports, and the service that runs the job.

Asks the writers (reports/) for text; a file is written aside and renamed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader import __version__
from tfckpt_reader.cli import output
from tfckpt_reader.paths.layout import DATA_FILE
from tfckpt_reader.paths.prefix import is_table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence

    from tfckpt_reader.verification.report import Report

_FILES = ("junit", "sarif", "markdown")
"""Options that name a file to write."""
_TOPS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables in which GitHub and GitLab name the folder of the repository."""


def require_writable(arguments: Namespace) -> None:
    """Refuse to write a report over a file of a checkpoint, before anything is verified.

    Raises:
        ValueError: says which.
    """
    for option in _FILES:
        path = getattr(arguments, option)
        if path and (DATA_FILE.fullmatch(path) or path.endswith(".index") or is_table(path)):
            raise ValueError(f"{path}: --{option} would write over a file of a checkpoint")


def deliver(reports: Sequence[Report], failed: Sequence[str], arguments: Namespace) -> None:
    """Write the files that were asked for; tell GitHub, if asked to, or if it runs the job.

    Raises:
        OSError: a file cannot be written.
    """
    for option in _FILES:
        path = getattr(arguments, option)
        if path:
            _write(path, _pieces(option, reports, failed, arguments))
    in_github = output.in_github() if arguments.github is None else arguments.github
    if in_github:
        _tell_github(reports, failed, arguments)


def _pieces(
    option: str, reports: Sequence[Report], failed: Sequence[str], arguments: Namespace
) -> Iterable[str]:
    if option == "junit":
        from tfckpt_reader.verification.reports.junit import junit

        return [junit(reports, strict=arguments.strict, failed=failed)]
    if option == "sarif":
        from tfckpt_reader.verification.reports.sarif import sarif

        return sarif(reports, version=__version__, top=_top(), failed=failed)
    from tfckpt_reader.verification.reports.markdown import markdown

    return [markdown(reports, top=_top(), failed=failed)]


def _top() -> str:
    return next((os.environ[name] for name in _TOPS if os.environ.get(name)), ".")


def _write(path: str, pieces: Iterable[str]) -> None:
    contents = (piece.encode("utf-8", "backslashreplace") for piece in pieces)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/stdout
        with open(path, "wb") as file:
            file.writelines(contents)
        return
    from tfckpt_reader.storage.atomic import atomic_file

    with atomic_file(os.path.realpath(path)) as file:
        file.writelines(contents)


def _tell_github(reports: Sequence[Report], failed: Sequence[str], arguments: Namespace) -> None:
    """Print annotations, and add to the summary of the job."""
    from tfckpt_reader.verification.reports.github import annotated
    from tfckpt_reader.verification.reports.markdown import LARGEST, markdown

    # The runner reads both streams; on stdout, JSON must stay alone.
    output.command(*annotated(reports, top=_top(), failed=failed), to_stderr=arguments.json)
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "ab") as file:
            room = LARGEST - file.seek(0, os.SEEK_END)
            text = markdown(reports, top=_top(), failed=failed, largest=max(0, room))
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:  # nobody asked for it by name: no reason to fail the job
        output.remark(f"the summary of the job was not written: {error.strerror}")
