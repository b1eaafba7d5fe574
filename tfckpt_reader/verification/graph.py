"""Does a checkpoint have what the graph beside it, and its own graph of objects, say it has?

Parses nothing itself. A ``.meta`` file and a ``saved_model.pb`` name the keys that are
restored; a string tensor of an object-based checkpoint names those of its objects. What else the
checkpoint has is fine: averages and optimizers are often left aside. NumPy is not needed, and what
reads graphs is imported where there is one.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import CheckpointError, located
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.lists import Strings
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH
from tfckpt_reader.paths.companions import graph_file_of
from tfckpt_reader.storage.filesystem import size_of
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of
from tfckpt_reader.verification.codes import ERROR, reaches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.verification.findings import Findings

_MOST_KEYS = 100
"""Told one by one: a graph of another model lacks all of them."""
_LARGEST_GRAPH = 32 << 20
"""Bytes; a larger one holds weights of its own, and would fill the memory."""


class Beside(NamedTuple):
    """The graph beside a checkpoint."""

    path: str
    keys: frozenset[str] = frozenset()
    """What it restores."""
    error: CheckpointError | OSError | None = None
    """Why that is not known."""
    note: str = ""
    """Why nobody asked."""


def graph_beside(location: Location) -> Beside | None:
    """Read the graph beside a checkpoint; None where there is none.

    To be done before all else: there is memory for all of a graph then, and later for its keys.
    """
    path = graph_file_of(location.prefix)
    if path is None:
        return None
    from tfckpt_reader.graph.meta_graph import saved_keys

    try:
        size = size_of(path)
        if size > _LARGEST_GRAPH:
            return Beside(path, note=f"{path} was not compared: it has {count_of(size, 'byte')}")
        return Beside(path, saved_keys(path))
    except (CheckpointError, OSError) as error:
        return Beside(path, error=error)


def check_graphs(location: Location, findings: Findings, level: str, beside: Beside | None) -> None:
    """Report keys that a graph names and the checkpoint lacks, and graphs that cannot be read.

    Where the index is damaged, or a part of a V1 checkpoint missing, nobody knows what it lacks.
    """
    errors = {problem.code for problem in findings.problems if problem.severity == ERROR}
    if any(code < "TFC3" or code == "TFC901" for code in errors):
        return
    if findings.names is None or (location.version == "V1" and errors):
        return
    if OBJECT_GRAPH in findings.names and reaches(level, "data"):
        _check_objects(location.prefix, findings.names, findings)
    if beside is not None:
        _check_graph(beside, findings.names, findings)


def check_alone(location: Location, findings: Findings) -> None:
    """Report a graph that restores variables, where there are none at all."""
    beside = graph_beside(location)
    if beside is not None and beside.keys:
        what = f"the graph restores {count_of(len(beside.keys), 'tensor')}, and there is no index"
        findings.add("TFC353", what, file=f"{location.prefix}.index")
    elif beside is not None:
        _check_graph(beside, (), findings)


def _check_objects(prefix: str, names: Collection[str], findings: Findings) -> None:
    from tfckpt_reader.objects.object_graph import tracked_keys

    raw = _object_graph(prefix)
    if raw is None:
        return
    path = prefix + ".index"
    try:
        with located(path):
            lacking = _lacking(tracked_keys(raw), names)
    except CheckpointError as error:
        error.tensor = OBJECT_GRAPH
        findings.add_error("TFC402", error)
        return
    what = "an object's value has this key, but the index has not"
    _report("TFC504", what, lacking, path, findings)


def _object_graph(prefix: str) -> memoryview | None:
    """Return the stored graph of objects; None if it is no string, or damaged, which was told."""
    try:
        bundle = Bundle(prefix, mapped=False)
        spec = bundle.lookup(OBJECT_GRAPH)
        if spec is None or spec.dtype is not DataType.STRING or spec.shape or spec.slices:
            return None
        layout = Strings(bundle.shards)
        data, front = layout.read(bundle.segments(spec)[0], check=True)
    except CheckpointError:
        return None
    return data[front.begin : front.end]


def _check_graph(beside: Beside, names: Collection[str], findings: Findings) -> None:
    path, error = beside.path, beside.error
    findings.notes += [beside.note] if beside.note else []
    if isinstance(error, OSError):  # ours among them, where it is gone meanwhile
        findings.add("TFC505", f"cannot be read: {error.strerror or error}", file=path)
    elif error is not None:
        findings.add_error("TFC505", error)
    what = "the graph restores this tensor, but the checkpoint lacks it"
    _report("TFC503", what, sorted(beside.keys.difference(names)), path, findings)


def _report(code: str, what: str, keys: list[str], path: str, findings: Findings) -> None:
    for key in keys[:_MOST_KEYS]:
        findings.add(code, what, file=path, tensor=key)
    if len(keys) > _MOST_KEYS:
        more = len(keys) - _MOST_KEYS
        findings.add(code, f"and so it is with {count_of(more, 'key')} more", file=path)


def _lacking(keys: Iterable[str], names: Collection[str]) -> list[str]:
    """Return keys that no name is, or begins with: a table's key is the beginning of several."""
    absent = dict.fromkeys(key for key in keys if key not in names)
    ordered = sorted(names) if absent else []
    found = []
    for key in absent:
        place = bisect_left(ordered, key)
        if place == len(ordered) or not ordered[place].startswith(key):
            found.append(key)
    return found
