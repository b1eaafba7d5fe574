"""Everything that names of a checkpoint mean, made at the first access: graph, names, roles.

Knows no file: it is handed what reads one. A damaged object graph or graph file hides no tensor:
names and roles then come from the keys alone, and a note says so.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.objects.names import KEY, Names, Renamed
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.objects.roles import classify
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tfckpt_reader.objects.object_graph import ObjectGraph
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.spec import TensorSpec

_T = TypeVar("_T")


class Meaning:
    """The object graph, the names and the roles of the tensors of a checkpoint.

    Args:
        specs: Its tensors.
        read: Returns the bytes of a scalar string.
        collections: Returns the collections of variables of the graph beside the checkpoint: name
            -> keys.
        file: Path of its index, for errors.
    """

    def __init__(
        self,
        specs: Mapping[str, TensorSpec],
        read: Callable[[TensorSpec], bytes | memoryview],
        collections: Callable[[], Mapping[str, Collection[str]]],
        file: str,
    ) -> None:
        self._specs = specs
        self._read = read
        self._collections = collections
        self._file = file
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Parts that could not be read, a line each."""
        names = self.__dict__.get("names")
        return (*self._notes, *(names.notes if names else ()))

    @cached_property
    def object_graph(self) -> ObjectGraph | None:
        """The object graph; None if the checkpoint has none.

        Raises:
            CheckpointError: it is damaged.
        """
        if OBJECT_GRAPH not in self._specs:
            return None
        spec = self._specs[OBJECT_GRAPH]
        if spec.dtype is not DataType.STRING or spec.shape:
            return None
        from tfckpt_reader.objects.object_graph import ObjectGraph

        return ObjectGraph(self._read(spec), self._file)

    @cached_property
    def names(self) -> Names:
        """The three names of each tensor."""
        try:
            graph = self.object_graph
            if graph is not None:
                self._notes += graph.problems
        except CheckpointError as error:
            if error.kind is ErrorKind.UNREACHABLE:
                raise
            self._notes.append(f"names come from the keys alone: {error}")
            graph = None
        return Names(self._specs, graph)

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """Name -> role."""
        collections: Mapping[str, Collection[str]] = {}
        try:
            collections = self._collections()
        except CheckpointError as error:
            if error.kind is ErrorKind.UNREACHABLE:
                raise
            self._notes.append(f"roles do not come from the graph file: {error}")
        return classify(self._specs, self.names, collections)

    def renamed(self, values: Mapping[str, _T], kind: str) -> Renamed[_T]:
        """Return a mapping from keys under the names of one kind.

        Raises:
            ValueError: there is no such kind.
        """
        if kind == KEY:  # needs no object graph
            return Renamed(values, self._specs, {key: key for key in self._specs}, {})
        return Renamed(values, self._specs, *self.names.view(kind))
