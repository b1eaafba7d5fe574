"""A model as its file describes it: the graph and all that stands beside it.

Reads one file, and no values of variables. FORMAT 5; TensorFlow
``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import split_fields
from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    enough_memory,
    located,
)
from tfckpt_reader.graph.connectivity import quoted
from tfckpt_reader.graph.decode.collections import (
    Asset,
    Collections,
    Saver,
    Signature,
    decode_asset,
    decode_saver,
    decode_signature,
)
from tfckpt_reader.graph.decode.files import ADVICE, Parts, read_parts, whole
from tfckpt_reader.graph.decode.node_store import MOST_NODES, StoredNodes
from tfckpt_reader.graph.decode.op_defs import OpDefinition, decode_definitions
from tfckpt_reader.graph.decode.operation import UNSURE, UNSURE_PLACEHOLDER
from tfckpt_reader.graph.functions import Function, decode_functions
from tfckpt_reader.graph.graph import Graph
from tfckpt_reader.graph.saved_keys import Saved, keys_of_variables, saved_by, saved_by_functions
from tfckpt_reader.graph.variables import (
    KeyDifference,
    Read,
    Variable,
    from_definitions,
    from_objects,
)
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH, SavedVariable, decode_saved_variables
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.infer.endpoints import Endpoint, Endpoints

_NODE, _LIBRARY = 1, 2
_SERVE = frozenset({"serve"})
_ABOUT_SAVING = b"ave"
_OF_OBJECTS = frozenset({"variables", "trainable_variables"})


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
        libraries: The bytes of its libraries of functions; most graphs have one, or none.
    """

    def __init__(self, parts: Parts, read: Read | None = None) -> None:
        with located(parts.file):
            data = memoryview(whole(parts.graph))
            try:
                (nodes, libraries), rest = split_fields(data, (_NODE, _LIBRARY), MOST_NODES)
            except CorruptCheckpointError as error:
                error.structure, error.offset, error.advice = "graph_def", None, ADVICE
                raise
            graph = parse("Graph", rest)
            info = parse("MetaInfo", whole(parts.info))
            self.saver: Saver | None = decode_saver(whole(parts.saver)) if parts.saver else None
        super().__init__(StoredNodes(data, nodes, _NODE, parts.file), lambda: self.definitions)
        self.file = parts.file
        self.tensorflow_version = name_text(info.tensorflow_version)
        self.tensorflow_git_version = name_text(info.tensorflow_git_version)
        self.tags = frozenset(map(name_text, info.tags))
        self.producer: int = graph.versions.producer or graph.version
        self.min_consumer: int = graph.versions.min_consumer
        if self.producer <= UNSURE_PLACEHOLDER:
            self._unsure = UNSURE | {"Placeholder"}
        ends = zip(libraries[::2], libraries[1::2], strict=True)
        self.libraries = [data[begin:end] for begin, end in ends]
        self._op_list: bytes = info.stripped_op_list
        self._parts = parts
        self._read = read
        self._frozen = True

    @cached_property
    def ops(self) -> Mapping[str, OpDefinition]:
        """Name of an op -> its definition, for the ops that the file defines."""
        with located(self.file), enough_memory(self.file):
            return decode_definitions(self._op_list)

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """Name -> function, of the library."""
        with located(self.file), enough_memory(self.file):
            return decode_functions(self.libraries, lambda: self.definitions, self.file)

    @cached_property
    def definitions(self) -> Mapping[str, OpDefinition]:
        """The definitions of ops and functions, which nodes call alike."""
        functions = {name: function.definition for name, function in self.functions.items()}
        return {**functions, **self.ops}

    @cached_property
    def collections(self) -> Collections:
        """Name -> values, of every collection."""
        with located(self.file), enough_memory(self.file):
            return Collections(self._parts.collections, self.file)

    @property
    def savers(self) -> tuple[Saver, ...]:
        """The savers of the collection of that name; `saver` need not be among them."""
        found = self.collections.get("savers", ())
        return tuple(saver for saver in found if isinstance(saver, Saver))

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> what the model takes and gives under it."""
        with located(self.file), enough_memory(self.file):
            entries = [parse("Entry", data) for data in self._parts.signatures]
            pairs = [(name_text(entry.key), entry.value) for entry in entries]
            return {name: decode_signature(name, value, self.file) for name, value in pairs}

    @property
    def inputs(self) -> tuple[Endpoint, ...]:
        """What goes into the model, as a signature says; else what looks like it, best first."""
        return self._endpoints.inputs

    @property
    def outputs(self) -> tuple[Endpoint, ...]:
        """What comes out of the model, as a signature says; else what looks like it, best first."""
        return self._endpoints.outputs

    @cached_property
    def _endpoints(self) -> Endpoints:
        from tfckpt_reader.graph.infer.endpoints import likely_endpoints, signed_endpoints

        savers = (*self.savers, *((self.saver,) if self.saver else ()))
        with located(self.file), enough_memory(self.file):
            signed = signed_endpoints(self.signatures)
            return signed or likely_endpoints(self, savers, self.collections)

    @cached_property
    def assets(self) -> tuple[Asset, ...]:
        """The files that belong to a SavedModel."""
        with located(self.file), enough_memory(self.file):
            found: list[Any] = [decode_asset(data) for data in self._parts.assets]
        found = found or self.collections.get("saved_model_assets", [])
        return tuple(asset for asset in found if isinstance(asset, Asset))

    @property
    def global_variables(self) -> tuple[Variable, ...]:
        """All variables but local ones: the collection ``variables``, or those of the objects."""
        return self.variables_of("variables")

    @property
    def trainable_variables(self) -> tuple[Variable, ...]:
        """The variables that training changes."""
        return self.variables_of("trainable_variables")

    @property
    def local_variables(self) -> tuple[Variable, ...]:
        """The variables that are not saved by default."""
        return self.variables_of("local_variables")

    @property
    def model_variables(self) -> tuple[Variable, ...]:
        """The variables that inference needs, where the model's code kept such a list."""
        return self.variables_of("model_variables")

    @property
    def moving_average_variables(self) -> tuple[Variable, ...]:
        """The variables of which averages are kept."""
        return self.variables_of("moving_average_variables")

    def variables_of(self, collection: str) -> tuple[Variable, ...]:
        """Return the variables of a collection, partitioned ones joined, in its order.

        Where the file has no collections of variables (TensorFlow 2), ``variables`` are those of
        the object graph and ``trainable_variables`` those of them that are trainable.
        """
        if collection in self.collections:
            return from_definitions(self, self.collections[collection], self._keys, self._read)
        if collection not in _OF_OBJECTS or not _OF_OBJECTS.isdisjoint(self.collections):
            return ()
        only = collection == "trainable_variables"
        return from_objects((v for v in self._objects if v.trainable or not only), self._read)

    @cached_property
    def _objects(self) -> tuple[SavedVariable, ...]:
        with located(self.file), enough_memory(self.file):
            return decode_saved_variables(whole(self._parts.objects))

    @cached_property
    def saved(self) -> tuple[Saved, ...]:
        """What the Saver saves, and under which keys: by the save ops, of functions if need be."""
        own = self.saver.save_tensor_name if self.saver else ""
        with located(self.file), enough_memory(self.file):
            return saved_by(self, own) or saved_by_functions(self, own, self.functions)

    @cached_property
    def _keys(self) -> dict[str, str] | None:
        return keys_of_variables(self, self.saved) if self.saved else None

    def compare_keys(self, names: Iterable[str]) -> KeyDifference:
        """Hold the names in a checkpoint against the keys that the graph saves.

        The object graph of a checkpoint is no tensor of the model: it is never unexpected.
        """
        expected = {saved.key for saved in self.saved}
        expected = expected or {v.checkpoint_key or "" for v in self.global_variables} - {""}
        there = set(names) - ({OBJECT_GRAPH} - expected)
        return KeyDifference(tuple(sorted(expected - there)), tuple(sorted(there - expected)))

    def _defects(self) -> Iterator[str]:
        yield from super()._defects()
        for collection in self.collections:
            try:
                _ = self.collections[collection]
            except CheckpointError as error:
                yield str(error)
        for name, function in self.functions.items():
            yield from (f"function {quoted(name)}: {problem}" for problem in function.problems)

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
    return load(os.fsdecode(path), tags)


def saved_keys(path: str) -> frozenset[str]:
    """Return the keys under which a graph saves, without decoding what has no part in it.

    Each node of a Saver has "Save" or "save" in its name, its op, an input or the function that it
    calls. A key that others would have to tell is left out: this is for finding what lacks.

    Raises:
        CheckpointError: as for `read_meta_graph`.
    """
    graph = load(path)
    graph.keep_nodes(_ABOUT_SAVING)
    return frozenset(saved.key for saved in graph.saved)


def load(path: str, tags: Iterable[str] | None = None, read: Read | None = None) -> MetaGraph:
    """Read a graph as `read_meta_graph` does; `read` gives its variables their values."""
    parts = read_parts(path)
    with enough_memory(path):
        graphs = [(_tags(one), one) for one in parts]
        wanted = _SERVE if tags is None else frozenset(tags)
        fitting = [one for found, one in graphs if found == wanted]
        if not fitting and (tags is not None or not graphs):
            there = "; ".join(", ".join(sorted(found)) or "none" for found, _ in graphs)
            raise CheckpointNotFoundError(
                f"there is no graph with the tags {', '.join(sorted(wanted)) or 'none'}",
                file=parts[0].file if parts else path,
                advice=f"There is: {there}" if there else "It holds no graph at all",
            )
        return MetaGraph(fitting[0] if fitting else parts[0], read)


def _tags(parts: Parts) -> frozenset[str]:
    with located(parts.file):
        return frozenset(map(name_text, parse("MetaInfo", whole(parts.info)).tags))
