"""The nodes of a graph as stored bytes: parse one, or many at a time.

Knows no graph. FORMAT 5.5; TensorFlow ``core/framework/node_def.proto``.

Only the position of each node is in memory. Protobuf parses a window of nodes ten times as fast as
one node after the other. Large nodes are constants: listing leaves their attributes unparsed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import encode_key, split_fields
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, enough_memory
from tfckpt_reader.protobuf import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_NODES = 1 << 22
"""Limit on the nodes of a graph: two bytes can claim to be one."""
_WINDOW = 1 << 20
"""Bytes of nodes parsed at once; a larger node is a large one."""
_MOST_FIELDS = 1 << 20
"""Limit on the inputs and attributes of a node."""
_INPUT, _ATTR = 3, 5
_ONE_BYTE, _TWO_BYTES = 1 << 7, 1 << 14
"""Sizes from which on a varint needs another byte."""
_MESSAGES = {1: "GraphNodes", 3: "FunctionNodes"}


class StoredNodes:
    """Nodes, in the order of the file.

    Args:
        data: The GraphDef or FunctionDef with the nodes as fields.
        spans: Begin and end of each node in it, in turn.
        field: Number of that field.
        file: Name of the file, for errors.
    """

    __slots__ = ("_data", "_field", "_spans", "file")

    def __init__(self, data: memoryview, spans: array[int], field: int, file: str) -> None:
        self.file = file
        self._data = data
        self._spans = spans
        self._field = field

    def __len__(self) -> int:
        return len(self._spans) // 2

    def _end(self, number: int) -> int:
        return self._spans[2 * number + 1]

    def __getitem__(self, number: int) -> memoryview:
        return self._data[self._spans[2 * number] : self._end(number)]

    def fields(self, numbers: Iterable[int]) -> Iterator[memoryview | bytes]:
        """Yield the bytes of some nodes as fields of their message, adjacent ones together."""
        spans, data = self._spans, self._data
        begin = end = 0
        for number in numbers:
            first, last = spans[2 * number], spans[2 * number + 1]
            size = last - first
            head = 2 if size < _ONE_BYTE else 3 if size < _TWO_BYTES else 0
            if not head or first - head != end:
                yield data[begin:end]
                yield encode_key(self._field, size)
                begin = first
            end = last
        yield data[begin:end]

    def containing(self, *texts: bytes) -> StoredNodes:
        """Return copies of the nodes whose bytes contain one of `texts`."""
        data, spans = bytearray(), array("Q")
        for number in range(len(self)):
            node = bytes(self[number])
            if any(text in node for text in texts):
                data += encode_key(self._field, len(node))
                spans.append(len(data))
                data += node
                spans.append(len(data))
        return StoredNodes(memoryview(data), spans, self._field, self.file)

    def headers(self) -> Iterator[Any]:
        """Yield all nodes as Node messages, large ones without their attributes.

        Raises:
            CheckpointError: a node cannot be parsed; names it.
        """
        numbers, first = range(len(self)), 0
        while first < len(numbers):
            end = self._spans[2 * first] + _WINDOW
            last = bisect_right(numbers, end, first + 1, key=self._end)
            with enough_memory(self.file):
                nodes = self._window(first, last)
            yield from nodes
            first = last

    def _window(self, first: int, last: int) -> Any:
        if last > first + 1:
            begin = self._end(first - 1) if first else 0
            try:
                return parse(_MESSAGES[self._field], self._data[begin : self._end(last - 1)]).node
            except CorruptCheckpointError:
                pass  # parsing them one by one names the damaged node
        return [self.header(number) for number in range(first, last)]

    def header(self, number: int, *, whole: bool = False) -> Any:
        """Return one node, as `headers` does, or with all its attributes."""
        data: memoryview | bytes = self[number]
        try:
            with enough_memory(self.file):
                if not whole and len(data) > _WINDOW:
                    split_fields(self[number], (_INPUT, _ATTR), _MOST_FIELDS)
                    _, data = split_fields(self[number], (_ATTR,), _MOST_FIELDS)
                return parse("Node", data)
        except CheckpointError as error:
            error.file, error.structure, error.offset = self.file, f"node {number}", None
            raise
