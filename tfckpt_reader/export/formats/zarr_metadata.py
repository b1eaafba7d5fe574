"""The metadata of a Zarr folder, version 3 of the format: JSON documents of groups and arrays.

The root's has those of all others (consolidated metadata). Chunks are raw, or in gzip's format.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any, cast

from tfckpt_reader.export.formats.chunks import chunk_shape
from tfckpt_reader.storage.filesystem import peek

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfckpt_reader.export.formats.grouped import GroupArray
    from tfckpt_reader.export.transfer import Job

METADATA = "zarr.json"
"""Name of the files."""
TEXT, BYTES = "string", "variable_length_bytes"
"""Types of strings: UTF-8, and others."""
LEVEL = 6
"""Of gzip's compression."""
CHUNK = 4 << 20
"""Most bytes of a chunk. Changing it changes the files."""
_LARGEST_ROOT = 1 << 30
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


_STRING_CODECS = {TEXT: _codec("vlen-utf8"), BYTES: _codec("vlen-bytes")}
_FILLS: dict[str, Any] = {
    "bool": False,
    "float": 0.0,
    "complex": [0.0, 0.0],
    TEXT: "",
    BYTES: "",
}
"""Start of a type's name -> element that fills chunks up; 0 for others."""
GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}


def encoded(document: dict[str, Any]) -> bytes:
    """Return the bytes of a document."""
    return _json(document).encode()


def groups_of(name: str) -> Iterator[str]:
    """Yield the groups that an array is in, without the root, from the outermost one."""
    parts = name.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def chunk_of(array: GroupArray, most: int) -> tuple[int, ...]:
    """Return the shape of chunks of at most so many bytes, of strings by their mean size."""
    shape = tuple(max(n, 1) for n in array.shape)
    return chunk_shape(shape, array.itemsize or 4 + array.nbytes // prod(shape), most)


def array_document(array: GroupArray, chunk: tuple[int, ...], *, compress: bool) -> dict[str, Any]:
    """Return the metadata of an array with chunks of a shape."""
    kind = array.type_name
    codecs = [_STRING_CODECS.get(kind) or _codec("bytes", endian="little")]
    if compress:
        codecs.append(_codec("gzip", level=LEVEL))
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": array.shape,
        "data_type": kind,
        "chunk_grid": _codec("regular", chunk_shape=chunk),
        "chunk_key_encoding": _codec("default", separator="."),
        "fill_value": next((fill for start, fill in _FILLS.items() if kind.startswith(start)), 0),
        "codecs": codecs,
        "attributes": array.attributes,
    }


def root_document(job: Job, most: int) -> bytearray:
    """Return the bytes of the root's metadata, with that of all other groups and arrays.

    Chunks have at most so many bytes.
    """
    attributes = _json(dict(job.provenance))
    text = bytearray(f'{{"zarr_format":3,"node_type":"group","attributes":{attributes},', "utf-8")
    text += b'"consolidated_metadata":{"kind":"inline","must_understand":false,"metadata":{'
    groups, before = {""}, ""
    for array in cast("Sequence[GroupArray]", job.arrays):
        documents = {group: GROUP for group in groups_of(array.name) if group not in groups}
        groups.update(documents)
        chunk = chunk_of(array, most)
        documents[array.name] = array_document(array, chunk, compress=job.compress)
        for name, document in documents.items():
            text += f"{before}\n{_json(name)}:{_json(document)}".encode()
            before = ","
    return text + b"}}}\n"


def listed_nodes(path: str) -> set[str]:
    """Return the groups and arrays in the metadata of a root; none if no conversion wrote it."""
    try:
        document = json.loads(peek(path, _LARGEST_ROOT))
        if not document["attributes"]["tool"].startswith("tfckpt_reader"):
            return set()
        return {"", *document["consolidated_metadata"]["metadata"]}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()
