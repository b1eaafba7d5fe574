"""Look up the keys restored by a checkpoint's graphs.

A ``.meta`` file or a ``saved_model.pb`` beside the checkpoint names the keys to restore; a string
tensor of an object-based checkpoint names those of its objects. Other tensors are fine: averages
and optimizers are often left out of a graph. NumPy is not needed; the reader of graphs is imported
only for a graph.
"""

from __future__ import annotations

from bisect import bisect_left
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import CheckpointError, located
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.paths.companions import graph_file_of
from tfckpt_reader.storage.filesystem import size_of
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tfckpt_reader.graph.saved_keys import Kind
    from tfckpt_reader.paths.layout import Location
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.proto_fields import PartialShape
    from tfckpt_reader.verification.checks.checked import Checked
    from tfckpt_reader.verification.findings import Findings

_MOST_KEYS = 100
"""Report at most this many missing keys individually: a graph of another model lacks all."""
_LARGEST_GRAPH = 32 << 20
"""Bytes; a larger graph holds weights of its own, and would fill the memory."""


class AdjacentGraph(NamedTuple):
    """The graph beside a checkpoint."""

    path: str
    keys: Mapping[str, Kind] = MappingProxyType({})
    """Keys to be restored, with the dtypes and shapes known of their variables."""
    error: CheckpointError | OSError | None = None
    """Why the keys are unknown."""
    note: str = ""
    """Why the graph was not read."""


def read_adjacent_graph(location: Location) -> AdjacentGraph | None:
    """Read the graph beside a checkpoint; None without one.

    Call it before the checks: decoding takes memory for a whole graph, its keys take little.
    """
    path = graph_file_of(location.prefix)
    if path is None:
        return None
    from tfckpt_reader.graph.saved_kinds import read_saved_kinds

    try:
        size = size_of(path)
        if size > _LARGEST_GRAPH:
            note = f"{path} was not compared: it has {count_of(size, 'byte')}"
            return AdjacentGraph(path, note=note)
        return AdjacentGraph(path, read_saved_kinds(path))
    except (CheckpointError, OSError) as error:
        return AdjacentGraph(path, error=error)


def check_restored_keys(
    location: Location, checked: Checked, graph: AdjacentGraph | None, findings: Findings
) -> tuple[str, ...]:
    """Report keys of graphs missing from the checkpoint, and unreadable graphs.

    Nothing is compared with a damaged index, or with part of a V1 checkpoint. Returns notes.
    """
    if not checked.names_are_complete:
        return ()
    if checked.object_graph is not None:
        _check_objects(checked.object_graph, f"{location.prefix}.index", checked.names, findings)
    if graph is None:
        return ()
    _check_graph(graph, checked.names, findings)
    if checked.names.keys() >= graph.keys.keys():  # else it is of another model
        _check_kinds(graph, checked.names, findings)
    return (graph.note,) if graph.note else ()


def _check_kinds(
    graph: AdjacentGraph, names: Mapping[str, tuple[DataType, tuple[int, ...]]], findings: Findings
) -> None:
    """Report tensors of another dtype or shape than their variable has."""
    others = []
    for key, (dtype, shape) in graph.keys.items():
        its_dtype, its_shape = names[key]
        sizes = its_shape if shape is None else shape
        fits = len(sizes) == len(its_shape) and dtype in (None, its_dtype)
        if not (fits and all(n in (None, size) for n, size in zip(sizes, its_shape, strict=True))):
            others.append(key)
    what = "the graph has another shape or dtype for this tensor"
    for key in sorted(others)[:_MOST_KEYS]:
        expected, got = (_kind_text(*kind) for kind in (graph.keys[key], names[key]))
        file, tensor = graph.path, key
        findings.add("TFC506", what, file=file, tensor=tensor, expected=expected, got=got)
    if len(others) > _MOST_KEYS:
        more = f"and {count_of(len(others) - _MOST_KEYS, 'more key')} likewise"
        findings.add("TFC506", more, file=graph.path)


def _kind_text(dtype: DataType | None, shape: PartialShape) -> str:
    sizes = "of any shape" if shape is None else str(["?" if n is None else n for n in shape])
    return f"{dtype or 'any dtype'} {sizes}".replace("'", "")


def check_without_index(location: Location, findings: Findings) -> None:
    """Report a graph with variables beside no checkpoint at all."""
    graph = read_adjacent_graph(location)
    if graph is not None and graph.keys:
        what = f"the graph restores {count_of(len(graph.keys), 'tensor')}, and there is no index"
        findings.add("TFC353", what, file=f"{location.prefix}.index")
    elif graph is not None:
        _check_graph(graph, (), findings)


def _check_objects(
    graph: memoryview, index: str, names: Collection[str], findings: Findings
) -> None:
    from tfckpt_reader.objects.object_graph import tracked_keys

    try:
        with located(index, tensor=OBJECT_GRAPH):
            missing = _missing(tracked_keys(graph), names)
    except CheckpointError as error:
        findings.add_error("TFC402", error)
        return
    what = "an object's value has this key, but the index lacks it"
    _report("TFC504", what, missing, index, findings)


def _check_graph(graph: AdjacentGraph, names: Collection[str], findings: Findings) -> None:
    path, error = graph.path, graph.error
    if isinstance(error, OSError):  # CheckpointNotFoundError among them, if it has just vanished
        findings.add("TFC505", f"cannot be read: {error.strerror or error}", file=path)
    elif error is not None:
        findings.add_error("TFC505", error)
    what = "the graph restores this tensor, but the checkpoint lacks it"
    _report("TFC503", what, sorted(key for key in graph.keys if key not in names), path, findings)


def _report(code: str, what: str, keys: list[str], path: str, findings: Findings) -> None:
    for key in keys[:_MOST_KEYS]:
        findings.add(code, what, file=path, tensor=key)
    if len(keys) > _MOST_KEYS:
        more = len(keys) - _MOST_KEYS
        findings.add(code, f"and {count_of(more, 'more key')} likewise", file=path)


def _missing(keys: Iterable[str], names: Collection[str]) -> list[str]:
    """Return the keys that begin no name. A table's key is the beginning of several names."""
    absent = dict.fromkeys(key for key in keys if key not in names)
    ordered = sorted(names) if absent else []
    missing = []
    for key in absent:
        index = bisect_left(ordered, key)
        if index == len(ordered) or not ordered[index].startswith(key):
            missing.append(key)
    return missing
