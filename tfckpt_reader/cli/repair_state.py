"""The command ``repair-state``: paths of state files that died when their folder was moved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfckpt_reader.cli import output
from tfckpt_reader.errors import CheckpointNotFoundError
from tfckpt_reader.paths.repair import plan_repair
from tfckpt_reader.paths.state_file import STATE_FILE, state_files
from tfckpt_reader.storage.filesystem import is_folder
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from tfckpt_reader.paths.repair import Repair


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``repair-state``."""
    add = parser.add_argument
    add("path", metavar="DIR", help="folder with state files, or one state file")
    add("--write", action="store_true", help="rewrite them; without it, only print the changes")


def run(arguments: Namespace) -> int:
    """Print the changes of state files, or make them."""
    path = arguments.path
    paths = state_files(path) if is_folder(path) else [path]
    if not paths:
        missing = os.path.join(path, STATE_FILE)
        raise CheckpointNotFoundError("this folder has no state file", file=missing)
    repairs = [repair for repair in map(plan_repair, paths) if repair.needed]
    if arguments.write:
        for repair in repairs:
            repair.write()
    if arguments.json:
        output.print_json({"path": path, "written": arguments.write, "files": _facts(repairs)})
    else:
        output.print_lines(*(line for repair in repairs for line in _lines(repair)))
        output.print_lines(_summary(len(paths), len(repairs), written=arguments.write))
    return 0 if arguments.write or not repairs else 1


def _facts(repairs: list[Repair]) -> list[dict[str, object]]:
    return [
        {
            "path": repair.path,
            "fault": repair.before.fault,
            "changes": [{"from": old, "to": new} for old, new in repair.changes],
        }
        for repair in repairs
    ]


def _lines(repair: Repair) -> list[str]:
    lines = [repair.path]
    lines += [f"  {repair.before.fault}"] if repair.before.fault else []
    return lines + [
        f"  {old} -> {'left out: it has no file here' if new is None else new}"
        for old, new in repair.changes
    ]


def _summary(count: int, needed: int, *, written: bool) -> str:
    if not needed:
        return f"{count_of(count, 'state file')}: nothing to repair"
    if written:
        return f"{count_of(needed, 'state file')} rewritten"
    return f"{count_of(needed, 'state file')} to rewrite; --write does it"
