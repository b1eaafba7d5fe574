"""The part of a graph to freeze, as a draft: cut, without function calls, and simplified.

Knows no values of variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.graph.decode.operation import split_name, tensor_name
from tfckpt_reader.graph.freeze.inference import inference_values
from tfckpt_reader.graph.freeze.inline import inline_calls
from tfckpt_reader.graph.freeze.inputs import begin_at, begin_behind_pipeline
from tfckpt_reader.graph.freeze.node import draft_of
from tfckpt_reader.graph.freeze.prune import origin, prune
from tfckpt_reader.graph.freeze.ranks import find_ranks, find_sizes
from tfckpt_reader.graph.freeze.refused import refuse_ops, refuse_unfilled
from tfckpt_reader.graph.freeze.simplify import choose_branches, set_inputs, simplify
from tfckpt_reader.graph.freeze.tables import fillers_in, fillers_of
from tfckpt_reader.graph.freeze.updates import Updates
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tfckpt_reader.graph.decode.op_defs import OpDefinition
    from tfckpt_reader.graph.freeze.node import Node
    from tfckpt_reader.graph.freeze.request import Options, Request
    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.graph.graph import Graph

_MOST_ROUNDS = 100
"""Limit on branches inside of branches: a function may call itself in one."""


class Model(NamedTuple):
    """A graph with what its file holds beside it."""

    graph: Graph
    definitions: Mapping[str, OpDefinition]
    """Name of an op -> its definition."""
    functions: Mapping[str, Function]
    """Name -> function of the library."""
    versions: bytes
    """The fields of the GraphDef beside nodes and functions, as stored."""


class Part(NamedTuple):
    """A part of a graph."""

    draft: dict[str, Node]
    """Name -> node."""
    outputs: list[str]
    """Tensors."""
    fillers: tuple[str, ...]
    """The operations that fill the lookup tables in it."""
    placed: dict[str, str]
    """Name of a placeholder -> the tensor in place of which it is."""
    changes: list[str]
    updates: list[Updates]

    @property
    def roots(self) -> list[str]:
        """All that it is needed for."""
        return [*self.outputs, *self.fillers]


def draft_part(model: Model, request: Request, options: Options) -> Part:
    """Return a part of a graph, simplified.

    Raises:
        TensorNotFoundError: an output or an input is nowhere, suggests the nearest names.
        UnsupportedError: a part of the graph cannot do without TensorFlow's session.
    """
    keep_tables = options.get("keep_tables", False)
    part = _cut(model, request, keep_tables=keep_tables)
    given = inference_values(part.draft) if options.get("inference") else {}
    part.changes.extend(set_inputs(part.draft, {**given, **options.get("given", {})}))
    part = _simplified(model, part, fold_defaults=options.get("fold_defaults", False))
    for each in part.updates:
        part.changes.extend(each.left_out(part.draft))
    part.changes.extend(find_ranks(part.draft, model.graph.unknown_rank_ops))
    part.changes.extend(find_sizes(part.draft))
    refuse_ops(part.draft.values(), keep_tables=keep_tables)
    refuse_unfilled(part.draft)
    return part


def _simplified(model: Model, part: Part, *, fold_defaults: bool) -> Part:
    """Return a part without checks, and without branches whose condition is a constant."""
    for _ in range(_MOST_ROUNDS):
        simpler = simplify(part.draft, fold_defaults=fold_defaults)
        part.changes.extend(simpler)
        if simpler:
            part = part._replace(draft=prune(part.draft, part.roots))
        if not choose_branches(part.draft):
            return part
        calls = inline_calls(part.draft, part.roots, model.functions, model.definitions)
        part.updates.append(Updates(part.draft, calls))
        count = count_of(len(calls), "If")
        part.changes.append(f"{count} with a constant condition replaced by nodes of one branch")
        part = part._replace(draft=prune(part.draft, part.roots))
    raise UnsupportedError("its branches call one another without an end")


def _cut(model: Model, request: Request, *, keep_tables: bool) -> Part:
    """Return the nodes that some outputs need, without function calls.

    Raises:
        TensorNotFoundError: an output or an input is nowhere, suggests the nearest names.
    """
    graph, definitions = model.graph, model.definitions
    outputs, inner = _existing(graph, request.outputs)
    cuts, later = _existing(graph, request.inputs)
    # Tensors inside of functions get their names when the calls are replaced.
    around = [*outputs, *(_existing(graph, request.around)[0] if inner else ())]
    if inner and not request.around:
        graph.tensor(inner[0])  # raises
    part = _without_calls(model, around, cuts, keep_tables=keep_tables)
    draft, placed = part.draft, part.placed
    for name in (*inner, *later):
        if origin(name) not in draft:
            graph.tensor(name)  # raises
    placed |= begin_at(draft, later, definitions)
    wanted = [*outputs, *inner]
    needed = prune(draft, wanted)
    fillers = fillers_in(draft, needed) if keep_tables else ()
    draft = prune(draft, [*wanted, *fillers]) if fillers else needed
    batches = begin_behind_pipeline(draft, wanted, definitions)
    draft = prune(draft, [*wanted, *fillers]) if batches else draft
    placed = {n: tensor for n, tensor in {**placed, **batches}.items() if n in draft}
    outputs = [tensor_name(name) for name in request.outputs]
    return part._replace(draft=draft, outputs=outputs, fillers=fillers, placed=placed)


def _without_calls(model: Model, around: list[str], cuts: list[str], *, keep_tables: bool) -> Part:
    """Return what some tensors need, and what fills tables, with calls replaced by their nodes."""
    graph, definitions = model.graph, model.definitions
    numbers = graph.needed(around, cuts)
    filling = fillers_of(graph, model.functions, numbers) if keep_tables else []
    draft = draft_of(graph, graph.needed([*around, *filling], cuts) if filling else numbers)
    placed = begin_at(draft, cuts, definitions)
    updates = [Updates(draft, {})]
    if model.functions:
        draft = prune(draft, [*around, *filling])
    calls = inline_calls(draft, around, model.functions, definitions)
    count = count_of(len(calls), "call")
    changes = [f"{count} of functions replaced by their nodes"] if calls else []
    if calls:
        updates.append(Updates(draft, calls))
    return Part(draft, around, (), placed, changes, updates)


def _existing(graph: Graph, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the canonical names of tensors: of those in the graph, and of those that are not.

    Raises:
        TensorNotFoundError: an operation of the graph has no such output.
    """
    present: list[str] = []
    absent: list[str] = []
    for name in names:
        exists = graph.find(split_name(name)[0]) is not None
        (present if exists else absent).append(tensor_name(name))
        if exists:
            graph.tensor(name)
    return present, absent
