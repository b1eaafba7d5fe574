"""Graphs as files: a MetaGraphDef again, or a GraphDef with some of the nodes.

Knows stored bytes, and no values. FORMAT 5; TensorFlow ``core/protobuf/meta_graph.proto``,
``core/framework/graph.proto``.

What was read from a binary file is written as it was stored.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tfckpt_reader.encoding.wire_format import encode_key
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.storage.atomic import atomic_file
from tfckpt_reader.storage.writing import write_at
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.graph.decode.files import StoredMetaGraph
    from tfckpt_reader.graph.graph import Graph

LARGEST = (1 << 31) - 1
"""Bytes of the largest protobuf message."""
_NODE, _LIBRARY = 1, 2
_SMALL = 1 << 16
"""Bytes below which a part is written together with others."""


def write_meta_graph(stored: StoredMetaGraph, path: str) -> None:
    """Write a MetaGraphDef: a ``.meta`` file.

    Raises:
        OSError: the file cannot be written.
    """
    occurrences = (stored.info, stored.graph, stored.saver, stored.collections)
    more = (stored.signatures, stored.assets, stored.objects)
    _write(path, ((n, data) for n, each in enumerate((*occurrences, *more), 1) for data in each))


def write_graph_def(
    graph: Graph, libraries: Iterable[memoryview], versions: bytes, path: str, outputs: list[str]
) -> int:
    """Write a GraphDef with all functions; return its number of nodes.

    Args:
        graph: The graph.
        libraries: Its libraries of functions.
        versions: The other fields of its GraphDef.
        path: The file.
        outputs: Tensors or operations: only the nodes they depend on are written; none for all.

    Raises:
        TensorNotFoundError: the graph lacks one of `outputs`.
        OSError: the file cannot be written.
    """
    numbers = graph.needed(outputs) if outputs else range(len(graph))
    nodes = ((_NODE, graph.messages[number]) for number in numbers)
    functions = ((_LIBRARY, library) for library in libraries)
    _write(path, (field for each in (nodes, functions) for field in each), versions)
    return len(numbers)


def _write(path: str, fields: Iterable[tuple[int, memoryview]], more: bytes = b"") -> None:
    parts = (part for n, data in fields for part in (encode_key(n, len(data)), data))
    with atomic_file(path) as file:
        write_parts(file.fileno(), chain(parts, [more]))


def write_parts(fd: int, parts: Iterable[bytes | memoryview], advice: str | None = None) -> None:
    """Write a message to an empty file, small parts together.

    Raises:
        UnsupportedError: it has 2 GiB or more; with `advice`.
        OSError: it cannot be written.
    """
    offset, small = 0, bytearray()
    for part in chain(parts, [b""]):
        is_small = 0 < len(part) < _SMALL
        if is_small:
            small += part
        if len(small) >= _SMALL or not is_small:
            for data in (bytes(small), b"" if is_small else part):
                write_at(fd, data, offset)
                offset += len(data)
            small.clear()
        require_size(offset, advice)


def require_size(nbytes: int, advice: str | None = None) -> None:
    """Refuse a message that protobuf could not read.

    Raises:
        UnsupportedError: it has 2 GiB or more.
    """
    if nbytes > LARGEST:
        raise UnsupportedError(
            "a protobuf message, and so a file with a graph, holds less than 2 GiB",
            got=count_of(nbytes, "byte"),
            advice=advice,
        )
