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
_MOST_TIMES = 4
"""Limit on the rows of compressed blocks, as a multiple of the size of their files."""
_FREE = 1 << 20
"""Bytes of rows that any files may hold, however small."""
_LEAST_ROW = 6
"""Bytes that a tensor or a slice takes in a file: its mention in the header, without its row,
which may be lost."""


class Unfolded:
    """Rows in compressed blocks, in proportion to their files: TensorFlow compresses none.

    Args:
        nbytes: Size of the files together.
    """

    def __init__(self, nbytes: int) -> None:
        self._left = _MOST_TIMES * nbytes + _FREE
        self._rows: set[tuple[int | None, bytes]] = set()

    def add(self, shard: int | None, key: bytes, nbytes: int) -> None:
        """Count a row of `nbytes`, once.

        Raises:
            UnsupportedError: with the rows before, it is far larger than the files.
        """
        if (shard, key) in self._rows:
            return
        if nbytes > self._left:
            problem = f"rows unfold to over {_MOST_TIMES} times their files: made to waste memory"
            raise UnsupportedError(problem)
        self._rows.add((shard, key))
        self._left -= nbytes


def stored_values(
    row: memoryview, name: bytes, slice_: TensorSlice, dtype: DataType
) -> Iterator[Part]:
    """Yield the occurrences of the typed field with a slice's values.

    Raises:
        CorruptCheckpointError: the row is that of another tensor, or of another slice.
    """
    from tfckpt_reader.tensor.typed_values import FIELD

    wanted = FIELD.get(dtype)
    for saved in _delimited(row, _DATA):
        for stored in _delimited(saved, _NAME):
            _require("tensor", repr(name), repr(bytes(stored[:100])), same=stored == name)
        for stored in _delimited(saved, _SLICE):
            theirs = extents(parse("Slice", stored))
            _require("slice", slice_.extents, theirs, same=theirs == slice_.extents)
        for proto in _delimited(saved, _TENSOR):
            yield from ((kind, value) for field, kind, value in fields(proto) if field == wanted)


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
        if table.in_compressed:
            Unfolded(table.source.size).add(None, b"", len(value))
        if len(value) > table.source.size // 2:  # most bytes of a file are in its rows
            try:
                most = table.source.size // _LEAST_ROW
                _require_few(memoryview(value), most // 2 if table.in_compressed else most)
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


def _require_few(header: memoryview, most: int) -> None:
    """Refuse a header of more tensors and slices than a file can have rows for."""
    for meta in _delimited(header, _META):
        for tensor in _delimited(meta, _TENSOR_META):
            if most <= 0:
                raise UnsupportedError("has more tensors than rows: made to waste memory")
            (spans,), _ = split_fields(tensor, (_SLICE_OF_META,), most)
            most -= 1 + len(spans) // 2


def tensor_meta(table: Table, data: bytes) -> Any:
    """Return the TensorMeta message of one tensor in a header."""
    try:
        return parse("TensorMeta", data)
    except CorruptCheckpointError as error:
        error.kind, error.structure = ErrorKind.HEADER, "SlicesHeader"
        error.file = table.source.name
        raise
