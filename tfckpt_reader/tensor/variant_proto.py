"""Variants as messages: the way back of ``tensor_proto``.

Knows no file. TensorFlow ``core/framework/variant_tensor_data.cc``, ``Tensor::AsProtoField``: the
values lie in the typed fields, packed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import encode_varint
from tfckpt_reader.encoding.wire_format import encode_field, encode_number
from tfckpt_reader.protobuf import message_class
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.typed_values import FIELD, FLOAT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tfckpt_reader.tensor.tensor_proto import Variant

_TYPE_NAME, _METADATA, _TENSORS = 1, 2, 3
_DTYPE, _SHAPE, _VARIANTS = 1, 2, 15
_U64 = (1 << 64) - 1


def encode_variant(variant: Variant, type_of: Any) -> bytes:
    """Return the message of a variant.

    Args:
        variant: The element.
        type_of: Returns the `DataType` of an array.
    """
    message = encode_field(_TYPE_NAME, variant.type_name.encode("utf-8", "surrogateescape"))
    if variant.metadata:
        message += encode_field(_METADATA, variant.metadata)
    return message + b"".join(
        encode_field(_TENSORS, _tensor(tensor, type_of(tensor), type_of))
        for tensor in variant.tensors
    )


def _tensor(array: NDArray[Any], dtype: DataType, type_of: Any) -> bytes:
    shape = message_class("Shape")()
    for size in array.shape:
        shape.dim.add(size=size)
    head = encode_number(_DTYPE, dtype)
    head += encode_field(_SHAPE, shape.SerializeToString())
    if dtype is DataType.VARIANT:
        return head + _repeated(_VARIANTS, (encode_variant(each, type_of) for each in array.flat))
    if dtype is DataType.STRING:
        return head + _repeated(FIELD[dtype], array.flat)
    packed = _packed(array, dtype)
    return head + (encode_field(FIELD[dtype], packed) if packed else b"")


def _packed(array: NDArray[Any], dtype: DataType) -> bytes:
    """Return numbers as a packed field has them."""
    import numpy as np

    flat = np.ascontiguousarray(array).reshape(-1)
    if FIELD[dtype] in FLOAT_FIELDS:
        return flat.astype(flat.dtype.newbyteorder("<")).tobytes()
    if dtype in (DataType.FLOAT16, DataType.BFLOAT16):
        flat = flat.view("u2")
    elif dtype.needs_ml_dtypes and dtype.numpy_name.startswith("float"):
        return flat.tobytes()
    return b"".join(encode_varint(int(number) & _U64) for number in flat)


def _repeated(number: int, values: Iterable[bytes]) -> bytes:
    return b"".join(encode_field(number, value) for value in values)
