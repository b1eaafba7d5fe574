"""Files with graphs: read one and split it into the stored bytes of each MetaGraphDef's fields.

Knows the boundaries of those fields, not their contents. FORMAT 5; TensorFlow
``core/protobuf/meta_graph.proto``, ``saved_model.proto``.

A file is a MetaGraphDef (``.meta``), a SavedModel with one or more of them, or a bare GraphDef (a
frozen graph), each in protobuf's binary or text form. Its first fields, and its name, identify the
message. Text is converted to the binary form first; both are then split the same way.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.wire_format import LENGTH_DELIMITED, fields
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError, enough_memory, located
from tfckpt_reader.paths.companions import SAVED_MODEL_FILES, graph_file_at
from tfckpt_reader.protobuf import parse, parse_text
from tfckpt_reader.storage.opening import open_file
from tfckpt_reader.storage.sniff import HEAD_SIZE, describe, describe_text
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ADVICE = "If it should be a graph, it is damaged or was cut off: copy or download it again"
_TOO_LARGE = 1 << 31
_MOST_FIELDS = 1 << 20

_META_GRAPH, _GRAPH, _SAVED_MODEL = "MetaGraph", "Graph", "SavedModel"
_FIELDS = ("info", "graph", "saver", "collections", "signatures", "assets", "objects")
"""Fields of a MetaGraphDef, from number 1."""
_OP_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_>.]*")

_FIRST_FIELD = re.compile(rb"\s*(?:#[^\n]*\n\s*)*([a-z_]+)\s*[:{<]")
_TEXT_KINDS = {
    **dict.fromkeys((b"saved_model_schema_version", b"meta_graphs"), _SAVED_MODEL),
    **dict.fromkeys((b"node", b"library", b"versions", b"version"), _GRAPH),
    **dict.fromkeys((b"meta_info_def", b"graph_def", b"saver_def", b"collection_def"), _META_GRAPH),
    **dict.fromkeys((b"signature_def", b"asset_file_def", b"object_graph_def"), _META_GRAPH),
}
"""First field of a text -> its message."""
_ASSET = b"/tensorflow.AssetFileDef"
# Strings and comments match first, so that a type within them does not count. An unterminated
# string matches too: no byte is scanned twice.
_TYPE_OF_ANY = re.compile(
    rb"""("(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|#[^\n]*)|\[\s*([\w.-]+/[\w.]+)\s*\]"""
)


@dataclass(frozen=True, slots=True)
class StoredMetaGraph:
    """The fields of one MetaGraphDef as stored bytes, each as often as it occurs."""

    file: str
    graph: list[memoryview] = field(default_factory=list)
    info: list[memoryview] = field(default_factory=list)
    saver: list[memoryview] = field(default_factory=list)
    collections: list[memoryview] = field(default_factory=list)
    signatures: list[memoryview] = field(default_factory=list)
    assets: list[memoryview] = field(default_factory=list)
    objects: list[memoryview] = field(default_factory=list)


def joined(occurrences: list[memoryview]) -> bytes | memoryview:
    """Return the occurrences of a message field as one message; most fields occur once."""
    return occurrences[0] if len(occurrences) == 1 else b"".join(occurrences)


def read_stored(path: str) -> list[StoredMetaGraph]:
    """Read a file, or the file of a SavedModel, and split each graph in it into fields.

    Raises:
        CheckpointNotFoundError: the file is missing.
        CorruptCheckpointError: it holds no graph, or is larger than a protobuf message can be.
    """
    file = open_file(graph_file_at(path))
    if not file.size:
        raise CorruptCheckpointError(
            "this file is empty", file=file.name, expected="a graph", advice="Copy it again"
        )
    if file.size >= _TOO_LARGE:
        raise CorruptCheckpointError(
            "is larger than a protobuf message can be",
            file=file.name,
            expected=f"less than {count_of(_TOO_LARGE, 'byte')}",
            got=count_of(file.size, "byte"),
        )
    with enough_memory(file.name), located(file.name):
        data = file.read(0, file.size)
        first = _FIRST_FIELD.match(bytes(data[: 1 << 16]))
        kind = _TEXT_KINDS.get(first[1]) if first else None
        if kind is not None:
            data = memoryview(_encode_text(kind, bytes(data)))
        try:
            return _split(data, kind or _binary_kind(file.name, data), file.name)
        except CorruptCheckpointError as error:
            known = describe(bytes(data[:HEAD_SIZE]))
            error.advice = f"It is {known[0]}" if known else ADVICE
            text = describe_text(bytes(data[:CHUNK])) if kind is None and not known else None
            if text is not None:
                error.problem, error.offset, error.structure = f"no graph: {text}", None, None
                error.expected = error.got = None
            raise


def _encode_text(kind: str, text: bytes) -> bytes:
    """Return the binary form of a text; unknown fields are dropped.

    Raises:
        CorruptCheckpointError: the text is no such message.
    """
    text = _TYPE_OF_ANY.sub(_as_field, text)
    message = parse_text(f"Text{kind}", text, skip_unknown=True)
    graphs = message.meta_graphs if kind == _SAVED_MODEL else [message]
    for graph in graphs if kind != _GRAPH else ():
        for entry in graph.collection_def:
            for each in entry.value.any_list.value:
                if each.HasField("asset"):
                    each.value = each.asset.SerializeToString()
                    each.ClearField("asset")
    encoded: bytes = message.SerializeToString()
    return encoded


def _as_field(match: re.Match[bytes]) -> bytes:
    """Replace the type of a message spelled out in an Any by fields of our own."""
    if match[2] is None:
        return match[0]
    field = b"asset" if match[2].endswith(_ASSET) else b"of_another_type"
    return b'type_url: "%s" %s' % (match[2], field)


def _binary_kind(file: str, data: memoryview) -> str:
    base = os.path.basename(file)
    if base.endswith(".meta"):
        return _META_GRAPH
    if base in SAVED_MODEL_FILES:
        return _SAVED_MODEL
    for number, kind, value in fields(data):
        if number == 1 and kind != LENGTH_DELIMITED:
            return _SAVED_MODEL
        if number == 1 and not isinstance(value, int):
            return _GRAPH if _is_node(value) else _META_GRAPH
        if number in (2, 4):
            break
    return _META_GRAPH


def _is_node(data: memoryview) -> bool:
    """Distinguish a node from the first field of a MetaGraphDef: a node has the name of an op."""
    try:
        node = parse("Node", data)
    except CorruptCheckpointError:
        return False
    return bool(node.name) and _OP_NAME.fullmatch(node.op) is not None


def _split(data: memoryview, kind: str, file: str) -> list[StoredMetaGraph]:
    if kind == _GRAPH:
        return [StoredMetaGraph(file, graph=[data])]
    if kind == _META_GRAPH:
        return [_meta_graph(data, file)]
    return [_meta_graph(graph, file) for number, graph in _messages(data) if number == 2]


def _meta_graph(data: memoryview, file: str) -> StoredMetaGraph:
    stored = StoredMetaGraph(file)
    for number, value in _messages(data):
        if number <= len(_FIELDS):
            name = _FIELDS[number - 1]
            # Only the graph is a view: any other view would keep the whole file in memory.
            getattr(stored, name).append(value if name == "graph" else memoryview(bytes(value)))
    return stored


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of each field with bytes: it may be a message."""
    for count, (number, _, value) in enumerate(fields(data)):
        if count == _MOST_FIELDS:
            raise UnsupportedError(f"has more than {_MOST_FIELDS:,} fields")
        if not isinstance(value, int):
            yield number, value
