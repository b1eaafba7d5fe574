"""The nodes of a graph: operations by position and by name, decoded when asked for.

Rank 6: knows nothing of what leads where. FORMAT 5.5; TensorFlow ``core/framework/node_def.proto``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from tfckpt_reader._protos import message_class, parse
from tfckpt_reader.errors import CheckpointError, TensorNotFoundError, nearest
from tfckpt_reader.graph.attributes import NOWHERE, Attrs, Place
from tfckpt_reader.graph.names import full_input
from tfckpt_reader.spec import name_of


@dataclass(frozen=True, slots=True)
class Operation:
    """One node of a graph."""

    name: str
    type: str
    """The op it runs: ``Conv2D``; or the function of the library that it calls."""
    inputs: tuple[str, ...]
    """Names of the tensors that go in: ``conv1/kernel:0``."""
    control_inputs: tuple[str, ...]
    """Names of the operations that must have run before."""
    device: str
    attrs: Attrs = field(compare=False, repr=False)
    """Its attributes, decoded when asked for."""


class Operations(Sequence[Operation]):
    """The operations of a graph, in its order; ``names`` has their names without decoding them.

    Args:
        nodes: Serialized NodeDefs.
        place: Where they stand.
        in_function: Whether they are the body of a function, which names inputs in its own way.
    """

    def __init__(
        self,
        nodes: Sequence[bytes],
        place: Place = NOWHERE,
        *,
        in_function: bool = False,
    ) -> None:
        self._nodes = nodes
        self._place = place
        self._in_function = in_function
        self._index: tuple[tuple[str, ...], tuple[str, ...], dict[str, int]] | None = None

    @property
    def raw(self) -> Sequence[bytes]:
        """The serialized NodeDefs."""
        return self._nodes

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each operation, in order."""
        return self._indexed()[0]

    @property
    def types(self) -> tuple[str, ...]:
        """Type of each operation, in order."""
        return self._indexed()[1]

    @property
    def counts(self) -> dict[str, int]:
        """Type -> how many there are, the most frequent first."""
        return dict(Counter(self.types).most_common())

    def position(self, name: str) -> int | None:
        """Return where the operation of a name is; the first, if several have the name."""
        return self._indexed()[2].get(name)

    def named(self, name: str) -> Operation:
        """Return the operation of a name.

        Raises:
            TensorNotFoundError: there is none; names the nearest.
        """
        position = self.position(name)
        if position is None:
            alike = nearest(name, list(dict.fromkeys(self.names)))
            advice = f"Nearest: {', '.join(alike)}" if alike else None
            where = f" in {self._place.what}" if self._place.what else ""
            raise TensorNotFoundError(
                f"there is no operation {name!r}{where}", file=self._place.file, advice=advice
            )
        return self._at(position)

    def inputs(self) -> Iterator[tuple[list[str], list[str]]]:
        """Yield (tensors, control inputs) of each operation in order, with nothing else decoded."""
        parsed = message_class("NodeDef").FromString
        self._indexed()  # says which node is damaged, if one is
        in_function = self._in_function
        for raw in self._nodes:
            tensors, controls = [], []
            for value in parsed(raw).input:
                name = name_of(value)
                if name.startswith("^"):
                    controls.append(name[1:])
                else:
                    tensors.append(full_input(name, in_function=in_function))
            yield tensors, controls

    def _indexed(self) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, int]]:
        if self._index is None:
            names, types = [], []
            known: dict[bytes, str] = {}
            node_class = message_class("NodeDef")
            for position, raw in enumerate(self._nodes):
                try:
                    node = node_class.FromString(raw)
                except Exception:  # noqa: BLE001 - whatever protobuf raises, _parse says it as ours
                    node = self._parse(position, raw)
                names.append(name_of(node.name))
                op = node.op
                types.append(known[op] if op in known else known.setdefault(op, name_of(op)))
            index = dict(zip(reversed(names), range(len(names) - 1, -1, -1), strict=True))
            self._index = (tuple(names), tuple(types), index)
        return self._index

    def _parse(self, position: int, raw: bytes) -> Any:
        try:
            return parse("NodeDef", raw)
        except CheckpointError as error:
            raise self._place.located(error, f"node number {position}") from error

    def _at(self, position: int) -> Operation:
        node = self._parse(position, self._nodes[position])
        name = name_of(node.name)
        inputs = [name_of(value) for value in node.input]
        within = f"{self._place.what}: " if self._place.what else ""
        return Operation(
            name,
            name_of(node.op),
            tuple(
                [
                    full_input(value, in_function=self._in_function)
                    for value in inputs
                    if not value.startswith("^")
                ]
            ),
            tuple([value[1:] for value in inputs if value.startswith("^")]),
            name_of(node.device),
            Attrs(list(node.attr), Place(self._place.file, f"{within}node {name!r}")),
        )

    @overload
    def __getitem__(self, index: int) -> Operation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Operation]: ...
    def __getitem__(self, index: int | slice) -> Operation | list[Operation]:
        """Return an operation, or some, by position."""
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        return self._at(range(len(self))[index])

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Operation]:
        return map(self._at, range(len(self)))

    def __contains__(self, item: object) -> bool:
        """Tell whether there is an operation of this name, or this very operation."""
        name = item.name if isinstance(item, Operation) else item
        return isinstance(name, str) and self.position(name) is not None

    def __repr__(self) -> str:
        return f"<Operations, {len(self):,} of them>"
