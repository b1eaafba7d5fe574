"""What goes into a model and what comes out of it: as its signature says, else as it looks.

Rank 12: knows no file. FORMAT 5.7; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.attributes import PartialShape
from tfckpt_reader.graph.candidates import dtype_of
from tfckpt_reader.graph.collections import Signature, TensorInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.nodes import Operation

MOST = 1000
_SERVING = "serving_default"
_NOT_THE_MODEL = "__saved_model_"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A tensor that goes into a model, or comes out of it."""

    name: str
    """Empty where a signature tells no name."""
    dtype: DataType | None
    """None where the file does not say it."""
    shape: PartialShape
    """Sizes, None for an unknown one; None where not even the rank is known."""
    alias: str
    """What the signature calls it; "" where no signature does, so that it is a guess."""
    reason: str
    """Why it is taken for one."""


def guessed_inputs(graph: Graph, found: Iterable[tuple[str, str]]) -> tuple[Endpoint, ...]:
    """Return tensors with what the graph says of them, each with its reason; at most 1,000."""
    return tuple(_endpoint(graph, name, "", reason) for name, reason in islice(found, MOST))


def guessed_outputs(graph: Graph, found: Iterable[tuple[int, str]]) -> tuple[Endpoint, ...]:
    """Return the outputs of operations, each with the reason of its operation; at most 1,000."""
    tensors = (
        (name, reason)
        for number, reason in found
        for name in _outputs_of(graph, graph.operations[number])
    )
    return guessed_inputs(graph, tensors)


def _outputs_of(graph: Graph, operation: Operation) -> Iterator[str]:
    try:
        count = graph.output_count(operation)
    except CheckpointError:
        count = None
    for index in range(1 if count is None else count):
        yield f"{operation.name}:{index}"


def _endpoint(graph: Graph, name: str, alias: str, reason: str) -> Endpoint:
    try:
        tensor = graph.tensor(name)
    except CheckpointError:
        return Endpoint(name, None, None, alias, reason)
    dtype = tensor.dtype
    if dtype is None and tensor.operation is not None:
        dtype = dtype_of(tensor.operation)
    return Endpoint(name, dtype, tensor.shape, alias, reason)
