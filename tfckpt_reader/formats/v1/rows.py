"""A data row of a V1 table: the values of one slice, and of which one it says it is.

Knows no file and no key. FORMAT 4.2; TensorFlow ``core/util/saved_tensor_slice.proto``::

    SavedTensorSlices.data > SavedSlice: name, slice, data (a TensorProto)

The message is walked where it lies: protobuf would copy its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.coding import fields
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.proto_fields import extents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import TensorSlice
    from tfckpt_reader.tensor.typed_values import Part

_DATA, _NAME, _SLICE, _TENSOR = 2, 1, 2, 3
"""Fields of SavedTensorSlices (data) and of SavedSlice."""


def stored_values(
    row: memoryview, name: bytes, piece: TensorSlice, dtype: DataType
) -> Iterator[Part]:
    """Yield the occurrences of the typed field with a slice's values: as many as those, at worst.

    Raises:
        CorruptCheckpointError: the row says that it is of another tensor, or of another slice.
    """
    from tfckpt_reader.tensor.typed_values import FIELD

    wanted = FIELD.get(dtype)
    for saved in _delimited(row, _DATA):
        for stored in _delimited(saved, _NAME):
            _require("tensor", repr(name), repr(bytes(stored[:100])), same=stored == name)
        for stored in _delimited(saved, _SLICE):
            theirs = extents(parse("Slice", stored))
            _require("slice", piece.extents, theirs, same=theirs == piece.extents)
        for proto in _delimited(saved, _TENSOR):
            yield from ((kind, value) for field, kind, value in fields(proto) if field == wanted)


def _require(what: str, expected: object, got: object, *, same: bool) -> None:
    if not same:
        problem = f"row holds values of another {what}"
        raise CorruptCheckpointError(problem, expected=expected, got=got)


def _delimited(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, _, value in fields(message):
        if field == wanted and not isinstance(value, int):
            yield value
