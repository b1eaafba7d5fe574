"""Graphs as files: a MetaGraphDef again, or a GraphDef with some of the nodes.

Knows stored bytes, and no values. FORMAT 5; TensorFlow ``core/protobuf/meta_graph.proto``,
``core/framework/graph.proto``.

What was read from a binary file is written as it was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from tfckpt_reader.encoding.wire_format import encode_key
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.storage.writing.atomic import atomic_file
from tfckpt_reader.storage.writing.offsets import write_at
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfckpt_reader.graph.decode.files import StoredMetaGraph
    from tfckpt_reader.graph.graph import Graph

LARGEST = (1 << 31) - 1
"""Bytes of the largest protobuf message."""
_LIBRARY = 2
_SMALL = 1 << 16
"""Bytes below which a part is written together with others."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of a file that is written later."""

    nbytes: int
    key: Any
    """Identifies it for its writer."""

    def __len__(self) -> int:
        return self.nbytes


Part: TypeAlias = "bytes | memoryview | Gap"


def write_meta_graph(stored: StoredMetaGraph, path: str) -> None:
    """Write a MetaGraphDef: a ``.meta`` file.

    Raises:
        OSError: the file cannot be written.
    """
    occurrences = (stored.info, stored.graph, stored.saver, stored.collections)
    more = (stored.signatures, stored.assets, stored.objects)
    numbered = enumerate((*occurrences, *more), 1)
    _write(path, _fields((number, data) for number, each in numbered for data in each))


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
    functions = _fields((_LIBRARY, library) for library in libraries)
    _write(path, chain(graph.messages.fields(numbers), functions, [versions]))
    return len(numbers)


def _fields(values: Iterable[tuple[int, memoryview]]) -> Iterator[bytes | memoryview]:
    for number, data in values:
        yield encode_key(number, len(data))
        yield data


def _write(path: str, parts: Iterable[Part]) -> None:
    with atomic_file(path) as file:
        write_parts(file.fileno(), parts)


def write_parts(fd: int, parts: Iterable[Part], advice: str | None = None) -> dict[int, Gap]:
    """Write a message to an empty file, small parts together; return offset -> gap.

    Raises:
        UnsupportedError: it has 2 GiB or more; with `advice`.
        OSError: it cannot be written.
    """
    offset, small = 0, bytearray()
    gaps: dict[int, Gap] = {}
    for part in chain(parts, [b""]):
        if not isinstance(part, Gap) and 0 < len(part) < _SMALL:
            small += part
            if len(small) < _SMALL:
                continue
            part = b""  # noqa: PLW2901 - it is in `small`
        for each in (bytes(small), part):
            if isinstance(each, Gap):
                gaps[offset] = each
            else:
                write_at(fd, each, offset)
            offset += len(each)
            require_size(offset, advice)
        small.clear()
    return gaps


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
