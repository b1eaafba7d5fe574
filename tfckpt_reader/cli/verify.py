"""The command ``verify``: the findings in one checkpoint or in many."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.choosing import add_role_options
from tfckpt_reader.cli.path_argument import CHECKPOINT
from tfckpt_reader.cli.report_files import FORMATS, require_writable, write_reports
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.storage.filesystem import absolute_path, is_folder
from tfckpt_reader.text import count_of
from tfckpt_reader.verification.checkpoint import verify
from tfckpt_reader.verification.codes import CODES, ERROR, LEVELS, UNREAD, WARNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfckpt_reader.progress import Progress
    from tfckpt_reader.verification.report import Report

_MOST_PROBLEMS = 50
"""Problems of a checkpoint to print; JSON has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verify``."""
    add = parser.add_argument
    add("path", metavar="PATH", nargs="+", help=CHECKPOINT)
    level = "how deep to check; each level includes those before it (default: data)"
    add("--level", choices=LEVELS, default="data", help=level)
    add_role_options(parser, "warn of")
    add("--strict", action="store_true", help="exit with 1 for warnings, too")
    every = "check every checkpoint in the folder PATH and below it"
    add("--all", action="store_true", help=every)
    cluster = "with --all: spread the work over this Dask cluster, as tcp://HOST:8786"
    add("--scheduler", metavar="ADDRESS", help=cluster)
    for option, contents in FORMATS.items():
        add(f"--{option}", metavar="FILE", help=f"write {contents}")
    github = "annotate the job and add its summary, for GitHub (default: if GITHUB_ACTIONS is set)"
    add("--github", action=argparse.BooleanOptionalAction, help=github)
    explain = "explain this code, or all codes, and exit"
    add("--explain", action=_Explain, nargs="?", metavar="CODE", help=explain)


class _Explain(argparse.Action):
    """Explain codes and exit; like --version, this needs no PATH."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        code: object,
        _option: str | None = None,
    ) -> None:
        by_name = {kind.name: number for number, kind in CODES.items()}
        wanted = "" if code is None else by_name.get(str(code), str(code).upper())
        if wanted and wanted not in CODES:
            parser.error(f"{code!r} is no code; the codes are {', '.join(CODES)}")
        output.print_lines(
            *(
                f"{number} {kind.name}, {kind.severity}: {kind.meaning} {kind.cure}"
                f" Found at level {kind.level}."
                for number, kind in CODES.items()
                if wanted in ("", number)
            )
        )
        parser.exit()


def run(arguments: argparse.Namespace) -> int:
    """Check checkpoints: 0 if all are sound, 1 if not, or with --strict if there are warnings.

    2 if a file could not be read.

    Raises:
        CheckpointError: a path cannot be verified; the reports of the others are printed first.
    """
    if arguments.all and arguments.latest:
        raise ValueError("--all verifies every checkpoint, --latest one: leave out one of them")
    if arguments.scheduler and not arguments.all:
        raise ValueError("--scheduler spreads the work of --all: name that too")
    require_writable(arguments)
    reports, errors = _verified(arguments)
    for error in errors[:-1]:
        output.print_message(str(error))
    if reports or len(arguments.path) > 1:
        _print_reports(reports, errors, arguments)
    write_reports(reports, [str(error) for error in errors], arguments)
    if errors:
        raise errors[-1]
    problems = [problem for report in reports for problem in report.problems]
    if any(problem.code in UNREAD for problem in problems):
        return 2
    if arguments.strict and any(problem.severity == WARNING for problem in problems):
        return 1
    return 0 if all(report.ok for report in reports) else 1


def _verified(arguments: argparse.Namespace) -> tuple[list[Report], list[CheckpointError]]:
    """Verify each checkpoint once, even if several paths are files of the same one."""
    reports: dict[tuple[str, str], Report] = {}
    errors: list[CheckpointError] = []
    with output.ProgressBar("verify") as progress:
        for path in arguments.path:
            try:
                for report in _reports(path, arguments, reports, progress):
                    reports.setdefault(_key(report.version, report.path), report)
            except CheckpointError as error:
                if not arguments.all and is_folder(path) and error.advice is None:
                    error.advice = "--all searches the folders below it, too"
                errors.append(error)
    return list(reports.values()), errors


def _key(version: str, path: str) -> tuple[str, str]:
    return version, absolute_path(path)


def _reports(
    path: str,
    arguments: argparse.Namespace,
    known: dict[tuple[str, str], Report],
    progress: Progress,
) -> Sequence[Report]:
    options = {name: getattr(arguments, name) for name in ("level", "only", "without")}
    if arguments.scheduler:
        return _verified_by(arguments.scheduler, path, {**options, "on_progress": progress})
    if arguments.all:
        from tfckpt_reader.verification.folder import verify_all

        return verify_all(path, **options, on_progress=progress)
    try:
        location = locate(path, latest=arguments.latest)
    except CorruptCheckpointError:  # `verify` reports it
        return [verify(path, **options, on_progress=progress)]
    if _key(location.version, location.prefix) in known:
        return []
    return [verify(location, **options, on_progress=progress)]


def _verified_by(scheduler: str, path: str, options: dict[str, Any]) -> Sequence[Report]:
    from tfckpt_reader.frameworks.dask import connected, verify_all

    with connected(scheduler) as client:
        return verify_all(path, client, **options)


def _print_reports(
    reports: list[Report], errors: list[CheckpointError], arguments: argparse.Namespace
) -> None:
    many = arguments.all or len(arguments.path) > 1
    if arguments.json:
        from tfckpt_reader.verification.reports.json_report import document, documents

        failed = [str(error) for error in errors]
        output.print_json(documents(reports, failed) if many else document(reports[0]))
        return
    for report in sorted(reports, key=lambda report: bool(report.problems)):
        output.print_notes(report.notes)
        output.print_lines(*map(str, report.problems[:_MOST_PROBLEMS]))
        if len(report.problems) > _MOST_PROBLEMS:
            more = len(report.problems) - _MOST_PROBLEMS
            output.print_lines(f"… and {more:,} more: --json has them all")
        if many:
            output.print_lines(*_verdict(report))
    codes = dict.fromkeys(problem.code for report in reports for problem in report.problems)
    output.print_lines(*(f"{code}: {CODES[code].meaning} {CODES[code].cure}" for code in codes))
    output.print_lines(*([_total(reports, len(errors))] if many else _verdict(reports[0])))


def _verdict(report: Report) -> list[str]:
    """Return the diagnosis and the result; nothing for the folder itself if it has no problem."""
    if not report.version and not report.problems:
        return []
    return [*(f"diagnosis: {line}" for line in report.diagnosis), str(report)]


def _total(reports: list[Report], failed: int) -> str:
    checkpoints = [report for report in reports if report.version]
    bad = sum(not report.ok for report in checkpoints)
    warned = sum(report.ok and _count(report, WARNING) > 0 for report in checkpoints)
    counts = [f"{n:,} {label}" for n, label in ((bad, "bad"), (warned, "with warnings")) if n]
    verdict = ", ".join(counts) or "all sound"
    others = [report for report in reports if not report.version]  # state files, other files
    for severity in (ERROR, WARNING):
        number = sum(_count(report, severity) for report in others)
        verdict += f", {count_of(number, severity)} outside of them" if number else ""
    verdict += f", {count_of(failed, 'path')} not verified" if failed else ""
    tensors = count_of(sum(report.tensors for report in reports), "tensor")
    nbytes = count_of(sum(report.nbytes for report in reports), "byte")
    return f"{count_of(len(checkpoints), 'checkpoint')}: {verdict} ({tensors}, {nbytes} checked)"


def _count(report: Report, severity: str) -> int:
    return sum(problem.severity == severity for problem in report.problems)
