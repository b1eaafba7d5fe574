"""The rows of a V1 table: the header, and the values of one slice.

Knows no key. FORMAT 4.1, 4.2; TensorFlow ``core/util/saved_tensor_slice.proto``::

    SavedTensorSlices.meta > SavedSliceMeta: name, shape, type, slice*
    SavedTensorSlices.data > SavedSlice: name, slice, data (a TensorProto)

A row of values is decoded in its buffer: protobuf would copy the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import fields, split_fields
from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, UnsupportedError, located
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.proto_fields import check_version, extents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfckpt_reader.table.table import Table
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import TensorSlice
    from tfckpt_reader.tensor.typed_values import Part

_DATA, _NAME, _SLICE, _TENSOR = 2, 1, 2, 3
"""Fields of SavedTensorSlices (data) and of SavedSlice."""
_META, _TENSOR_META, _SLICE_OF_META = 1, 1, 4
"""Fields of SavedTensorSlices (meta), of SavedSliceMeta, and of the meta of a tensor."""
_FREE_FIELDS = 1 << 20
"""Fields that the rows of any files may have, however small."""
_FEW_FIELDS = 1000
"""Up to so many fields of a row are counted again whenever it is read."""
_LEAST_ROW = 8
"""Bytes of a row in a file, however compressed, with its mention in the header."""


class StoredValues:
    """The values in the rows of some files, found in a number of fields in proportion to these.

    TensorFlow compresses no row, and a field takes two bytes. A row counts once.

    Args:
        nbytes: Size of the files together.
    """

    def __init__(self, nbytes: int) -> None:
        self._left = nbytes + _FREE_FIELDS
        self._counts: dict[object, int] = {}

    def of(
        self, row: memoryview, name: bytes, slice_: TensorSlice, dtype: DataType
    ) -> Iterator[Part]:
        """Yield the occurrences of the typed field with a slice's values.

        Raises:
            CorruptCheckpointError: the row is that of another tensor, or of another slice.
            UnsupportedError: the rows have far more fields than the files have bytes.
        """
        place = name, slice_.shard, slice_.extents
        self._left += self._counts.pop(place, 0)
        before = self._left
        try:
            yield from self._values(row, name, slice_, dtype)
        finally:
            if before - self._left > _FEW_FIELDS:
                self._counts[place] = before - self._left

    def _values(
        self, row: memoryview, name: bytes, slice_: TensorSlice, dtype: DataType
    ) -> Iterator[Part]:
        from tfckpt_reader.tensor.typed_values import FIELD

        wanted = FIELD.get(dtype)
        for field, saved in self._messages(row):
            for number, stored in self._messages(saved) if field == _DATA else ():
                if number == _NAME:
                    _require("tensor", repr(name), repr(bytes(stored[:100])), same=stored == name)
                elif number == _SLICE:
                    theirs = extents(parse("Slice", stored))
                    _require("slice", slice_.extents, theirs, same=theirs == slice_.extents)
                elif number == _TENSOR:
                    yield from ((k, value) for n, k, value in self._fields(stored) if n == wanted)

    def _messages(self, message: memoryview) -> Iterator[tuple[int, memoryview]]:
        for number, _, value in self._fields(message):
            if not isinstance(value, int):
                yield number, value

    def _fields(self, message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        for field in fields(message):
            self._left -= 1
            if self._left < 0:
                raise UnsupportedError("so many fields in few bytes: made to waste time")
            yield field


def _require(owner: str, expected: object, got: object, *, same: bool) -> None:
    if not same:
        problem = f"row holds values of another {owner}"
        raise CorruptCheckpointError(problem, expected=expected, got=got)


def _delimited(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, _, value in fields(message):
        if field == wanted and not isinstance(value, int):
            yield value


def read_header(table: Table) -> Any:
    """Return the SlicesMeta message of a file, its version checked."""
    path = table.source.name
    first = table.first()  # blocks before it may be empty
    value = first[1] if first is not None else b""
    with located(path):
        if first is None or first[0] != b"":
            raise CorruptCheckpointError(
                "the file has none: no checkpoint", kind=ErrorKind.NO_HEADER, structure="header row"
            )
        try:
            for meta in _delimited(memoryview(value), _META):
                _require_few(meta, _TENSOR_META, table)
        except CorruptCheckpointError as error:
            error.kind, error.structure = ErrorKind.HEADER, "SlicesHeader"
            raise
        header = parse("SlicesHeader", value, ErrorKind.HEADER)
        if not header.HasField("meta"):
            raise CorruptCheckpointError(
                "this is the index of a V2 checkpoint, or no checkpoint",
                kind=ErrorKind.HEADER,
                structure="header",
                advice="Give it a name that ends in .index, beside its .data files",
            )
        check_version(header.meta.versions)
    return header.meta


def _require_few(message: memoryview, number: int, table: Table) -> None:
    """Refuse more tensors, or slices, than a file can have rows for: compressed, they are few.

    Values are only counted in a message larger than its file.
    """
    if len(message) > table.source.size:
        split_fields(message, (number,), table.source.size // _LEAST_ROW)


def tensor_meta(table: Table, data: bytes) -> Any:
    """Return the TensorMeta message of one tensor in a header."""
    try:
        _require_few(memoryview(data), _SLICE_OF_META, table)
        return parse("TensorMeta", data)
    except CorruptCheckpointError as error:
        error.kind, error.structure = ErrorKind.HEADER, "SlicesHeader"
        error.file = table.source.name
        raise
