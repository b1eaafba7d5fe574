"""From a file with a graph in it to the bytes of its parts.

Knows where the parts begin and end, not what they mean. FORMAT 5; TensorFlow
``core/protobuf/meta_graph.proto``, ``saved_model.proto``.

A file is a MetaGraphDef (``.meta``), a SavedModel with one or more of them, or a bare GraphDef (a
frozen graph), each in protobuf's binary or text form. Which one is told by its beginning. A text
is turned into the binary form; its parts are then read the same way.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import LENGTH_DELIMITED, fields
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError, enough_memory, located
from tfckpt_reader.paths.companions import SAVED_MODEL_FILES, graph_file_at
from tfckpt_reader.protobuf import parse, parse_text
from tfckpt_reader.storage.local import File
from tfckpt_reader.storage.sniff import HEAD_SIZE, describe
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOO_LARGE = 1 << 31
ADVICE = "If it should be a graph, it is damaged or was cut off: copy or download it again"
_MOST_FIELDS = 1 << 20
_OP_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_>.]*")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one MetaGraphDef, as bytes of their messages."""

    file: str
    graph: list[memoryview] = field(default_factory=list)
    info: list[memoryview] = field(default_factory=list)
    saver: list[memoryview] = field(default_factory=list)
    collections: list[memoryview] = field(default_factory=list)
    signatures: list[memoryview] = field(default_factory=list)
    assets: list[memoryview] = field(default_factory=list)
    objects: list[memoryview] = field(default_factory=list)


_FIELDS = ("info", "graph", "saver", "collections", "signatures", "assets", "objects")
_GRAPH_FIELD = 2


def whole(pieces: list[memoryview]) -> bytes | memoryview:
    """Return a message that is stored in pieces; most are stored in one."""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_parts(path: str) -> list[Parts]:
    """Read a file, or a SavedModel's, and find the parts of each graph in it.

    Raises:
        CheckpointNotFoundError: it is not there.
        CorruptCheckpointError: it is nothing of the kind, or as large as no such message can be.
    """
    file = File(graph_file_at(path))
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
        kind = text_kind(data)
        if kind is not None:
            data = memoryview(encode_text(kind, bytes(data)))
        try:
            return _split(data, kind or _binary_kind(file.name, data), file.name)
        except CorruptCheckpointError as error:
            known = describe(bytes(data[:HEAD_SIZE]))
            error.advice = f"It is {known[0]}" if known else ADVICE
            raise


def _binary_kind(name: str, data: memoryview) -> str:
    base = os.path.basename(name)
    if base.endswith(".meta"):
        return META_GRAPH
    if base in SAVED_MODEL_FILES:
        return SAVED_MODEL
    for number, kind, value in fields(data):
        if number == 1 and kind != LENGTH_DELIMITED:
            return SAVED_MODEL
        if number == 1 and not isinstance(value, int):
            return GRAPH if _is_node(value) else META_GRAPH
        if number in (2, 4):
            break
    return META_GRAPH


def _is_node(data: memoryview) -> bool:
    """Tell a node from what a MetaGraphDef begins with: it has the name of an op."""
    try:
        node = parse("Node", data)
    except CorruptCheckpointError:
        return False
    return bool(node.name) and _OP_NAME.fullmatch(node.op) is not None


def _split(data: memoryview, kind: str, name: str) -> list[Parts]:
    if kind == GRAPH:
        return [Parts(name, graph=[data])]
    if kind == META_GRAPH:
        return [_meta_graph(data, name)]
    return [_meta_graph(graph, name) for number, graph in _messages(data) if number == 2]


def _meta_graph(data: memoryview, name: str) -> Parts:
    parts = Parts(name)
    for number, value in _messages(data):
        if number <= len(_FIELDS):
            # Copied, but for the graph: a view would keep the bytes of the whole file.
            kept = value if number == _GRAPH_FIELD else memoryview(bytes(value))
            getattr(parts, _FIELDS[number - 1]).append(kept)
    return parts


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of the fields that can be messages."""
    for count, (number, _, value) in enumerate(fields(data)):
        if count == _MOST_FIELDS:
            raise UnsupportedError(f"has more than {_MOST_FIELDS:,} parts")
        if not isinstance(value, int):
            yield number, value


META_GRAPH, GRAPH, SAVED_MODEL = "MetaGraphDef", "GraphDef", "SavedModel"


_BEGINNING = re.compile(rb"\s*(?:#[^\n]*\n\s*)*([a-z_]+)\s*[:{<]")


_KINDS = {
    **dict.fromkeys((b"saved_model_schema_version", b"meta_graphs"), SAVED_MODEL),
    **dict.fromkeys((b"node", b"library", b"versions", b"version"), GRAPH),
    **dict.fromkeys((b"meta_info_def", b"graph_def", b"saver_def", b"collection_def"), META_GRAPH),
    **dict.fromkeys((b"signature_def", b"asset_file_def", b"object_graph_def"), META_GRAPH),
}


_MESSAGES = {META_GRAPH: "TextMetaGraph", GRAPH: "TextGraph", SAVED_MODEL: "TextSavedModel"}


_ASSET = b"/tensorflow.AssetFileDef"


# Strings and comments come first, so that nothing in them is taken for a type. A string that does
# not end is one, too: no place is looked at twice.
_TYPE_OF_ANY = re.compile(
    rb"""("(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|#[^\n]*)|\[\s*([\w.-]+/[\w.]+)\s*\]"""
)


def text_kind(data: memoryview) -> str | None:
    """Return which message a text is; None where it is no text."""
    match = _BEGINNING.match(bytes(data[: 1 << 16]))
    return None if match is None else _KINDS.get(match[1])


def encode_text(kind: str, text: bytes) -> bytes:
    """Return the binary form of a text; fields that are not known here are left out.

    Raises:
        CorruptCheckpointError: it is no such message.
    """
    message = parse_text(_MESSAGES[kind], _TYPE_OF_ANY.sub(_as_field, text), skip_unknown=True)
    for graph in _meta_graphs(kind, message):
        for entry in graph.collection_def:
            for each in entry.value.any_list.value:
                if each.HasField("asset"):
                    each.value = each.asset.SerializeToString()
                    each.ClearField("asset")
    encoded: bytes = message.SerializeToString()
    return encoded


def _as_field(match: re.Match[bytes]) -> bytes:
    """Make fields of the type of a message that is spelled out in an Any."""
    if match[2] is None:
        return match[0]
    field = b"asset" if match[2].endswith(_ASSET) else b"of_another_type"
    return b'type_url: "%s" %s' % (match[2], field)


def _meta_graphs(kind: str, message: Any) -> Iterator[Any]:
    if kind == SAVED_MODEL:
        yield from message.meta_graphs
    elif kind == META_GRAPH:
        yield message
