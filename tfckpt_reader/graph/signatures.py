"""Signatures and assets: what a model says of its inputs, its outputs and its files.

Rank 6: knows no graph. FORMAT 5.7; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.graph.attributes import Place, Shape, map_entries, shape_of
from tfckpt_reader.spec import name_of

if TYPE_CHECKING:
    from tfckpt_reader.dtypes import DataType

_DEEPEST = 100
"""Levels of messages in messages that protobuf reads: each level is copied anew."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or an output of a signature."""

    name: str
    """Tensor of the graph: ``x:0``; "" for one that is made of several."""
    dtype: DataType | None
    shape: Shape
    """Sizes per axis, None for an unknown one; None for an unknown rank."""
    components: tuple[str, ...] = ()
    """Tensors of a sparse or composite one: values, indices, shape of a sparse one."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What can be asked of a model under one name."""

    name: str
    method: str
    """``tensorflow/serving/predict`` and the like; may be ""."""
    inputs: Mapping[str, TensorInfo]
    """Alias -> tensor."""
    outputs: Mapping[str, TensorInfo]


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that belongs to a SavedModel."""

    filename: str
    """Below the folder ``assets``."""
    tensor: str
    """Tensor that is given its path."""


def decode_signatures(entries: Sequence[bytes], place: Place) -> dict[str, Signature]:
    """Return the signatures in a map's entries, by their names' order.

    Raises:
        CorruptCheckpointError: one is damaged; says which.
    """
    found = {}
    for name, raw in sorted(dict(map_entries(entries, place)).items()):
        where = Place(place.file, f"signature {name!r}")
        try:
            message = parse("SignatureDef", raw)
            found[name] = Signature(
                name,
                name_of(message.method_name),
                _tensors(message.inputs, where),
                _tensors(message.outputs, where),
            )
        except CheckpointError as error:
            if error.structure and error.structure.startswith("signature"):
                raise
            raise where.located(error) from error
    return found


def _tensors(entries: Sequence[bytes], place: Place) -> dict[str, TensorInfo]:
    found = dict(map_entries(entries, place))
    return {alias: tensor_info(parse("TensorInfo", raw)) for alias, raw in sorted(found.items())}


def tensor_info(message: Any) -> TensorInfo:
    """Return what a TensorInfo message says."""
    kind = message.WhichOneof("encoding")
    dtype = data_type(message.dtype) if message.dtype else None
    shape = shape_of(message.tensor_shape) if dtype is not None else None
    if kind == "coo_sparse":
        sparse = message.coo_sparse
        parts = (
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        )
        return TensorInfo("", dtype, shape, tuple([name_of(part) for part in parts]))
    if kind == "composite_tensor":
        return TensorInfo("", dtype, shape, _component_names(message.composite_tensor.components))
    return TensorInfo(name_of(message.name), dtype, shape)


def _component_names(components: Sequence[bytes]) -> tuple[str, ...]:
    """Return the tensors of a composite one, in order, however deep they lie."""
    names, waiting = [], [(1, raw) for raw in reversed(components)]
    while waiting:
        depth, raw = waiting.pop()
        if depth > _DEEPEST:
            raise CorruptCheckpointError("tensors are nested deeper than can be", got=depth)
        part = parse("TensorInfo", raw)
        kind = part.WhichOneof("encoding")
        if kind == "name":
            names.append(name_of(part.name))
        elif kind == "composite_tensor":
            inner = part.composite_tensor.components
            waiting.extend([(depth + 1, raw) for raw in reversed(inner)])
    return tuple(names)


def decode_assets(stored: Sequence[bytes], place: Place) -> tuple[Asset, ...]:
    """Return the assets in serialized AssetFileDefs."""
    found = []
    for raw in stored:
        try:
            message = parse("AssetFileDef", raw)
        except CheckpointError as error:
            raise place.located(error, "asset") from error
        found.append(Asset(name_of(message.filename), name_of(message.tensor_info.name)))
    return tuple(found)
