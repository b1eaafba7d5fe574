"""What a model takes and gives, as its signatures say.

Rank 7: knows no graph and no file. FORMAT 5.7; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import data_type
from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.graph.attributes import PartialShape, name_text, partial_shape
from tfckpt_reader.tensor_proto import decode_tensor_proto

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TENSORS = 1 << 18
"""Inputs and outputs of a signature."""
_DEEPEST = 50
"""Tensors within each other: each is two messages, and protobuf ends at a hundred."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor that a signature names."""

    name: str
    """Empty for a sparse tensor, and for a composite one."""
    dtype: DataType
    """Of a composite tensor an unknown one: its components have theirs."""
    shape: PartialShape
    """Sizes, None for an unknown one; None where not even the rank is known."""
    sparse: tuple[str, str, str] | None = None
    """Names of the values, the indices and the dense shape of a sparse tensor."""
    composite: str = ""
    """What kind of composite tensor it is, such as "RaggedTensorSpec"."""
    components: tuple[TensorInfo, ...] = ()
    """What a composite tensor is made of."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives: alias -> tensor."""

    name: str
    method_name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    _defaults: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def defaults(self) -> dict[str, NDArray[Any]]:
        """Alias -> what an input is where it is not given, for those that need not be.

        Raises:
            CheckpointError: one of them cannot be right.
        """
        return {name: decode_tensor_proto(memoryview(d)) for name, d in self._defaults.items()}


def _tensor_info(message: Any, depth: int = 0) -> TensorInfo:
    kind = message.WhichOneof("encoding")
    sparse, composite = message.coo_sparse, message.composite_tensor
    if depth > _DEEPEST:
        raise CorruptCheckpointError("its tensors lie too deep", expected=f"at most {_DEEPEST}")
    return TensorInfo(
        name_text(message.name),
        data_type(message.dtype),
        partial_shape(message.tensor_shape) if message.HasField("tensor_shape") else None,
        (
            name_text(sparse.values_tensor_name),
            name_text(sparse.indices_tensor_name),
            name_text(sparse.dense_shape_tensor_name),
        )
        if kind == "coo_sparse"
        else None,
        name_text(composite.type_spec.type_spec_class_name),
        tuple([_tensor_info(each, depth + 1) for each in composite.components]),
    )


def decode_signature(name: str, data: bytes) -> Signature:
    """Decode a SignatureDef."""
    message = parse("Signature", data)
    count = len(message.inputs) + len(message.outputs) + len(message.defaults)
    if count > MOST_TENSORS:
        most, got = f"at most {MOST_TENSORS:,}", f"{count:,}"
        raise UnsupportedError("has more tensors than are listed here", expected=most, got=got)
    inputs, outputs = (
        {name_text(entry.key): _tensor_info(parse("TensorInfo", entry.value)) for entry in entries}
        for entries in (message.inputs, message.outputs)
    )
    defaults = {name_text(entry.key): entry.value for entry in message.defaults}
    return Signature(name, name_text(message.method_name), inputs, outputs, defaults)
