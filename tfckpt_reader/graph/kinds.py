"""Which message a file holds that may be a MetaGraphDef, a SavedModel or a GraphDef.

Rank 3: knows no file and no graph. FORMAT 5.

The three are told apart by their structure, never by a file's name:

* a SavedModel begins with a number (its schema version) or has MetaGraphDefs as field 2;
* a GraphDef has NodeDefs as field 1: a name and, as field 2, the name of an op;
* a MetaGraphDef has MetaInfoDef as field 1 and a GraphDef as field 2.

A text form is recognised by the name of the field it begins with, and turned into bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos import message_class, parse, parse_text
from tfckpt_reader.coding import LENGTH_DELIMITED, VARINT, fields
from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.sniff import HEAD_SIZE, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

META_GRAPH, SAVED_MODEL, GRAPH = "MetaGraphDef", "SavedModel", "GraphDef"

_MOST_FIELDS = 100_000
"""Fields that are looked at on the way to the first that tells; no graph begins with as many."""
_OP_TYPE = re.compile(rb"[A-Za-z_][A-Za-z0-9_.>/-]*")
_TEXT_START = re.compile(rb"(?:\s|#[^\n]*\n)*([a-z_]+)\s*[:{<]")
_TEXT_FIELDS = {
    **dict.fromkeys((b"saved_model_schema_version", b"meta_graphs"), SAVED_MODEL),
    **dict.fromkeys((b"node", b"library", b"version", b"versions", b"debug_info"), GRAPH),
    **dict.fromkeys(
        (
            b"meta_info_def",
            b"graph_def",
            b"saver_def",
            b"collection_def",
            b"signature_def",
            b"asset_file_def",
            b"object_graph_def",
        ),
        META_GRAPH,
    ),
}


def binary_form(data: bytes) -> tuple[str, bytes]:
    """Return which message a file is, and the message as bytes whatever form it was in.

    Raises:
        CorruptCheckpointError: it is none of them; says what it is where that can be told.
    """
    text = _TEXT_START.match(data)
    if text is not None and text[1] in _TEXT_FIELDS:
        kind = _TEXT_FIELDS[text[1]]
        return kind, parse_text(f"text.{kind}", data, partly=True).SerializeToString()
    kind_or_none = _binary_kind(memoryview(data))
    if kind_or_none is None:
        raise _none_of_them(data)
    return kind_or_none, data


def _binary_kind(data: memoryview) -> str | None:
    """Return the kind of message; None where nothing tells it."""
    seen: set[tuple[int, int]] = set()
    walk = fields(data)
    try:
        for _ in range(_MOST_FIELDS):
            number, wire, value = next(walk, (0, 0, 0))
            if not number:
                break
            if (number, wire) in seen:
                continue
            seen.add((number, wire))
            kind = _told_by(number, wire, value)
            if kind is not None:
                return kind
    except CorruptCheckpointError:
        # Cut off, perhaps: what came before tells what it was, and parsing it says the rest.
        pass
    if seen and seen <= {(number, LENGTH_DELIMITED) for number in range(1, 8)}:
        return META_GRAPH
    return None


def _told_by(number: int, wire: int, value: int | memoryview) -> str | None:
    if isinstance(value, int):
        return {1: SAVED_MODEL, 3: GRAPH}.get(number) if wire == VARINT else None
    if wire != LENGTH_DELIMITED:
        return None
    if number == 1:
        return GRAPH if _is_node(value) else META_GRAPH if _is_meta_info(value) else None
    if number == 2:
        return _told_by_second(value)
    return META_GRAPH if number in (5, 6, 7) else None


def _told_by_second(value: memoryview) -> str | None:
    """Tell by field 2: a graph, a function library, or a whole MetaGraphDef."""
    inner = _first(value)
    if inner is None or isinstance(inner[2], int):
        return None
    number, _, first = inner
    if number == 1 and isinstance(first, memoryview) and _is_node(first):
        return META_GRAPH
    if number == 1 and isinstance(first, memoryview) and _is_meta_info(first):
        return SAVED_MODEL
    return None


def _first(data: memoryview) -> tuple[int, int, int | memoryview] | None:
    try:
        return next(fields(data), None)
    except CorruptCheckpointError:
        return None


def _is_node(data: memoryview) -> bool:
    """Tell whether this is a NodeDef: with a name, and an op whose name is one."""
    try:
        node = parse("NodeDef", data)
    except CorruptCheckpointError:
        return False
    return bool(node.name) and _OP_TYPE.fullmatch(node.op) is not None


def _is_meta_info(data: memoryview) -> bool:
    """Tell whether this is a MetaInfoDef: with a version of TensorFlow's, or a list of ops."""
    try:
        info = parse("MetaInfoDef", data)
    except CorruptCheckpointError:
        return False
    version = re.fullmatch(rb"[0-9][\w.+-]*", info.tensorflow_version) is not None
    return version or bool(info.tags) or bool(info.stripped_op_list.op)


def _none_of_them(data: bytes) -> CorruptCheckpointError:
    known = describe(data[:HEAD_SIZE])
    if known is not None:
        what, advice = known
        return CorruptCheckpointError(f"this is {what}", advice=advice)
    return CorruptCheckpointError(
        "this is no graph",
        expected="a MetaGraphDef, a SavedModel or a GraphDef, as bytes or as text",
        advice="Name a .meta file, a saved_model.pb or a frozen graph",
    )


def meta_graphs_in(data: bytes) -> tuple[str, list[Any]]:
    """Return which message a file is, and its MetaGraphDef messages: several in a SavedModel.

    Raises:
        CorruptCheckpointError: it is none of them, or damaged.
    """
    kind, data = binary_form(data)
    if kind == META_GRAPH:
        return kind, [parse(META_GRAPH, data)]
    if kind == GRAPH:
        message = message_class(META_GRAPH)()
        message.graph_def.MergeFrom(parse(GRAPH, data))
        return kind, [message]
    found = [parse(META_GRAPH, part) for part in _saved_meta_graphs(data)]
    if not found:
        raise CorruptCheckpointError("this SavedModel has no graph", structure=kind)
    return kind, found


def _saved_meta_graphs(data: bytes) -> Iterator[memoryview]:
    for count, (number, wire, value) in enumerate(fields(memoryview(data))):
        if count >= _MOST_FIELDS:
            raise CorruptCheckpointError(
                "has more fields than a SavedModel has", got=f"more than {_MOST_FIELDS:,}"
            )
        if number == 2 and wire == LENGTH_DELIMITED and isinstance(value, memoryview):
            yield value
