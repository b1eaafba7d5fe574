"""The format that the saver of a ``.meta`` file writes: the evidence for a damaged V1 file.

A walk over the fields of a MetaGraphDef, without its contents: other programs write ``.meta`` files
too. TensorFlow ``core/protobuf/meta_graph.proto``, ``core/protobuf/saver.proto``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.encoding.coding import decode_varint
from tfckpt_reader.encoding.wire_format import LENGTH_DELIMITED, fields
from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.storage.filesystem import is_file
from tfckpt_reader.storage.opening import open_file

if TYPE_CHECKING:
    from tfckpt_reader.storage.source import ByteSource

NO_SAVER = -1
_V1_VERSIONS = (0, 1)
"""SaverDef.CheckpointFormatVersion: LEGACY and V1; V2 is 2."""
_SAVER, _VERSION, _LAST = 3, 7, 7
"""Numbers of fields: of a MetaGraphDef, whose last is 7, and of its SaverDef."""
_HEAD = 16
_LARGEST_SAVER = 1 << 16
_MOST_FIELDS = 10_000


def saver_version(path: str) -> int | None:
    """Return the version of a graph's saver, or NO_SAVER; None for a file of another kind."""
    if not is_file(path):
        return None
    try:
        return _version_in(open_file(path))
    except CheckpointError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            raise
        return None


def writes_v1(path: str) -> bool:
    """Return whether a file is a graph with a saver of V1 checkpoints."""
    return saver_version(path) in _V1_VERSIONS


def _version_in(file: ByteSource) -> int | None:
    version, offset = NO_SAVER, 0
    for _ in range(_MOST_FIELDS):
        if offset >= file.size:
            break
        head = file.read(offset, min(_HEAD, file.size - offset))
        key, at = decode_varint(head, 0, len(head))
        if key & 7 != LENGTH_DELIMITED or not 0 < key >> 3 <= _LAST:
            return None
        size, at = decode_varint(head, at, len(head))
        offset += at
        if key >> 3 == _SAVER and size <= _LARGEST_SAVER:
            values = {n: value for n, _, value in fields(file.read(offset, size))}
            found = values.get(_VERSION, 0)
            version = found if isinstance(found, int) else NO_SAVER
        offset += size
    return version if 0 < offset == file.size else None
