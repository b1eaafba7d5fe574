"""A frozen graph: from a model's graph and its weights to a GraphDef of its own.

Knows no checkpoint: values are a mapping. FORMAT 5.5; TensorFlow ``core/framework/graph.proto``,
``python/tools/freeze_graph.py``.

Constants are read and written one after the other: the largest tensor bounds the memory.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import encode_field, encode_key
from tfckpt_reader.errors import TensorNotFoundError, UnsupportedError, enough_memory
from tfckpt_reader.graph.decode.operation import tensor_name
from tfckpt_reader.graph.freeze.inputs import begin_at, inputs_of
from tfckpt_reader.graph.freeze.node import Node, draft_of
from tfckpt_reader.graph.freeze.prune import check_loops, prune
from tfckpt_reader.graph.freeze.refused import refuse_ops
from tfckpt_reader.graph.freeze.simplify import simplify
from tfckpt_reader.graph.freeze.variables import Weights, freeze_variables
from tfckpt_reader.graph.infer.endpoints import Endpoint
from tfckpt_reader.storage.atomic import atomic_file
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tfckpt_reader.graph.freeze.weights import Values, Weight
    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.graph.graph import Graph

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


@dataclass(frozen=True, slots=True)
class Request:
    """What to freeze."""

    outputs: Sequence[str]
    """Names of tensors."""
    inputs: Sequence[str] = ()
    """Tensors at which the graph begins anew; none: its placeholders and its input pipeline."""
    fold_defaults: bool = False
    """Replace placeholders that have a default value by it."""


def freeze(
    graph: Graph,
    functions: Mapping[str, Function],
    versions: bytes,
    weights: Weights,
    request: Request,
) -> FrozenGraph:
    """Freeze a part of a graph.

    Args:
        graph: The model's graph.
        functions: Name -> function of its library.
        versions: The other fields of its GraphDef, as stored.
        weights: The values of its variables.
        request: The part.

    Raises:
        TensorNotFoundError: the graph lacks an input or an output, or the values a variable's.
        CorruptCheckpointError: the graph is damaged, or a value does not fit its variable.
        UnsupportedError: a part of the graph cannot do without TensorFlow's session.
    """
    if not request.outputs:
        raise TensorNotFoundError(
            "no output was named, and the graph has none that is likely",
            file=graph.file,
            advice="Name one with --output (outputs=)",
        )
    with enough_memory(graph.file):
        outputs = [_existing(graph, name) for name in request.outputs]
        cuts = [_existing(graph, name) for name in request.inputs]
        draft = draft_of(graph, graph.needed(outputs, cuts))
        draft, placed = begin_at(graph, draft, cuts, outputs)
        changes = simplify(draft, fold_defaults=request.fold_defaults)
        del functions
        draft = prune(draft, outputs)
        refuse_ops(draft)
        constants = freeze_variables(draft, weights)
        check_loops(draft, outputs)
        changes += [f"{count_of(len(constants), 'variable')} became constants"] if constants else []
        unused = [name for name in cuts if name not in placed.values()]
        changes += [f"input {quoted(name)} is left out: no output needs it" for name in unused]
        return FrozenGraph(
            inputs_of(draft, placed),
            tuple(_endpoint(graph, name) for name in outputs),
            tuple(changes),
            tuple(constants.values()),
            draft,
            versions,
            b"",
            weights.values,
        )


def _existing(graph: Graph, name: str) -> str:
    """Return the canonical name of a tensor of the graph.

    Raises:
        TensorNotFoundError: it has none; suggests the nearest names.
    """
    tensor = graph.tensor(name.removeprefix("^"))
    if tensor.operation is not None and graph.output_count(tensor.operation) == 0:
        raise TensorNotFoundError(
            f"operation {quoted(tensor.operation.name)} ({tensor.operation.type}) has no output",
            file=graph.file,
        )
    return tensor_name(tensor.name)


def _endpoint(graph: Graph, name: str) -> Endpoint:
    tensor = graph.tensor(name)
    return Endpoint(name, tensor.dtype, tensor.shape, "", "")
