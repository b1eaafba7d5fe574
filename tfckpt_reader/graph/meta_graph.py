"""A MetaGraphDef as plain objects: the graph, its variables, savers, signatures and functions.

Rank 9: knows no checkpoint; values come from whatever maps keys to arrays. FORMAT 5.

The file is parsed once, into its parts as bytes; each part is decoded when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import message_class
from tfckpt_reader.errors import (
    CheckpointNotFoundError,
    TensorNotFoundError,
    enough_memory,
    located,
)
from tfckpt_reader.graph.attributes import Place, map_entries
from tfckpt_reader.graph.collection import AnyValue, Saver, decode_collection, saver_of
from tfckpt_reader.graph.files import graph_file, read_graph_file
from tfckpt_reader.graph.functions import Functions
from tfckpt_reader.graph.graph import Function, Graph, Tensor
from tfckpt_reader.graph.kinds import meta_graphs_in
from tfckpt_reader.graph.nodes import Operation, Operations
from tfckpt_reader.graph.objects import ObjectGraph, decode_saved_objects
from tfckpt_reader.graph.problems import GraphProblem, find_problems
from tfckpt_reader.graph.signatures import Asset, Signature, decode_assets, decode_signatures
from tfckpt_reader.graph.variable_lists import VariableLists
from tfckpt_reader.spec import name_of

if TYPE_CHECKING:
    from tfckpt_reader.graph.variables import Values

_SERVE = ("serve",)


@dataclass(frozen=True)
class MetaGraph(VariableLists):
    """What a ``.meta`` file, a SavedModel or a frozen graph says. Made by `read_meta_graph`.

    All of it is data: nothing is run, and no op need be known. Parts are decoded when asked for,
    and may then raise CorruptCheckpointError for what cannot be right in them; `problems` lists
    what is wrong with the graph and never raises.
    """

    file: str
    """Path it was read from."""
    kind: str
    """Message the file holds: "MetaGraphDef", "SavedModel" or "GraphDef"."""
    all_tags: tuple[tuple[str, ...], ...]
    """Tags of each MetaGraphDef in the file."""
    notes: tuple[str, ...]
    """What was assumed to choose among them."""
    _message: Any = field(repr=False, compare=False)
    _values: Values | None = field(default=None, repr=False, compare=False)
    _stored_objects: ObjectGraph | None = field(default=None, repr=False, compare=False)

    @property
    def _place(self) -> Place:
        return Place(self.file)

    @property
    def tensorflow_version(self) -> str:
        """TensorFlow that wrote it: "1.15.0"; "" where the file does not say."""
        return name_of(self._message.meta_info_def.tensorflow_version)

    @property
    def tensorflow_git_version(self) -> str:
        """Commit of that TensorFlow."""
        return name_of(self._message.meta_info_def.tensorflow_git_version)

    @property
    def tags(self) -> tuple[str, ...]:
        """What a SavedModel calls this graph: ("serve",)."""
        return tuple([name_of(tag) for tag in self._message.meta_info_def.tags])

    @property
    def producer(self) -> int:
        """Version of the graph format it was written in, as TensorFlow counts; 0 if unknown."""
        graph = self._message.graph_def
        return int(graph.versions.producer or graph.version)

    @property
    def min_consumer(self) -> int:
        """Oldest version of that count that can read it."""
        return int(self._message.graph_def.versions.min_consumer)

    # The Saver and the collections

    @property
    def saver(self) -> Saver | None:
        """The Saver that exported it; None if there was none."""
        message = self._message
        return saver_of(message.saver_def) if message.HasField("saver_def") else None

    @cached_property
    def savers(self) -> tuple[Saver, ...]:
        """All Savers of the collection ``savers``."""
        found = self.collections.get("savers", [])
        return tuple([saver for saver in found if isinstance(saver, Saver)])

    @cached_property
    def collections(self) -> Mapping[str, list[Any]]:
        """Name -> what the collection holds, decoded; by the names' order."""
        with located(self.file):
            stored = dict(map_entries(self._message.collection_def, self._place))
            return {name: decode_collection(name, raw) for name, raw in sorted(stored.items())}

    # The graph

    @cached_property
    def graph(self) -> Graph:
        """The main graph."""
        nodes = Operations(self._message.graph_def.node, self._place)
        return Graph(nodes, self.functions.definition, self._place, self.producer)

    @cached_property
    def functions(self) -> Functions:
        """Name -> function of the library, a graph with arguments and results."""
        message = self._message
        stored = message.graph_def.library.function
        ops = message.meta_info_def.stripped_op_list.op
        return Functions(stored, ops, self._place, self.producer)

    @property
    def operations(self) -> Operations:
        """All operations of the main graph, in its order."""
        return self.graph.operations

    @property
    def op_counts(self) -> dict[str, int]:
        """Op type -> how many of the main graph's operations run it, the most frequent first."""
        return self.operations.counts

    def operation(self, name: str) -> Operation:
        """Return the operation of a name; see `Graph.operation`."""
        return self.graph.operation(name)

    def tensor(self, name: str) -> Tensor:
        """Return what is known of a tensor such as ``x:0``; see `Graph.tensor`."""
        return self.graph.tensor(name)

    def consumers(self, tensor: Tensor | str) -> tuple[Operation, ...]:
        """Return the operations that a tensor goes into."""
        return self.graph.consumers(tensor)

    def subgraph(self, outputs: str | Sequence[str], inputs: str | Sequence[str] = ()) -> Graph:
        """Return the operations that the outputs need, down to the inputs; see `Graph.subgraph`."""
        return self.graph.subgraph(outputs, inputs)

    def function(self, name: str) -> Function:
        """Return a function of the library.

        Raises:
            TensorNotFoundError: there is none of that name.
        """
        if name not in self.functions:
            raise TensorNotFoundError(f"there is no function {name!r}", file=self.file)
        return self.functions[name]

    def graph_def(self, graph: Graph | None = None) -> bytes:
        """Return the main graph as a serialized GraphDef, with its library and versions.

        Args:
            graph: A part of it, from `subgraph`, instead of all of it.
        """
        whole = self._message.graph_def
        if graph is None:
            stored: bytes = whole.SerializeToString()
            return stored
        message = message_class("GraphDef")()
        message.library.CopyFrom(whole.library)
        message.versions.CopyFrom(whole.versions)
        message.version = whole.version
        message.node.extend(graph.operations.raw)
        part: bytes = message.SerializeToString()
        return part

    @cached_property
    def object_graph(self) -> ObjectGraph | None:
        """The objects of a SavedModel of TensorFlow 2; None for everything else."""
        raw = b"".join(self._message.object_graph_def)
        return decode_saved_objects(raw, self._place) if raw else None

    # What a model says of itself

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> signature."""
        return decode_signatures(self._message.signature_def, self._place)

    @cached_property
    def assets(self) -> tuple[Asset, ...]:
        """Files of a SavedModel's folder ``assets``."""
        stored = list(self._message.asset_file_def)
        collected = self.collections.get("saved_model_assets", [])
        stored += [item.value for item in collected if isinstance(item, AnyValue)]
        return decode_assets(stored, self._place)

    @cached_property
    def problems(self) -> tuple[GraphProblem, ...]:
        """What is wrong with the graph: names of nothing, cycles, constants that lie."""
        return tuple(find_problems(self))

    def __repr__(self) -> str:
        base = os.path.basename(self.file) or self.file
        return f"<MetaGraph {base!r} {self.kind}, {len(self.operations):,} operations>"


def read_meta_graph(
    path: str | os.PathLike[str] | bytes, *, tags: Collection[str] | None = None
) -> MetaGraph:
    """Read a graph: nothing of it is run.

    Args:
        path: A ``.meta`` file, ``saved_model.pb`` or the folder of a SavedModel, a frozen graph, or
            a checkpoint with a ``.meta`` beside it; as bytes or in text form. What a file is, is
            told by what is in it.
        tags: Which MetaGraphDef of a SavedModel; without them the one tagged "serve", else the
            first.

    Raises:
        CheckpointNotFoundError: nothing is there, or no MetaGraphDef has these tags.
        CorruptCheckpointError: it is damaged, or something else, or of 2 GiB or more.
    """
    return read_graph_at(graph_file(path), tags)


def read_graph_at(
    file: str,
    tags: Collection[str] | None = None,
    values: Values | None = None,
    objects: ObjectGraph | None = None,
) -> MetaGraph:
    """Read a graph from a file, with a checkpoint's values and graph of objects if there are."""
    with enough_memory(file), located(file):
        kind, messages = meta_graphs_in(read_graph_file(file))
    all_tags = tuple([tuple([name_of(t) for t in m.meta_info_def.tags]) for m in messages])
    position, notes = _chosen(file, all_tags, tags)
    return MetaGraph(file, kind, all_tags, notes, messages[position], values, objects)


def _chosen(
    file: str, all_tags: tuple[tuple[str, ...], ...], tags: Collection[str] | None
) -> tuple[int, tuple[str, ...]]:
    """Return which MetaGraphDef is meant, and what was assumed."""
    if tags is not None:
        for position, own in enumerate(all_tags):
            if set(own) == set(tags):
                return position, ()
        there = "; ".join(", ".join(own) or "none" for own in all_tags)
        raise CheckpointNotFoundError(
            f"no graph here has the tags {', '.join(sorted(tags)) or 'none'}",
            file=file,
            advice=f"There are graphs with these: {there}",
        )
    if len(all_tags) == 1:
        return 0, ()
    position = all_tags.index(_SERVE) if _SERVE in all_tags else 0
    chosen = ", ".join(all_tags[position]) or "no tags"
    return position, (f"of {len(all_tags)} graphs the one with {chosen} was read",)
