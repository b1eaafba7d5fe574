"""Signatures: the named inputs and outputs of a model.

Knows no graph. FORMAT 5.7; TensorFlow ``core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError, enough_memory, located
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text
from tfckpt_reader.tensor.proto_fields import PartialShape, data_type, partial_shape
from tfckpt_reader.tensor.tensor_proto import Room, decode_tensor_proto

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.dtypes import DataType

MOST_TENSORS = 1 << 18
"""Limit on the tensors of a signature, components and defaults included."""
_NO_DTYPE = 0
"""DT_INVALID."""
_DEEPEST = 50
"""Limit on nested tensors: each is two messages, and protobuf allows a hundred."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of a signature."""

    name: str
    """Empty for a sparse or a composite tensor."""
    dtype: DataType
    """Unknown for a composite tensor: its components have their own."""
    shape: PartialShape
    """Sizes, None for an unknown one; None for an unknown rank."""
    sparse: tuple[str, str, str] | None = None
    """Names of the values, the indices and the dense shape of a sparse tensor."""
    composite: str = ""
    """Type of a composite tensor, such as "RaggedTensorSpec"."""
    components: tuple[TensorInfo, ...] = ()
    """Components of a composite tensor."""

    @property
    def is_operation(self) -> bool:
        """Whether it is an operation to run, such as an init op: no tensor, without a dtype."""
        return self.dtype == _NO_DTYPE and not (self.composite or self.components)


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of a model: alias -> tensor."""

    name: str
    method_name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    _defaults: Mapping[str, bytes] = field(repr=False)
    _file: str = field(repr=False, compare=False)

    @property
    def defaults(self) -> dict[str, NDArray[Any]]:
        """Alias of an optional input -> its default value.

        Raises:
            CheckpointError: a value is damaged; names the file and the alias.
        """
        arrays, room = {}, Room()
        for alias, data in self._defaults.items():
            with located(self._file, tensor=alias), enough_memory(self._file):
                arrays[alias] = decode_tensor_proto(memoryview(data), room)
        return arrays


def decode_signature(name: str, data: bytes, file: str) -> Signature:
    """Decode a SignatureDef; `file` is for later errors."""
    message = parse("Signature", data)
    room = iter(range(MOST_TENSORS))
    for _ in message.defaults:
        _count_one(room)
    inputs, outputs = (
        {name_text(e.key): _tensor_info(parse("TensorInfo", e.value), room) for e in entries}
        for entries in (message.inputs, message.outputs)
    )
    defaults = {name_text(entry.key): entry.value for entry in message.defaults}
    return Signature(name, name_text(message.method_name), inputs, outputs, defaults, file)


def _tensor_info(message: Any, room: Iterator[int], depth: int = 0) -> TensorInfo:
    sparse, composite = message.coo_sparse, message.composite_tensor
    if depth > _DEEPEST:
        raise CorruptCheckpointError(
            "its tensors are nested too deeply", expected=f"at most {_DEEPEST} levels"
        )
    _count_one(room)
    return TensorInfo(
        name_text(message.name),
        data_type(message.dtype),
        partial_shape(message.tensor_shape) if message.HasField("tensor_shape") else None,
        (
            name_text(sparse.values_tensor_name),
            name_text(sparse.indices_tensor_name),
            name_text(sparse.dense_shape_tensor_name),
        )
        if message.WhichOneof("encoding") == "coo_sparse"
        else None,
        name_text(composite.type_spec.type_spec_class_name),
        tuple([_tensor_info(each, room, depth + 1) for each in composite.components]),
    )


def _count_one(room: Iterator[int]) -> None:
    if next(room, None) is None:
        most = f"at most {MOST_TENSORS:,}"
        raise UnsupportedError("has more tensors than are listed here", expected=most)
