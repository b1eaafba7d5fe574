"""Variables as TensorFlow would list them, each with its key in the checkpoint.

Rank 5: knows no file. FORMAT 5.3 to 5.5, 6.6.

In TensorFlow 1 a collection lists them and the save ops tell their keys; where no save op names a
variable, the Saver's default rule does. Pieces of a partitioned variable become one. A SavedModel
of TensorFlow 2 has no collections: its graph of objects is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfckpt_reader._protos.values import data_type
from tfckpt_reader.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.errors import CorruptCheckpointError, TensorNotFoundError, UnsupportedError
from tfckpt_reader.graph.collection import VariableDef
from tfckpt_reader.graph.names import producer_of
from tfckpt_reader.graph.saves import VARIABLE_OPS, SavedTensor, variable_behind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tfckpt_reader.graph.attributes import Shape
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.objects import ObjectGraph

    Values = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class VariablePiece:
    """A piece of a partitioned variable: in the graph a variable of its own."""

    name: str
    """``scope/part/part_0:0``."""
    offset: tuple[int, ...]
    """Index of its first element in the whole, per axis."""
    shape: tuple[int, ...]
    """Elements per axis."""
    device: str
    checkpoint_key: str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable."""

    name: str
    """As TensorFlow prints it: ``scope/w:0``; a partitioned one has no ``:0``."""
    dtype: DataType | None
    """None where nothing in the file tells."""
    shape: Shape
    """Sizes per axis, None for an unknown one; None where nothing in the file tells."""
    initializer: str
    """Operation that sets it; "" for a partitioned one, and in TensorFlow 2."""
    initial_value: str
    """Tensor that it is set to; "" where there is none."""
    device: str
    trainable: bool
    """Whether the collection ``trainable_variables`` has it; TensorFlow 2 stores it as such."""
    is_resource: bool
    checkpoint_key: str | None
    """Name of its value in the checkpoint; None if it is not saved."""
    pieces: tuple[VariablePiece, ...] = ()
    """Of a partitioned variable, in the order of the collection."""
    node: int | None = None
    """In TensorFlow 2: its number in the graph of objects."""
    _values: Values | None = field(default=None, compare=False, repr=False)

    @property
    def op_name(self) -> str:
        """The name without ``:0``."""
        return self.name.removesuffix(":0")

    @property
    def is_saved(self) -> bool:
        """Whether a checkpoint has it, as a whole or in pieces."""
        return self.checkpoint_key is not None or any(p.checkpoint_key for p in self.pieces)

    def value(self) -> NDArray[Any]:
        """Return its value as `Checkpoint` returns it: read-only, a view where possible.

        Raises:
            ValueError: the graph was read without a checkpoint, or that has been closed.
            TensorNotFoundError: the checkpoint does not have it, or nothing saves it.
            UnsupportedError: it is saved in pieces, each under a key of its own.
            CheckpointError: as for ``ckpt[name]``.
        """
        if self._values is None:
            raise ValueError(
                f"variable {self.name!r} has no checkpoint: "
                "ask the meta_graph of one that is opened by tfckpt_reader.open"
            )
        if self.checkpoint_key is None and self.is_saved:
            keys = ", ".join(str(piece.checkpoint_key) for piece in self.pieces[:3])
            raise UnsupportedError(
                f"variable {self.name!r} is saved in pieces, each under a key of its own",
                advice=f"Read them one by one: {keys}",
            )
        if self.checkpoint_key is None:
            raise TensorNotFoundError(f"variable {self.name!r} is not saved in any checkpoint")
        return self._values[self.checkpoint_key]


class VariableFinder:
    """Makes variables out of what a graph's collections say.

    Args:
        graph: The graph.
        saved: What its save ops write, those of the MetaGraphDef's own Saver first.
        trainable: Names in the collection ``trainable_variables``.
        values: Checkpoint that has the values.
    """

    def __init__(
        self,
        graph: Graph,
        saved: Iterable[SavedTensor],
        trainable: frozenset[str],
        values: Values | None,
    ) -> None:
        self._graph = graph
        self._trainable = trainable
        self._values = values
        self._keys: dict[str, str] = {}
        self._any_saved = False
        for tensor in saved:
            self._any_saved = True
            variable = variable_behind(graph, tensor.tensor)
            if variable is not None:
                self._keys.setdefault(variable, tensor.key)

    def listed(self, collection: Sequence[Any]) -> Iterator[Variable]:
        """Yield the variables of a collection; a partitioned one where its first piece stands."""
        pieces: dict[str, list[VariableDef]] = {}
        for item in collection:
            if isinstance(item, VariableDef) and item.slice_info is not None:
                pieces.setdefault(item.slice_info.full_name, []).append(item)
        done = set()
        for item in collection:
            stored = _named(item) if isinstance(item, str) else item
            if not isinstance(stored, VariableDef):
                continue
            if stored.slice_info is None:
                yield self._whole(stored)
            elif stored.slice_info.full_name not in done:
                done.add(stored.slice_info.full_name)
                yield self._joined(pieces[stored.slice_info.full_name])

    def _whole(self, stored: VariableDef) -> Variable:
        dtype, shape, device, is_resource = self._described(stored)
        return Variable(
            stored.name,
            dtype,
            shape,
            stored.initializer,
            stored.initial_value,
            device,
            stored.name in self._trainable,
            is_resource,
            self._key(stored),
            _values=self._values,
        )

    def _joined(self, stored: Sequence[VariableDef]) -> Variable:
        first = stored[0]
        info = first.slice_info
        if info is None:  # never: only pieces come here
            return self._whole(first)
        dtype, _, device, is_resource = self._described(first)
        pieces = []
        for piece in stored:
            part = piece.slice_info or info
            _, _, place, _ = self._described(piece)
            pieces.append(
                VariablePiece(piece.name, part.offset, part.shape, place, self._key(piece))
            )
        keys = {piece.checkpoint_key for piece in pieces}
        return Variable(
            info.full_name,
            dtype,
            info.full_shape,
            "",
            "",
            device,
            first.name in self._trainable,
            is_resource,
            keys.pop() if len(keys) == 1 else None,
            tuple(pieces),
            _values=self._values,
        )

    def _key(self, stored: VariableDef) -> str | None:
        """Return the key a save op saves it under, or that a Saver would by default."""
        found = self._keys.get(producer_of(stored.name))
        if found is not None or self._any_saved:
            return found
        return stored.slice_info.full_name if stored.slice_info else stored.name.removesuffix(":0")

    def _described(self, stored: VariableDef) -> tuple[DataType | None, Shape, str, bool]:
        """Return dtype, shape, device and kind, by the variable's own node."""
        operations = self._graph.operations
        position = operations.position(producer_of(stored.name))
        if position is None or operations.types[position] not in VARIABLE_OPS:
            return None, None, "", stored.is_resource
        node = operations[position]
        dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
        if isinstance(dtype, DataType) and dtype > REFERENCE_OFFSET:
            dtype = data_type(dtype - REFERENCE_OFFSET)
        return (
            dtype if isinstance(dtype, DataType) else None,
            shape if isinstance(shape, tuple) else None,
            node.device,
            node.type == "VarHandleOp",
        )


def _named(name: str) -> VariableDef:
    """Return what very old files say of a variable: its name."""
    full = name if ":" in name else f"{name}:0"
    return VariableDef(full, "", "", "", is_resource=False, trainable=False, slice_info=None)


def object_variables(
    objects: ObjectGraph, keys: Mapping[int, str], values: Values | None
) -> Iterator[Variable]:
    """Yield the variables among a SavedModel's objects.

    Args:
        objects: Its graph of objects.
        keys: Node -> checkpoint key.
        values: Checkpoint that has the values.
    """
    for node in objects.nodes:
        stored = node.variable
        if stored is not None:
            yield Variable(
                f"{stored.name or '/'.join(objects.path(node.id) or ())}:0",
                stored.dtype,
                stored.shape,
                "",
                "",
                stored.device,
                stored.trainable,
                is_resource=True,
                checkpoint_key=keys.get(node.id),
                node=node.id,
                _values=values,
            )


def stored_keys(objects: ObjectGraph, checkpoint: ObjectGraph) -> dict[int, str]:
    """Return node -> key, as the checkpoint's own graph of objects has it."""
    found = {}
    for node, its in objects.matched(checkpoint).items():
        if objects.nodes[node].variable is None:
            continue
        for attribute in checkpoint.nodes[its].attributes:
            found[node] = attribute.checkpoint_key
    return found


def require_pieces_fit(variable: Variable) -> None:
    """Refuse a partitioned variable whose pieces do not lie within it.

    Raises:
        CorruptCheckpointError: says which piece.
    """
    whole = variable.shape or ()
    for piece in variable.pieces:
        axes = list(zip(piece.offset, piece.shape, whole, strict=False))
        fits = len(piece.offset) == len(piece.shape) == len(whole) and all(
            size is not None and start >= 0 and length >= 0 and start + length <= size
            for start, length, size in axes
        )
        if not fits:
            raise CorruptCheckpointError(
                f"piece {piece.name!r} does not lie within its variable",
                structure=f"variable {variable.name!r}",
                expected=f"a place within {list(whole)}",
                got=f"{list(piece.offset)} and {list(piece.shape)}",
            )
