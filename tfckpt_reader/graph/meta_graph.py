"""A model as its file describes it: the graph, its functions, variables, savers and signatures.

Reads one file, and no values of variables. FORMAT 5; TensorFlow
``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import split_fields
from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    enough_memory,
    located,
)
from tfckpt_reader.graph.decode.collections import (
    Asset,
    Collections,
    Saver,
    decode_asset,
    decode_saver,
)
from tfckpt_reader.graph.decode.files import ADVICE, StoredMetaGraph, joined, read_stored
from tfckpt_reader.graph.decode.node_store import MOST_NODES, StoredNodes
from tfckpt_reader.graph.decode.op_defs import OpDefinition, decode_definitions
from tfckpt_reader.graph.decode.operation import UNKNOWN_RANK_OPS, UNKNOWN_RANK_PLACEHOLDER
from tfckpt_reader.graph.decode.signatures import Signature, decode_signature
from tfckpt_reader.graph.functions import Function, decode_functions
from tfckpt_reader.graph.graph import Graph
from tfckpt_reader.graph.saved_keys import (
    KeyDifference,
    Saved,
    saved_by,
    saved_by_functions,
    saved_of_variables,
    saved_values,
)
from tfckpt_reader.graph.variables import (
    Read,
    Variable,
    from_definitions,
    from_nodes,
    from_objects,
    with_computed_keys,
)
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.objects.saved_objects import (
    SavedVariable,
    captured_keys,
    decode_saved_variables,
)
from tfckpt_reader.protobuf import parse
from tfckpt_reader.storage.filesystem import path_of
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from tfckpt_reader.graph.freeze.frozen import FrozenGraph
    from tfckpt_reader.graph.freeze.request import Options
    from tfckpt_reader.graph.infer.endpoints import Endpoint, Endpoints

_NODE, _LIBRARY = 1, 2
_SERVE = frozenset({"serve"})
_OF_OBJECTS = frozenset({"variables", "trainable_variables"})
"""Collections replaced by the object graph in TensorFlow 2."""


class MetaGraph(Graph):
    """A graph with its functions, savers, collections, variables and signatures.

    All of it is plain data, decoded on demand. Made by `read_meta_graph`.

    Attributes:
        tensorflow_version: Version of the writer; "" if unknown.
        tensorflow_git_version: The same.
        tags: Its tags among the graphs of a SavedModel.
        producer: Version of the graph, as TensorFlow counts them.
        min_consumer: Lowest version of a reader.
        saver: The Saver of its writer, or None.
        libraries: The bytes of its libraries of functions; most graphs have one, or none.
    """

    def __init__(self, stored: StoredMetaGraph, read: Read | None, texts: Sequence[bytes]) -> None:
        with located(stored.file):
            data = memoryview(joined(stored.graph))
            try:
                (nodes, libraries), rest = split_fields(data, (_NODE, _LIBRARY), MOST_NODES)
            except CorruptCheckpointError as error:
                error.structure, error.offset, error.advice = "graph_def", None, ADVICE
                raise
            graph = parse("Graph", rest)
            self._versions = rest
            info = parse("MetaInfo", joined(stored.info))
            saver = parse("Saver", joined(stored.saver))
            self.saver: Saver | None = decode_saver(saver) if stored.saver else None
        every = StoredNodes(data, nodes, _NODE, stored.file)
        super().__init__(every.containing(*texts) if texts else every, lambda: self.definitions)
        self.tensorflow_version = name_text(info.tensorflow_version)
        self.tensorflow_git_version = name_text(info.tensorflow_git_version)
        self.tags = frozenset(map(name_text, info.tags))
        self.producer: int = graph.versions.producer or graph.version
        self.min_consumer: int = graph.versions.min_consumer
        if self.producer <= UNKNOWN_RANK_PLACEHOLDER:
            self.unknown_rank_ops = UNKNOWN_RANK_OPS | {"Placeholder"}
        ends = zip(libraries[::2], libraries[1::2], strict=True)
        self.libraries = [data[begin:end] for begin, end in ends]
        self._op_list: bytes = info.stripped_op_list
        self._stored = stored
        self._read = read
        self._frozen = True

    @cached_property
    def ops(self) -> Mapping[str, OpDefinition]:
        """Name of an op -> its definition, for the ops defined in the file."""
        with located(self.file), enough_memory(self.file):
            return decode_definitions(self._op_list)

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """Name -> function, of the library."""
        with located(self.file), enough_memory(self.file):
            return decode_functions(self.libraries, lambda: self.definitions, self.file)

    @cached_property
    def definitions(self) -> Mapping[str, OpDefinition]:
        """The definitions of ops and of functions: nodes call both alike."""
        functions = {name: function.definition for name, function in self.functions.items()}
        return {**functions, **self.ops}

    @cached_property
    def collections(self) -> Collections:
        """Name -> values, of every collection."""
        with located(self.file), enough_memory(self.file):
            return Collections(self._stored.collections, self.file)

    @property
    def savers(self) -> tuple[Saver, ...]:
        """The savers in the collection ``savers``; `saver` need not be one of them."""
        values = self.collections.get("savers", ())
        return tuple(saver for saver in values if isinstance(saver, Saver))

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> signature: the inputs and outputs of the model under that name."""
        with located(self.file), enough_memory(self.file):
            entries = [parse("Entry", data) for data in self._stored.signatures]
            pairs = [(name_text(entry.key), entry.value) for entry in entries]
            return {name: decode_signature(name, value, self.file) for name, value in pairs}

    @property
    def inputs(self) -> tuple[Endpoint, ...]:
        """Inputs of the model by its signature, or else likely inputs, the best first."""
        return self._endpoints.inputs

    @property
    def outputs(self) -> tuple[Endpoint, ...]:
        """Outputs of the model by its signature, or else likely outputs, the best first."""
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
        """The asset files of a SavedModel."""
        with located(self.file), enough_memory(self.file):
            values: list[Any] = [decode_asset(data) for data in self._stored.assets]
        values = values or self.collections.get("saved_model_assets", [])
        return tuple(asset for asset in values if isinstance(asset, Asset))

    @property
    def global_variables(self) -> tuple[Variable, ...]:
        """All variables but local ones: the collection ``variables``, or those of the objects."""
        return self.variables_of("variables")

    @property
    def trainable_variables(self) -> tuple[Variable, ...]:
        """The variables changed by training."""
        return self.variables_of("trainable_variables")

    @property
    def local_variables(self) -> tuple[Variable, ...]:
        """The variables not saved by default."""
        return self.variables_of("local_variables")

    @property
    def model_variables(self) -> tuple[Variable, ...]:
        """The variables needed for inference, if the model's code listed them."""
        return self.variables_of("model_variables")

    @property
    def moving_average_variables(self) -> tuple[Variable, ...]:
        """The variables with moving averages."""
        return self.variables_of("moving_average_variables")

    @property
    def lists_variables(self) -> bool:
        """Whether the file has a list of its variables: in collections, or of objects."""
        return bool(self._stored.objects) or not _OF_OBJECTS.isdisjoint(self.collections)

    def variables_of(self, collection: str) -> tuple[Variable, ...]:
        """Return the variables of a collection in its order, the slices of each joined.

        In a file without collections of variables (TensorFlow 2), ``variables`` are those of
        the object graph and ``trainable_variables`` the trainable ones among them. Without any
        list, as in the graph.pbtxt of an Estimator, ``variables`` are those of the nodes.
        """
        only = collection == "trainable_variables"
        if collection in self.collections:
            values = self.collections[collection]
            found = from_definitions(self, values, self._saved_directly, self._read)
        elif collection not in _OF_OBJECTS or not _OF_OBJECTS.isdisjoint(self.collections):
            return ()
        elif self.lists_variables:
            return from_objects((v for v in self._objects if v.trainable or not only), self._read)
        else:
            found = () if only else from_nodes(self, self._saved_directly, self._read)
        return with_computed_keys(self, found, self.saved, self._saved_directly or {})

    @cached_property
    def _objects(self) -> tuple[SavedVariable, ...]:
        with located(self.file), enough_memory(self.file):
            return decode_saved_variables(joined(self._stored.objects))

    @cached_property
    def saved(self) -> tuple[Saved, ...]:
        """The tensors and keys saved by the Saver's ops, or by the functions that it calls."""
        own = self.saver.save_tensor_name if self.saver else ""
        with located(self.file), enough_memory(self.file):
            return saved_by(self, own) or saved_by_functions(self, own, self.functions)

    @cached_property
    def _saved_directly(self) -> dict[str, Saved] | None:
        return saved_of_variables(self, self.saved) if self.saved else None

    @cached_property
    def _saved_of_variables(self) -> Mapping[str, Saved]:
        """Name of a variable's operation -> its value as this graph saves it."""
        own = self.saver.save_tensor_name if self.saver else ""
        with located(self.file), enough_memory(self.file):
            captured = captured_keys(joined(self._stored.objects))
            keys = {v.name: v.key for v in self._objects if v.key is not None}
            # Of variables with one name, the graph renames all but the first.
            named = keys if len(keys) == len(self._objects) else {}
            return saved_values(self, own, self.functions, captured, named)

    def freeze(
        self,
        outputs: Sequence[str] | None = None,
        inputs: Sequence[str] | None = None,
        *,
        values: Mapping[str, NDArray[Any]],
        signature: str | None = None,
        **options: Unpack[Options],
    ) -> FrozenGraph:
        """Return the part of the graph that some outputs need, with its variables as constants.

        Args:
            outputs: Names of tensors. Default: those of the signature, else the likeliest one.
            inputs: Tensors at which the graph begins anew, each with a placeholder. Default: those
                of the signature that gives the outputs, else the placeholders that they need, and
                the batches of the graph's own input pipeline.
            values: Key -> array: a checkpoint. They are read when the graph is written.
            signature: Key of the signature. Default: the one for serving, or the only one.
            options: See `freeze.request.Options`. ``given`` maps placeholders to numbers or truth
                values, ``fold_defaults=True`` takes defaults, ``inference=True`` switches training
                and dropout off, ``keep_tables=True`` keeps lookup tables, ``average=True`` takes
                moving averages, and ``cast`` is a floating-point type to store weights in.

        Raises:
            TensorNotFoundError: the graph lacks an input, an output or the signature, or `values`
                a variable.
            CorruptCheckpointError: the graph is damaged, or a value does not fit its variable.
            UnsupportedError: a part of the graph works in a session of TensorFlow only.
        """
        from tfckpt_reader.graph.freeze.frozen import freeze
        from tfckpt_reader.graph.freeze.part import Model
        from tfckpt_reader.graph.freeze.request import request

        with located(self.file), enough_memory(self.file):
            part = request(self.signatures, lambda: self.outputs, outputs, inputs, signature)
            weights = values, self._saved_of_variables
            model = Model(self, self.definitions, self.functions, self._versions)
            return freeze(model, weights, part, **options)

    def write(self, path: str | os.PathLike[str] | bytes) -> None:
        """Write it as a ``.meta`` file, atomically; the bytes of a binary file as they were.

        Raises:
            OSError: the file cannot be written.
        """
        from tfckpt_reader.graph.writing import write_meta_graph

        write_meta_graph(self._stored, os.fsdecode(path))

    def write_graph(
        self, path: str | os.PathLike[str] | bytes, *, outputs: Iterable[str] = ()
    ) -> int:
        """Write its nodes and functions as a ``.pb`` file, atomically; return the number of nodes.

        Args:
            path: The file.
            outputs: Tensors or operations: only the nodes they depend on are written. Default: all.

        Raises:
            TensorNotFoundError: the graph lacks one of `outputs`.
            OSError: the file cannot be written.
        """
        from tfckpt_reader.graph.writing import write_graph_def

        file, wanted = os.fsdecode(path), list(outputs)
        return write_graph_def(self, self.libraries, self._versions, file, wanted)

    def compare_keys(self, names: Iterable[str]) -> KeyDifference:
        """Compare the names in a checkpoint with the keys saved by the graph.

        The object graph of a checkpoint is no tensor of the model: it is never unexpected.
        """
        expected = {saved.key for saved in self.saved}
        expected = expected or {v.checkpoint_key or "" for v in self.global_variables} - {""}
        present = set(names) - ({OBJECT_GRAPH} - expected)
        return KeyDifference(tuple(sorted(expected - present)), tuple(sorted(present - expected)))

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
    path: str | os.PathLike[str] | bytes,
    *,
    tags: str | Iterable[str] | None = None,
    filesystem: object = None,
) -> MetaGraph:
    """Read the graph in a file. Nothing is run, and ops may be unknown.

    Args:
        path: A ``.meta`` file or its prefix, a SavedModel, or a frozen graph; binary or text.
        tags: Of the graph in a SavedModel. Default: those of the graph for serving, else the first.
        filesystem: As for `open`.

    Raises:
        CheckpointNotFoundError: the file is missing, or holds no graph with those tags.
        CheckpointError: it is damaged, or no graph, or does not fit into memory.
    """
    return load(path_of(path, filesystem), [tags] if isinstance(tags, str) else tags)


def load(
    path: str,
    tags: Iterable[str] | None = None,
    read: Read | None = None,
    texts: Sequence[bytes] = (),
) -> MetaGraph:
    """Read a graph, without nodes that lack all `texts`; `read` returns values of variables."""
    stored = read_stored(path)
    file = stored[0].file if stored else path
    with located(file), enough_memory(file):
        infos = [parse("MetaInfo", joined(each.info)) for each in stored]
        tags_of = [frozenset(map(name_text, info.tags)) for info in infos]
        wanted = _SERVE if tags is None else frozenset(tags)
        fitting = [each for each, own in zip(stored, tags_of, strict=True) if own == wanted]
        if not fitting and (tags is not None or not stored):
            present = "; ".join(map(_tags_text, tags_of))
            raise CheckpointNotFoundError(
                f"there is no graph with the tags {_tags_text(wanted)}",
                file=file,
                advice=f"There is: {present}" if present else "It holds no graph at all",
            )
        return MetaGraph(fitting[0] if fitting else stored[0], read, texts)


def _tags_text(tags: Iterable[str]) -> str:
    return ", ".join(tag or "''" for tag in sorted(tags)) or "none"
