"""What goes into a model and what comes out of it: as its signature says, else as it looks.

Rank 9: knows no file. FORMAT 5.7; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.attributes import PartialShape
from tfckpt_reader.graph.collections import TensorInfo
from tfckpt_reader.graph.flow import Flow
from tfckpt_reader.graph.inputs import find_inputs
from tfckpt_reader.graph.machinery import find_machinery, names_in
from tfckpt_reader.graph.nodes import attribute_of
from tfckpt_reader.graph.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.collections import Collections, Saver, Signature
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.nodes import Operation

_MOST = 1000
_SERVING = "serving_default"
_NOT_THE_MODEL = "__saved_model_"
"""Begins the names of the signatures that TensorFlow makes for itself."""
_SPARSE_PARTS = ("values", "indices", "dense shape")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A tensor that goes into a model, or comes out of it."""

    name: str
    """As the graph calls it; "" where a signature does not say it."""
    dtype: DataType | None
    """None where the file does not say it."""
    shape: PartialShape
    """Sizes, None for an unknown one; None where the file does not say even the rank."""
    alias: str
    """What the signature calls it; "" where there is no signature, and this is a guess."""
    reason: str
    """Why it is taken for one."""


class Endpoints(NamedTuple):
    """Both ends of a model, the likeliest first."""

    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]


def signed_endpoints(graph: Graph, signatures: Mapping[str, Signature]) -> Endpoints | None:
    """Return what the serving signature says, or else all of the model's; None if there is none."""
    serving = [signatures[_SERVING]] if _SERVING in signatures else []
    used = serving or [s for n, s in signatures.items() if not n.startswith(_NOT_THE_MODEL)]
    if not used:
        return None
    inputs, outputs = (
        tuple(
            endpoint
            for signature in used
            for alias, info in getattr(signature, side).items()
            for endpoint in _named(graph, alias, info, f"signature {signature.name}")
        )
        for side in ("inputs", "outputs")
    )
    return Endpoints(inputs, outputs)


def _named(graph: Graph, alias: str, info: TensorInfo, where: str) -> Iterator[Endpoint]:
    """Yield a tensor of a signature, or each of the parts of a sparse or composite one."""
    if info.sparse is not None:
        for part, name in zip(_SPARSE_PARTS, info.sparse, strict=True):
            yield _endpoint(graph, name, alias, f"{where}: {part} of a sparse tensor")
    elif info.components:
        for data in info.components:
            inner = TensorInfo.decode(data)
            reason = f"{where}: part of a composite tensor"
            yield Endpoint(inner.name, inner.dtype, inner.shape, alias, reason)
    else:
        yield Endpoint(info.name, info.dtype, info.shape, alias, where)


def likely_endpoints(graph: Graph, savers: Iterable[Saver], collections: Collections) -> Endpoints:
    """Return what looks like inputs and outputs, at most 1,000 of each.

    Args:
        graph: The graph.
        savers: What saves and restores it.
        collections: Those of the file; they name losses, summaries and training.
    """
    flow = Flow(graph.operations)
    kinds = find_machinery(flow, savers, collections)
    outputs = Outputs(flow, kinds, flow.named(names_in(collections, "losses")))
    inputs = find_inputs(flow, kinds, outputs)
    tensors = (
        (name, why)
        for number, why in outputs.found
        for name in _outputs_of(graph, flow.operations[number])
    )
    return Endpoints(
        *(
            tuple(_endpoint(graph, name, "", why) for name, why in islice(found, _MOST))
            for found in (inputs, tensors)
        )
    )


def _outputs_of(graph: Graph, operation: Operation) -> Iterator[str]:
    """Yield the names of an operation's tensors; of its first where their number is not known."""
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
    dtype = tensor.dtype or attribute_of(tensor.operation, "dtype", DataType)
    return Endpoint(name, dtype, tensor.shape, alias, reason)
