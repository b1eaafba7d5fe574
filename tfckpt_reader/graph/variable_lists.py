"""What a MetaGraphDef says of variables: in collections, in save ops, among objects.

Rank 6: knows no file format; `MetaGraph` has the parts that are asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import located
from tfckpt_reader.graph.collection import Saver, VariableDef
from tfckpt_reader.graph.saves import SavedTensor, all_saved
from tfckpt_reader.graph.variables import (
    Variable,
    VariableFinder,
    object_variables,
    stored_keys,
)

if TYPE_CHECKING:
    from tfckpt_reader.graph.functions import Functions
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.objects import ObjectGraph
    from tfckpt_reader.graph.variables import Values


class VariableLists:
    """The lists of variables of a MetaGraph, and the keys they are saved under."""

    if TYPE_CHECKING:
        file: str
        _values: Values | None
        _stored_objects: ObjectGraph | None

        @property
        def saver(self) -> Saver | None: ...  # noqa: D102
        @property
        def collections(self) -> Mapping[str, list[Any]]: ...  # noqa: D102
        @property
        def graph(self) -> Graph: ...  # noqa: D102
        @property
        def functions(self) -> Functions: ...  # noqa: D102
        @property
        def object_graph(self) -> ObjectGraph | None: ...  # noqa: D102

    @cached_property
    def saved_tensors(self) -> tuple[SavedTensor, ...]:
        """What the save ops write: key, slice and tensor; those of the file's own Saver first."""
        with located(self.file):
            saver = self.saver
            return tuple(
                all_saved(self.graph, self.functions, saver.save_tensor_name if saver else "")
            )

    @cached_property
    def expected_keys(self) -> frozenset[str] | None:
        """Keys that a checkpoint of this graph has; None where the file does not tell.

        By the save ops of the file's own Saver; else by the variables of a SavedModel's objects.
        """
        saved = self.saved_tensors
        if saved:
            own = [tensor for tensor in saved if tensor.own_saver] or saved
            return frozenset([tensor.key for tensor in own])
        keys = [variable.checkpoint_key for variable in self.global_variables]
        return frozenset([key for key in keys if key is not None]) if keys else None

    def variables_of(self, collection: str) -> tuple[Variable, ...]:
        """Return the variables of a collection; see `global_variables`."""
        with located(self.file):
            return tuple(self._finder.listed(self.collections.get(collection, [])))

    @cached_property
    def _finder(self) -> VariableFinder:
        trainable = self.collections.get("trainable_variables", [])
        names = [v.name if isinstance(v, VariableDef) else str(v) for v in trainable]
        return VariableFinder(self.graph, self.saved_tensors, frozenset(names), self._values)

    @cached_property
    def global_variables(self) -> tuple[Variable, ...]:
        """Variables as ``tf.global_variables()`` lists them, partitioned ones joined.

        Of a SavedModel of TensorFlow 2, which has no collections: those of its objects.
        """
        return self.variables_of("variables") or self._object_variables

    @cached_property
    def trainable_variables(self) -> tuple[Variable, ...]:
        """Variables as ``tf.trainable_variables()`` lists them."""
        own = self.variables_of("trainable_variables")
        return own or tuple([v for v in self._object_variables if v.trainable])

    @cached_property
    def local_variables(self) -> tuple[Variable, ...]:
        """Variables as ``tf.local_variables()`` lists them."""
        return self.variables_of("local_variables")

    @cached_property
    def model_variables(self) -> tuple[Variable, ...]:
        """Variables as ``tf.model_variables()`` lists them."""
        return self.variables_of("model_variables")

    @cached_property
    def moving_average_variables(self) -> tuple[Variable, ...]:
        """Variables as ``tf.moving_average_variables()`` lists them."""
        return self.variables_of("moving_average_variables")

    @cached_property
    def _object_variables(self) -> tuple[Variable, ...]:
        objects = self.object_graph
        if objects is None:
            return ()
        with located(self.file):
            keys = dict(objects.variable_keys)
            if self._stored_objects is not None:
                keys = stored_keys(objects, self._stored_objects)
            return tuple(object_variables(objects, keys, self._values))
