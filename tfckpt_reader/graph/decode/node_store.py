"""The nodes of a graph as they are stored: read many at a time, or one.

Knows no graph. FORMAT 5.5; TensorFlow ``core/framework/node_def.proto``.

Kept is where each node lies, not what it says. Protobuf takes up a run of nodes in a tenth of the
time that it needs for one after the other. Large nodes are constants: what lists nodes leaves
their attributes where they are.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.coding import LENGTH_DELIMITED, encode_varint, split_fields
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError, enough_memory
from tfckpt_reader.protobuf import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NODES = 1 << 22
"""Nodes that are taken for a graph's: two bytes can claim to be one."""
_RUN = 1 << 20
"""Bytes of nodes read at a time; what a large node is."""
_MOST_PARTS = 1 << 20
"""Inputs and attributes of a node."""
_INPUT, _ATTR = 3, 5
_MESSAGES = {1: "GraphNodes", 3: "FunctionNodes"}


class StoredNodes:
    """Nodes, in the order of the file.

    Args:
        data: The GraphDef or FunctionDef that they are fields of.
        spans: Where each begins and ends in it, in turn.
        field: Number of that field.
        file: What errors call the file.
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

    def containing(self, part: bytes) -> StoredNodes:
        """Return the nodes whose bytes have got `part` in them, copied."""
        kept, spans = bytearray(), array("Q")
        key = encode_varint(self._field << 3 | LENGTH_DELIMITED)
        for number in range(len(self)):
            node = bytes(self[number])
            if part in node:
                kept += key + encode_varint(len(node))
                spans.append(len(kept))
                kept += node
                spans.append(len(kept))
        return StoredNodes(memoryview(kept), spans, self._field, self.file)

    def heads(self) -> Iterator[Any]:
        """Yield all nodes as Node messages; large ones without their attributes.

        Raises:
            CheckpointError: one is no node; says which.
        """
        numbers, first = range(len(self)), 0
        while first < len(numbers):
            end = self._spans[2 * first] + _RUN
            last = bisect_right(numbers, end, first + 1, key=self._end)
            with enough_memory(self.file):
                nodes = self._run(first, last)
            yield from nodes
            first = last

    def _run(self, first: int, last: int) -> Any:
        if last > first + 1:
            begin = self._end(first - 1) if first else 0
            try:
                return parse(_MESSAGES[self._field], self._data[begin : self._end(last - 1)]).node
            except CorruptCheckpointError:
                pass  # one by one tells which it is
        return [self.head(number) for number in range(first, last)]

    def head(self, number: int) -> Any:
        """Return one node, as `heads` does."""
        data = self[number]
        try:
            if len(data) > _RUN:
                split_fields(data, (_INPUT, _ATTR), _MOST_PARTS)
                _, rest = split_fields(data, (_ATTR,), _MOST_PARTS)
                return parse("Node", rest)
            return parse("Node", data)
        except CheckpointError as error:
            error.file, error.structure, error.offset = self.file, f"node {number}", None
            raise

    def attributes(self, number: int) -> Any:
        """Return the entries with a node's attributes.

        Raises:
            CheckpointError: they cannot be told apart; says of which node.
        """
        try:
            with enough_memory(self.file):
                return parse("Node", self[number]).attr
        except CheckpointError as error:
            error.file, error.structure = self.file, f"node {number}"
            raise
