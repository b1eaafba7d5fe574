"""Reports of `verify` besides its output: files, annotations and the summary of a CI job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader import __version__
from tfckpt_reader.cli import output
from tfckpt_reader.paths.companions import is_checkpoint_file

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence

    from tfckpt_reader.verification.report import Report

FORMATS = {
    "junit": "JUnit XML, a test case per file and per top-level name scope",
    "sarif": "SARIF 2.1.0",
    "markdown": "a summary in Markdown",
}
"""Each option with a file to write, and the contents of the file."""
_REPOSITORY = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables with the folder of the repository, in GitHub and in GitLab."""


def require_writable(arguments: Namespace) -> None:
    """Refuse to overwrite a file of a checkpoint, before anything is verified.

    Raises:
        ValueError: a report has the path of such a file.
    """
    for option in FORMATS:
        path = getattr(arguments, option)
        if path and is_checkpoint_file(path):
            raise ValueError(f"{path}: --{option} would overwrite a file of a checkpoint")


def write_reports(reports: Sequence[Report], failed: Sequence[str], arguments: Namespace) -> None:
    """Write the files named by options; annotate the job if asked to, or if GitHub runs it.

    Raises:
        OSError: a file cannot be written.
    """
    for option in FORMATS:
        path = getattr(arguments, option)
        if path:
            _write(path, _text(option, reports, failed, strict=arguments.strict))
    if output.in_github() if arguments.github is None else arguments.github:
        _annotate(reports, failed, arguments)


def _text(
    option: str, reports: Sequence[Report], failed: Sequence[str], *, strict: bool
) -> Iterable[str]:
    if option == "junit":
        from tfckpt_reader.verification.reports.junit import junit

        return [junit(reports, strict=strict, failed=failed)]
    if option == "sarif":
        from tfckpt_reader.verification.reports.sarif import sarif

        return sarif(reports, version=__version__, top=_top(), failed=failed)
    from tfckpt_reader.verification.reports.markdown import markdown

    return [markdown(reports, top=_top(), failed=failed)]


def _top() -> str:
    """Return the folder of the repository; paths in reports are relative to it."""
    return next((os.environ[name] for name in _REPOSITORY if os.environ.get(name)), ".")


def _write(path: str, text: Iterable[str]) -> None:
    data = (each.encode("utf-8", "backslashreplace") for each in text)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/stdout
        with open(path, "wb") as file:
            file.writelines(data)
        return
    from tfckpt_reader.storage.writing.atomic import atomic_file

    with atomic_file(os.path.realpath(path)) as file:
        file.writelines(data)


def _annotate(reports: Sequence[Report], failed: Sequence[str], arguments: Namespace) -> None:
    """Print annotations, and append to the job summary."""
    from tfckpt_reader.verification.reports.github import annotated
    from tfckpt_reader.verification.reports.markdown import LARGEST, markdown

    # The runner reads both streams; on stdout, JSON must stay alone.
    commands = annotated(reports, top=_top(), failed=failed)
    output.print_commands(commands, to_stderr=arguments.json)
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "ab") as file:
            room = LARGEST - file.seek(0, os.SEEK_END)
            text = markdown(reports, top=_top(), failed=failed, largest=max(0, room))
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:  # no option names this file: no reason to fail the job
        output.print_message(f"the job summary was not written: {error.strerror}")
