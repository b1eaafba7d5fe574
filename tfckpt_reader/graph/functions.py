"""The function library of a graph, and the definitions of the ops that its nodes run.

Rank 8: knows no variable and no file. FORMAT 5.7; TensorFlow ``core/framework/function.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from tfckpt_reader._protos import parse
from tfckpt_reader.errors import CheckpointError, count_of
from tfckpt_reader.graph.attributes import Attrs, Place, map_entries
from tfckpt_reader.graph.graph import Function
from tfckpt_reader.graph.nodes import Operations
from tfckpt_reader.graph.op_defs import OpDef, parse_op_def, well_known
from tfckpt_reader.spec import name_of


class Functions(Mapping[str, Function]):
    """Name -> function, in the library's order; of several of one name the first counts.

    Args:
        stored: Serialized FunctionDefs.
        ops: Serialized OpDefs.
        place: Where they stand.
        producer: Version of the graph they belong to.
    """

    def __init__(
        self, stored: Sequence[bytes], ops: Sequence[bytes], place: Place, producer: int
    ) -> None:
        self._stored = stored
        self._ops = ops
        self._place = place
        self._producer = producer
        self._made: dict[str, Function] = {}

    @cached_property
    def _positions(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for position, raw in enumerate(self._stored):
            found.setdefault(self._signature(position, raw).name, position)
        return found

    @cached_property
    def op_defs(self) -> dict[str, OpDef]:
        """Op -> its definition, of those that the file defines."""
        found = [parse_op_def(raw, self._place) for raw in self._ops]
        return {definition.name: definition for definition in found}

    def definition(self, op: str) -> OpDef | None:
        """Return the definition of an op, or the signature of the function that it calls."""
        known = self.op_defs.get(op)
        if known is None and op in self._positions:
            position = self._positions[op]
            known = self._signature(position, self._stored[position])
        return known or well_known(op)

    def _signature(self, position: int, raw: bytes) -> OpDef:
        place = Place(self._place.file, f"function number {position}")
        try:
            return parse_op_def(parse("FunctionDef", raw).signature, place)
        except CheckpointError as error:
            raise place.located(error) from error

    def __getitem__(self, name: str) -> Function:
        if name not in self._made:
            self._made[name] = self._decode(self._positions[name])
        return self._made[name]

    def _decode(self, position: int) -> Function:
        found = parse("FunctionDef", self._stored[position])
        place = Place(self._place.file, f"function number {position}")
        signature = parse_op_def(found.signature, place)
        place = Place(self._place.file, f"function {signature.name!r}")
        nodes = Operations(found.node_def, place, in_function=True)
        function = Function(nodes, self.definition, place, self._producer)
        function.name = signature.name
        function.arguments, function.results = signature.inputs, signature.outputs
        function.returns = {key: name_of(v) for key, v in map_entries(found.ret, place)}
        function.attrs = Attrs(list(found.attr), place)
        return function

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def stored_names(self) -> list[str]:
        """Names as they are stored, those that are there twice included."""
        return [self._signature(i, raw).name for i, raw in enumerate(self._stored)]

    def __repr__(self) -> str:
        return f"<Functions, {count_of(len(self._stored), 'function')}>"
