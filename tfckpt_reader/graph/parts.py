"""From a file with a graph in it to the bytes of its parts.

Rank 6: knows where the parts begin and end, not what they mean. FORMAT 5; TensorFlow
``core/protobuf/meta_graph.proto``, ``saved_model.proto``.

A file is a MetaGraphDef (``.meta``), a SavedModel with one or more of them, or a bare GraphDef (a
frozen graph), each in protobuf's binary or text form. Which one is told by its beginning. A text
is turned into the binary form; its parts are then read the same way.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader._protos import parse
from tfckpt_reader.coding import LENGTH_DELIMITED, fields
from tfckpt_reader.errors import (
    CheckpointNotFoundError,
    CorruptCheckpointError,
    UnsupportedError,
    count_of,
    enough_memory,
    located,
)
from tfckpt_reader.folder import SAVED_MODEL_FILES, V1_SHARD, saved_model_of
from tfckpt_reader.graph.text import GRAPH, META_GRAPH, SAVED_MODEL, encode_text, text_kind
from tfckpt_reader.sniff import HEAD_SIZE, describe
from tfckpt_reader.storage import File

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
    file = File(_file_of(path))
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


def graph_file_of(prefix: str) -> str | None:
    """Return the file with the graph of a checkpoint; None where there is none.

    Args:
        prefix: The checkpoint's prefix, its file, or the pattern for its V1 shards.
    """
    shard = V1_SHARD.fullmatch(prefix)
    meta = f"{shard[1] if shard else prefix}.meta"
    if os.path.isfile(meta):
        return meta
    model = saved_model_of(prefix)
    if model is None:
        return None
    saved = (os.path.join(model, name) for name in SAVED_MODEL_FILES)
    return next(filter(os.path.isfile, saved), None)


def _file_of(path: str) -> str:
    if not os.path.isdir(path):
        meta = f"{path}.meta"
        return meta if not os.path.exists(path) and os.path.isfile(meta) else path
    for name in SAVED_MODEL_FILES:
        file = os.path.join(path, name)
        if os.path.isfile(file):
            return file
    raise CheckpointNotFoundError(
        "this folder is no SavedModel: it holds no saved_model.pb",
        file=path,
        advice="Name the .meta file of a checkpoint instead",
    )


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
