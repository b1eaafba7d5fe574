"""Graphs in protobuf's text form, turned into the binary one.

Rank 5: knows the kinds of files, and no parts. FORMAT 5.

The binary form is what all else reads. A text says more than it: dtypes have names, and a message
in an Any is spelled out, under a type that need not be known here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import parse_text

if TYPE_CHECKING:
    from collections.abc import Iterator

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
