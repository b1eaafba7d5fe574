"""Inputs and outputs of a model: those of its signature, or else likely ones.

Knows no file. FORMAT 5.7; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.decode.operation import attribute_of, known_shape, split_name
from tfckpt_reader.graph.infer.dataflow import Flow
from tfckpt_reader.graph.infer.likely import ModelOutputs
from tfckpt_reader.graph.infer.likely_inputs import find_inputs
from tfckpt_reader.graph.infer.op_roles import find_roles, names_in
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import PartialShape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfckpt_reader.graph.decode.collections import Collections, Saver
    from tfckpt_reader.graph.decode.op_defs import Outputs
    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.decode.signatures import Signature, TensorInfo
    from tfckpt_reader.graph.graph import Graph

_MOST = 1000
_SERVING = "serving_default"
_INTERNAL = "__saved_model_"
"""Prefix of TensorFlow's internal signatures."""
_Facts: TypeAlias = "tuple[DataType | None, PartialShape]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An input or output tensor of a model."""

    name: str
    """Its name in the graph; "" if the signature gives none."""
    dtype: DataType | None
    """None if unknown."""
    shape: PartialShape
    """Sizes, None for an unknown one; None for an unknown rank."""
    alias: str
    """Its name in the signature; "" for a guess, in a graph without a signature."""
    reason: str
    """Its source in a signature, or the reason for the guess."""


class Endpoints(NamedTuple):
    """Inputs and outputs of a model, the likeliest first."""

    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]


def signed_endpoints(signatures: Mapping[str, Signature]) -> Endpoints | None:
    """Return the tensors of the serving signature, or else of all; None without signatures."""
    serving = [signatures[_SERVING]] if _SERVING in signatures else []
    used = serving or [s for n, s in signatures.items() if not n.startswith(_INTERNAL)]
    if not used:
        return None
    ends: tuple[list[Endpoint], list[Endpoint]] = ([], [])
    for signature in used:
        for end, tensors in zip(ends, (signature.inputs, signature.outputs), strict=True):
            for alias, info in tensors.items():
                end.extend(_signed(alias, info, f"signature {signature.name}"))
    return Endpoints(*map(tuple, ends))


def _signed(alias: str, info: TensorInfo, where: str) -> Iterator[Endpoint]:
    """Yield a tensor of a signature, or each component of a sparse or composite one."""
    if info.sparse is not None:
        values, indices, size = info.sparse
        rank = None if info.shape is None else len(info.shape)
        where = f"{where}: of a sparse tensor"
        yield Endpoint(values, info.dtype, (None,), alias, f"{where}, its values")
        yield Endpoint(indices, DataType.INT64, (None, rank), alias, f"{where}, their indices")
        yield Endpoint(size, DataType.INT64, (rank,), alias, f"{where}, its shape")
    elif info.components:
        for component in info.components:
            yield from _signed(alias, component, f"{where}: part of a composite tensor")
    else:
        dtype = None if info.is_operation else info.dtype
        yield Endpoint(info.name, dtype, info.shape, alias, where)


def likely_endpoints(graph: Graph, savers: Iterable[Saver], collections: Collections) -> Endpoints:
    """Return likely inputs and outputs, at most 1,000 of each.

    Some of the graph's collections name losses, summaries and training.
    """
    flow = Flow(graph)
    roles = find_roles(flow, savers, collections)
    outputs = ModelOutputs(flow, roles, flow.named(names_in(collections, "losses")))
    tensors_of = cache(lambda number: _tensors(graph, flow.operation(number)))
    inputs = islice(find_inputs(flow, roles, outputs), _MOST)
    ends = (
        Endpoint(f"{flow.names[number]}:{index}", dtype, shape, "", reason)
        for number, reason in outputs.ranked
        for index, (dtype, shape) in enumerate(tensors_of(number))
    )
    return Endpoints(
        tuple(
            Endpoint(name, *_tensor_at(tensors_of(number), name), "", reason)
            for number, name, reason in inputs
        ),
        tuple(islice(ends, _MOST)),
    )


def _tensors(graph: Graph, operation: Operation) -> list[_Facts]:
    """Return dtype and shape of an operation's tensors; of the first without a definition.

    Attributes are decoded once for all tensors: there may be a million of them.
    """
    unsized = graph.unknown_rank_ops
    try:
        outputs = graph.outputs_of(operation)
    except CheckpointError:
        outputs = None
    if outputs is None:
        return [(attribute_of(operation, "dtype", DataType), known_shape(operation, unsized))]
    dtypes = chain.from_iterable(map(_dtypes, outputs))
    shapes = attribute_of(operation, "_output_shapes", list) or [known_shape(operation, unsized)]
    pairs = islice(zip(dtypes, chain(shapes, repeat(None)), strict=False), _MOST)
    return [(dtype, size if isinstance(size, tuple) else None) for dtype, size in pairs]


def _dtypes(output: Outputs) -> Iterable[DataType | None]:
    """Return a dtype for each tensor of an output; one if their number is unknown."""
    count = 1 if output.number is None else output.number
    return output.dtypes if len(output.dtypes) == count else repeat(output.dtypes[0], count)


def _tensor_at(tensors: list[_Facts], name: str) -> _Facts:
    index = split_name(name)[1] or 0
    return tensors[index] if index < len(tensors) else (None, None)
