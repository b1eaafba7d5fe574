"""Keep the warnings about numbers to tensors of some roles.

Parses nothing itself.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.verification.codes import CODES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tfckpt_reader.objects.selection import Selection
    from tfckpt_reader.verification.report import Report

LEVEL = "values"


def require_values(selection: Selection, level: str) -> None:
    """Refuse roles at a level without warnings about numbers.

    Raises:
        ValueError: the selection is by roles, and the level another.
    """
    if selection.by_role and level != LEVEL:
        raise ValueError(f"roles choose among the warnings of --level {LEVEL}, not of {level}")


def of_roles(report: Report, selection: Selection) -> Report:
    """Return a report without the warnings about numbers of tensors of other roles.

    Damage stays, whatever tensor it is in. A checkpoint too damaged to tell roles keeps all.
    """
    is_chosen = [CODES[problem.code].level == LEVEL for problem in report.problems]
    if not (selection.by_role and any(is_chosen)):
        return report
    try:
        names = _names(report.path, selection)
    except CheckpointError:
        return report
    problems = tuple(
        problem
        for problem, chosen in zip(report.problems, is_chosen, strict=True)
        if not chosen or problem.tensor in names
    )
    return replace(report, problems=problems)


def _names(path: str, selection: Selection) -> Collection[str]:
    from tfckpt_reader.formats.opening import reader_of, scalar_string
    from tfckpt_reader.graph.meta_graph import load
    from tfckpt_reader.graph.variables import keys_of_collections
    from tfckpt_reader.objects.meaning import Meaning
    from tfckpt_reader.paths.companions import graph_file_of
    from tfckpt_reader.paths.locate import locate

    reader = reader_of(locate(path), mmap=False)

    def collections() -> Mapping[str, Collection[str]]:
        graph = graph_file_of(reader.prefix)
        return {} if graph is None else keys_of_collections(load(graph).variables_of)

    specs = reader.listing()
    meaning = Meaning(specs, partial(scalar_string, reader), collections, reader.path)
    return selection.apply(specs, lambda: meaning.roles).sources
