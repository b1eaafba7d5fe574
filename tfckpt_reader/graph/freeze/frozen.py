"""A frozen graph: from a model's graph and its weights to a GraphDef of its own.

Knows no checkpoint: values are a mapping. FORMAT 5.5; TensorFlow ``core/framework/graph.proto``,
``python/tools/freeze_graph.py``.

Constants are read and written one after the other: the largest tensor bounds the memory.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.encoding.wire_format import encode_field, encode_key
from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError
from tfckpt_reader.graph.decode.operation import tensor_name
from tfckpt_reader.graph.freeze.inline import inline_calls
from tfckpt_reader.graph.freeze.inputs import begin_at, inputs_of
from tfckpt_reader.graph.freeze.library import Library
from tfckpt_reader.graph.freeze.node import draft_of
from tfckpt_reader.graph.freeze.prune import check_loops, prune
from tfckpt_reader.graph.freeze.refused import refuse_ops
from tfckpt_reader.graph.freeze.simplify import simplify
from tfckpt_reader.graph.freeze.variables import Weights, freeze_variables
from tfckpt_reader.graph.infer.endpoints import Endpoint
from tfckpt_reader.storage.atomic import atomic_file
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Unpack

    from tfckpt_reader.graph.decode.op_defs import OpDefinition
    from tfckpt_reader.graph.freeze.node import Node
    from tfckpt_reader.graph.freeze.request import Options, Request
    from tfckpt_reader.graph.freeze.weights import Values, Weight
    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.saved_keys import Saved

LARGEST = (1 << 31) - 1
"""Bytes of the largest protobuf message."""
_NODE, _LIBRARY = 1, 2


@dataclass(frozen=True)
class FrozenGraph:
    """A graph with its weights as constants. Made by `MetaGraph.freeze`.

    The weights are read from the values when it is written: a checkpoint must still be open.
    """

    inputs: tuple[Endpoint, ...]
    """The placeholders that need a value."""
    outputs: tuple[Endpoint, ...]
    changes: tuple[str, ...]
    """The differences from the model's own graph, a line each."""
    weights: tuple[Weight, ...] = field(repr=False)
    """The constants that were variables."""
    nodes: Mapping[str, Node] = field(repr=False)
    versions: bytes = field(repr=False)
    """The fields of a GraphDef beside nodes and functions, as stored."""
    library: bytes = field(repr=False)
    """The functions that its nodes call, as a FunctionDefLibrary; b"" without any."""
    _values: Values = field(repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of its weights."""
        return sum(weight.nbytes for weight in self.weights)

    def write(self, path: str | os.PathLike[str] | bytes) -> None:
        """Write it to a file, a GraphDef (``.pb``), atomically.

        Raises:
            CheckpointError: a value cannot be read.
            UnsupportedError: it would be larger than a protobuf message can be, 2 GiB.
            OSError: the file cannot be written.
        """
        self._require_size()
        with atomic_file(os.fsdecode(path)) as file:
            self._write_to(file)

    def to_bytes(self) -> bytes:
        """Return it as the bytes of a GraphDef.

        Raises:
            CheckpointError: as for `write`.
        """
        self._require_size()
        buffer = io.BytesIO()
        self._write_to(buffer)
        return buffer.getvalue()

    def _require_size(self) -> None:
        if self.nbytes > LARGEST:
            raise UnsupportedError(
                "a protobuf message, and so a frozen graph, holds less than 2 GiB",
                got=count_of(self.nbytes, "byte"),
                advice="--cast float16 (cast=) halves the weights, --output chooses a part",
            )

    def _write_to(self, file: IO[bytes]) -> None:
        written = 0
        for parts in self._encoded():
            size = sum(map(len, parts))
            written += size
            if written > LARGEST:
                raise UnsupportedError(
                    "a protobuf message, and so a frozen graph, holds less than 2 GiB"
                )
            file.writelines(parts)

    def _encoded(self) -> Iterator[list[bytes | memoryview]]:
        weights = {weight.name: weight for weight in self.weights}
        last: tuple[str, Any] = ("", None)
        for node in self.nodes.values():
            weight = weights.get(node.name)
            if weight is None:
                parts = node.encoded()
            else:
                if last[0] != weight.key or last[1] is None:
                    last = ("", None)  # the memory goes before more is taken
                    last = (weight.key, self._values[weight.key])
                parts = weight.encoded(last[1])
                if weight.box is None:
                    last = ("", None)
            yield [encode_key(_NODE, sum(map(len, parts))), *parts]
        if self.library:
            yield [encode_field(_LIBRARY, self.library)]
        yield [self.versions]


class Model(NamedTuple):
    """A graph with what its file holds beside it."""

    graph: Graph
    definitions: Mapping[str, OpDefinition]
    """Name of an op -> its definition."""
    functions: Mapping[str, Function]
    """Name -> function of the library."""
    versions: bytes
    """The fields of the GraphDef beside nodes and functions, as stored."""


def freeze(
    model: Model,
    weights: tuple[Values, Mapping[str, Saved]],
    part: Request,
    **options: Unpack[Options],
) -> FrozenGraph:
    """Freeze a part of a graph.

    Args:
        model: The graph, and its functions.
        weights: Key -> array; and name of a variable's node -> its key and slice.
        part: The part.
        options: See `Options`.

    Raises:
        TensorNotFoundError: the graph lacks an input or an output, or the values a variable's.
        CorruptCheckpointError: the graph is damaged, or a value does not fit its variable.
        UnsupportedError: a part of the graph cannot do without TensorFlow's session.
    """
    if not part.outputs:
        raise TensorNotFoundError(
            "no output was named, and the graph has none that is likely",
            advice="Name one with --output (outputs=)",
        )
    graph = model.graph
    outputs = [_existing(graph, name) for name in part.outputs]
    cuts = [_existing(graph, name) for name in part.inputs]
    draft, placed = begin_at(graph, draft_of(graph, graph.needed(outputs, cuts)), cuts, outputs)
    calls = inline_calls(draft, outputs, model.functions, model.definitions)
    draft = prune(draft, outputs) if calls else draft
    changes = [f"{count_of(calls, 'call')} of functions replaced by their nodes"] if calls else []
    changes += simplify(draft, fold_defaults=options.get("fold_defaults", False))
    draft = prune(draft, outputs)
    refuse_ops(draft.values())
    values = Weights(*weights, options.get("average", False), options.get("cast"))
    library = Library(model.functions)
    constants = freeze_variables(draft, values, library)
    called = library.called_by(draft.values())
    for nodes in called.values():
        refuse_ops(nodes)
    check_loops(draft, outputs)
    if constants:
        changes.append(f"{count_of(len(constants), 'variable')} became constants")
    unused = [name for name in cuts if name not in placed.values()]
    changes += [f"input {quoted(name)} is left out: no output needs it" for name in unused]
    return FrozenGraph(
        tuple(inputs_of(draft, placed, part.aliases)),
        tuple(_endpoint(graph, name, part) for name in outputs),
        tuple(changes),
        tuple(constants.values()),
        draft,
        model.versions,
        library.encoded(called),
        values.values,
    )


def _existing(graph: Graph, name: str) -> str:
    """Return the canonical name of a tensor of the graph.

    Raises:
        TensorNotFoundError: it has none; suggests the nearest names.
    """
    return tensor_name(graph.tensor(name).name)


def _endpoint(graph: Graph, name: str, part: Request) -> Endpoint:
    tensor = graph.tensor(name)
    return Endpoint(name, tensor.dtype, tensor.shape, part.aliases.get(name, ""), part.reason)
