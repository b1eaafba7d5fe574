"""The command ``verify``: arguments in, lines out, exit code back.

Rank 14: prints what the layers below say.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.cli.path import location
from tfckpt_reader.report import CODES, WARNING
from tfckpt_reader.verification import verify as check

if TYPE_CHECKING:
    from argparse import Namespace

    from tfckpt_reader.report import Report

_MOST_PROBLEMS = 50
"""Problems that `verify` prints; JSON has all."""


def verify(arguments: Namespace) -> int:
    """Check a checkpoint: 0 if it is sound, 1 if not, or with --strict if there are warnings."""
    with output.Progress("verify") as progress:
        report = check(location(arguments), level=arguments.level, on_progress=progress)
    output.notes(report.notes)
    warned = any(problem.severity == WARNING for problem in report.problems)
    code = 1 if not report.ok or (arguments.strict and warned) else 0
    if arguments.json:
        output.say_json(
            {
                "path": report.path,
                "version": report.version,
                "level": report.level,
                "ok": report.ok,
                "notes": list(report.notes),
                "tensors": report.tensors,
                "bytes": report.nbytes,
                "diagnosis": list(report.diagnosis),
                "problems": [asdict(problem) for problem in report.problems],
            }
        )
        return code
    output.say(*(str(problem) for problem in report.problems[:_MOST_PROBLEMS]))
    if len(report.problems) > _MOST_PROBLEMS:
        output.say(f"… and {len(report.problems) - _MOST_PROBLEMS:,} more: --json has them all")
    output.say(*_meanings(report))
    output.say(*(f"diagnosis: {line}" for line in report.diagnosis))
    output.say(str(report))
    return code


def _meanings(report: Report) -> list[str]:
    """Return a line per kind of problem: what it means, and what to do."""
    found = dict.fromkeys(problem.code for problem in report.problems)
    return [f"{code}: {CODES[code].meaning} {CODES[code].cure}" for code in found]
