"""A model as its file describes it: the graph and all that stands beside it.

Rank 10: reads one file, and no values of variables. FORMAT 5; TensorFlow
``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader.errors import CheckpointNotFoundError, enough_memory, located
from tfckpt_reader.graph.attributes import name_text
from tfckpt_reader.graph.collections import (
    Asset,
    Collections,
    Saver,
    Signature,
    decode_asset,
    decode_saver,
    decode_signature,
)
from tfckpt_reader.graph.functions import Function, decode_functions
from tfckpt_reader.graph.graph import Graph
from tfckpt_reader.graph.nodes import OpDefinition, decode_definitions
from tfckpt_reader.graph.parts import Parts, read_parts, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SERVE = frozenset({"serve"})


class MetaGraph(Graph):
    """A graph with its functions, savers, collections, variables and signatures.

    All of it is plain data, decoded when first asked for. Made by `read_meta_graph`.

    Attributes:
        file: Path of the file it was read from.
        tensorflow_version: Of the writer; "" where it is not said.
        tensorflow_git_version: The same.
        tags: Which of the graphs of a SavedModel it is.
        producer: Version of the graph, as TensorFlow counts them.
        min_consumer: Version that a reader must have.
        saver: The Saver that wrote it; None where there was none.
    """

    def __init__(self, parts: Parts) -> None:
        with located(parts.file):
            graph = parse("Graph", whole(parts.graph))
            info = parse("MetaInfo", whole(parts.info))
            self.saver: Saver | None = decode_saver(whole(parts.saver)) if parts.saver else None
        super().__init__(graph.node, lambda: self.definitions, parts.file)
        self.file = parts.file
        self.tensorflow_version = name_text(info.tensorflow_version)
        self.tensorflow_git_version = name_text(info.tensorflow_git_version)
        self.tags = frozenset(map(name_text, info.tags))
        self.producer: int = graph.versions.producer or graph.version
        self.min_consumer: int = graph.versions.min_consumer
        self._libraries: list[bytes] = list(graph.library)
        self._op_list: bytes = info.stripped_op_list
        # The graph lies in its nodes now; its bytes are not needed a second time.
        parts.graph.clear()
        self._parts = parts

    @cached_property
    def ops(self) -> Mapping[str, OpDefinition]:
        """Name of an op -> its definition, for the ops that the file defines."""
        with located(self.file):
            return decode_definitions(self._op_list)

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """Name -> function, of the library."""
        with located(self.file):
            return decode_functions(self._libraries, lambda: self.definitions, self.file)

    @cached_property
    def definitions(self) -> Mapping[str, OpDefinition]:
        """The definitions of ops and functions, which nodes call alike."""
        functions = {name: function.definition for name, function in self.functions.items()}
        return {**functions, **self.ops}

    @cached_property
    def collections(self) -> Collections:
        """Name -> values, of every collection."""
        with located(self.file):
            return Collections(self._parts.collections, self.file)

    @property
    def savers(self) -> tuple[Saver, ...]:
        """The savers of the collection of that name; `saver` need not be among them."""
        found = self.collections.get("savers", ())
        return tuple(saver for saver in found if isinstance(saver, Saver))

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> what the model takes and gives under it."""
        with located(self.file):
            entries = [parse("Entry", data) for data in self._parts.signatures]
            pairs = [(name_text(entry.key), entry.value) for entry in entries]
            return {name: decode_signature(name, value) for name, value in pairs}

    @cached_property
    def assets(self) -> tuple[Asset, ...]:
        """The files that belong to a SavedModel."""
        with located(self.file):
            found: list[Any] = [decode_asset(data) for data in self._parts.assets]
        found = found or self.collections.get("saved_model_assets", [])
        return tuple(asset for asset in found if isinstance(asset, Asset))

    def _defects(self) -> Iterator[str]:
        yield from super()._defects()
        for name, function in self.functions.items():
            yield from (f"function {name!r}: {problem}" for problem in function.problems)

    def __repr__(self) -> str:
        version = f", TensorFlow {self.tensorflow_version}" if self.tensorflow_version else ""
        return f"<MetaGraph {os.path.basename(self.file)!r}, {len(self)} nodes{version}>"


def read_meta_graph(
    path: str | os.PathLike[str] | bytes, *, tags: Iterable[str] | None = None
) -> MetaGraph:
    """Read the graph in a file: nothing is run, and no op need be known.

    Args:
        path: A ``.meta`` file or the prefix of its checkpoint, the folder or the file of a
            SavedModel, or a frozen graph; binary or text.
        tags: Which graph of a SavedModel. Default: that for serving, else the first.

    Raises:
        CheckpointNotFoundError: nothing is there, or no graph with those tags.
        CorruptCheckpointError: it holds no graph, or is damaged.
        UnsupportedError: it is more than this machine can hold.
    """
    name = os.fsdecode(path)
    parts = read_parts(name)
    with enough_memory(name):
        graphs = [(_tags(one), one) for one in parts]
        wanted = _SERVE if tags is None else frozenset(tags)
        fitting = [one for found, one in graphs if found == wanted]
        if not fitting and (tags is not None or not graphs):
            there = "; ".join(", ".join(sorted(found)) or "none" for found, _ in graphs)
            raise CheckpointNotFoundError(
                f"there is no graph with the tags {', '.join(sorted(wanted)) or 'none'}",
                file=parts[0].file if parts else name,
                advice=f"There is: {there}" if there else "It holds no graph at all",
            )
        return MetaGraph(fitting[0] if fitting else parts[0])


def _tags(parts: Parts) -> frozenset[str]:
    with located(parts.file):
        return frozenset(map(name_text, parse("MetaInfo", whole(parts.info)).tags))
