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


def guessed(graph: Graph, candidates: Iterable[tuple[Operation, str]]) -> tuple[Endpoint, ...]:
    """Return the outputs of operations, each with the reason of its operation; at most 1,000."""
    return tuple(islice(_guessed(graph, candidates), MOST))


def _guessed(graph: Graph, candidates: Iterable[tuple[Operation, str]]) -> Iterator[Endpoint]:
    for operation, reason in candidates:
        try:
            count = graph.output_count(operation)
        except CheckpointError:
            count = None
        for index in range(1 if count is None else count):
            name = f"{operation.name}:{index}"
            try:
                tensor = graph.tensor(name)
                dtype, shape = tensor.dtype, tensor.shape
            except CheckpointError:
                dtype, shape = None, None
            yield Endpoint(name, dtype or (dtype_of(operation)), shape, "", reason)
