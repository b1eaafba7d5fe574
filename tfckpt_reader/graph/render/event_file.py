"""A graph as an event file, for the Graphs tab of TensorBoard.

Sees the stored bytes of nodes and decodes little of them. TensorFlow ``core/util/event.proto``,
``core/lib/io/record_writer.h``::

    file   := record(Event with the version)  record(Event with the graph)
    record := size of the Event, u64   masked crc32c of these 8 bytes   Event   its masked crc32c
    Event  := file_version = 3, or graph_def = 4: a GraphDef

Nodes are written as stored, without attributes over 1 KiB, mostly constants: TensorBoard would send
all their bytes to the browser. The node lists their names instead, and TensorBoard shows each as
too large. The file holds no time and no host name: equal graphs give equal files.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.checksum import crc32c, mask
from tfckpt_reader.encoding.wire_format import (
    LENGTH_DELIMITED,
    encode_field,
    encode_key,
    fields,
)
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError, enough_memory, located
from tfckpt_reader.protobuf import parse
from tfckpt_reader.tensor.names import name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tfckpt_reader.graph.meta_graph import MetaGraph

NAME = "events.out.tfevents.0000000000.tfckpt"
"""TensorBoard looks for ``tfevents`` in names, and shows one graph per folder."""
_VERSION = b"brain.Event:2"
_LARGEST = 1024
"""Bytes of the largest attribute to write; TensorBoard's own limit."""
_TOO_LARGE = b"_too_large_attrs"
"""Attribute with the names of those left out, for TensorBoard."""
_SHAPES = b"_output_shapes"
"""Attribute with the shapes that TensorBoard shows at edges."""
# Fields of GraphDef, FunctionDefLibrary, FunctionDef, NodeDef, AttrValue and its list.
_NODE, _LIBRARY, _FUNCTION, _NODE_INSIDE, _ATTRIBUTE = 1, 2, 1, 3, 5
_KEY, _VALUE, _LIST, _STRING = 1, 2, 1, 2


@dataclass(frozen=True, slots=True)
class EventFile:
    """A written event file."""

    path: str
    nodes: int
    functions: int
    nbytes: int


def write_event_file(
    graph: MetaGraph, logdir: str | os.PathLike[str] | bytes, *, outputs: Iterable[str] = ()
) -> EventFile:
    """Write a graph and its functions for ``tensorboard --logdir``.

    An earlier event file of this function is replaced. A running TensorBoard does not notice;
    start it again.

    Args:
        graph: The graph.
        logdir: Folder of the file; created if missing.
        outputs: Tensors or operations: only the nodes they depend on are written. Default: all.

    Raises:
        TensorNotFoundError: the graph lacks one of `outputs`.
        CheckpointError: a node or function is damaged, or has a name that TensorBoard cannot show.
        OSError: the file cannot be written.
    """
    from tfckpt_reader.storage.writing.atomic import atomic_file

    folder = os.fsdecode(logdir)
    wanted = list(outputs)
    contents = bytearray()
    with enough_memory(graph.file), located(graph.file):
        numbers: Sequence[int] = graph.needed(wanted) if wanted else range(len(graph))
        for number in numbers:
            contents += encode_field(_NODE, _shown(graph.messages[number], f"node {number}"))
        for library in graph.libraries:
            contents += encode_field(_LIBRARY, _with_each(_FUNCTION, _shown_function, library))
        functions = sum(n == _FUNCTION for data in graph.libraries for n, _ in _fields(data))
    records = [
        *_record(encode_field(3, _VERSION)),
        *_record(encode_key(4, len(contents)), contents),
    ]
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder} is no folder; name one to write the event file into")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, NAME)
    with atomic_file(path) as file:
        file.writelines(records)
    return EventFile(path, len(numbers), functions, sum(map(len, records)))


def _record(*event: bytes | bytearray) -> Iterator[bytes | bytearray]:
    size = struct.pack("<Q", sum(map(len, event)))
    crc = 0
    for data in event:
        crc = crc32c(data, crc)
    yield from (size, struct.pack("<I", mask(crc32c(size))), *event, struct.pack("<I", mask(crc)))


def _with_each(changed: int, change: Callable[[memoryview], bytes], message: memoryview) -> bytes:
    """Return a message with a `change` to each of its fields `changed`."""
    return b"".join(
        encode_field(number, change(data) if number == changed else data)
        for number, data in _fields(message)
    )


def _shown_function(function: memoryview) -> bytes:
    return _with_each(_NODE_INSIDE, _shown, function)


def _shown(node: memoryview, structure: str = "node of a function") -> bytes:
    """Return a node as TensorBoard needs it.

    Raises:
        CorruptCheckpointError: the node is damaged.
        UnsupportedError: TensorBoard would show no graph with such a node.
    """
    try:
        small = bytes(node) if len(node) <= _LARGEST else _without_large_attributes(node)
        message = parse("Node", small)
    except CorruptCheckpointError as error:
        error.structure = structure
        raise
    keys = (attribute.key for attribute in message.attr)
    texts = b"\0".join([message.name, message.op, message.device, *message.input, *keys])
    try:
        texts.decode("utf-8")
        has_names = message.name and not message.name.startswith(b"/")
    except UnicodeDecodeError:
        has_names = False
    if not has_names:
        raise UnsupportedError(
            "TensorBoard shows no graph with such a node",
            structure=structure,
            expected="names in UTF-8 that do not begin with a slash",
            got=repr(name_text(message.name)),
            advice="--dot (to_dot) draws it; --subgraph (outputs=…) may leave it out",
        )
    return small


def _without_large_attributes(node: memoryview) -> bytes:
    """Replace large attributes of a node by a list of their names, without copying them."""
    small: list[bytes] = []
    names: list[bytes] = []
    for number, data in _fields(node):
        pair = dict(_fields(data)) if number == _ATTRIBUTE else {}
        name = bytes(pair.get(_KEY, b""))
        if len(pair.get(_VALUE, b"")) > _LARGEST and name != _SHAPES:
            names.append(name)
        else:
            small.append(encode_field(number, data))
    if names:
        strings = b"".join(encode_field(_STRING, name) for name in names)
        entry = encode_field(_KEY, _TOO_LARGE) + encode_field(_VALUE, encode_field(_LIST, strings))
        small.append(encode_field(_ATTRIBUTE, entry))
    return b"".join(small)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of the length-delimited fields of a message."""
    for number, kind, data in fields(message):
        if kind == LENGTH_DELIMITED and not isinstance(data, int):
            yield number, data
