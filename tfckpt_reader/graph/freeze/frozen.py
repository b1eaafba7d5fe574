"""A frozen graph: from a model's graph and its weights to a GraphDef of its own.

Knows no checkpoint: values are a mapping. FORMAT 5.5; TensorFlow ``core/framework/graph.proto``,
``python/tools/freeze_graph.py``.

Constants are read and written one after the other: the largest tensor bounds the memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tfckpt_reader.encoding.wire_format import encode_field, encode_key
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.graph.decode.operation import split_name, tensor_name
from tfckpt_reader.graph.freeze.inputs import inputs_of
from tfckpt_reader.graph.freeze.library import Library
from tfckpt_reader.graph.freeze.node import Node
from tfckpt_reader.graph.freeze.op_outputs import dtype_of
from tfckpt_reader.graph.freeze.part import draft_part
from tfckpt_reader.graph.freeze.prune import check_loops, origin, unique
from tfckpt_reader.graph.freeze.refused import refuse_ops
from tfckpt_reader.graph.freeze.variables import Weights, freeze_variables
from tfckpt_reader.graph.freeze.weights import averages_of, fill
from tfckpt_reader.graph.infer.endpoints import Endpoint
from tfckpt_reader.graph.writing import Gap, require_size, write_parts
from tfckpt_reader.storage.writing.atomic import atomic_file
from tfckpt_reader.storage.writing.offsets import Room
from tfckpt_reader.text import count_of, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from tfckpt_reader.graph.decode.node_store import StoredNodes
    from tfckpt_reader.graph.freeze.part import Model
    from tfckpt_reader.graph.freeze.request import Options, Request
    from tfckpt_reader.graph.freeze.weights import Values, Weight
    from tfckpt_reader.graph.saved_keys import Saved
    from tfckpt_reader.graph.writing import Part

_SMALLER = "--cast float16 (cast=) halves the weights, --output (outputs=) chooses a part"
_NODE, _LIBRARY = 1, 2


@dataclass(frozen=True)
class FrozenGraph:
    """A graph with its weights as constants. Made by `MetaGraph.freeze`.

    The weights are read from the values when it is written: a checkpoint must still be open.
    """

    inputs: tuple[Endpoint, ...]
    """The placeholders that need a value."""
    outputs: tuple[Endpoint, ...]
    changes: tuple[str, ...]
    """The differences from the model's own graph, a line each."""
    cuts: Mapping[str, str]
    """Input -> the tensor of the model's own graph in place of which it is."""
    weights: tuple[Weight, ...] = field(repr=False)
    """The constants that were variables."""
    nodes: Mapping[str, Node] = field(repr=False)
    initializers: tuple[str, ...]
    """The operations to run first: they fill lookup tables."""
    versions: bytes = field(repr=False)
    """The fields of a GraphDef beside nodes and functions, as stored."""
    library: bytes = field(repr=False)
    """The functions that its nodes call, as a FunctionDefLibrary; b"" without any."""
    _values: Values = field(repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of its weights."""
        return sum(weight.nbytes for weight in self.weights)

    def extended(self, name: str, op: str, inputs: Sequence[str], **attrs: Any) -> FrozenGraph:
        """Return a copy with one more node, of which the first output is one more output.

        Args:
            name: Name of the node.
            op: Name of an op of TensorFlow.
            inputs: Names of tensors, as the op takes them.
            attrs: Its attributes: numbers, bools, str, DataType or shapes; ``T``, the dtype of
                most ops, is that of the first input by default.

        Raises:
            ValueError: the name is taken.
            TensorNotFoundError: there is no such input.
            UnsupportedError: TensorFlow has no such op.
        """
        if name in self.nodes:
            raise ValueError(f"there is a node {quoted(name)} already")
        for text in inputs:
            if origin(text) not in self.nodes:
                alike = ", ".join(nearest(text, list(self.nodes)))
                raise TensorNotFoundError(
                    f"there is no node {quoted(origin(text))}", advice=f"Nearest: {alike}"
                )
        node = Node(name, op, [tensor_name(text) for text in inputs])
        if "T" not in attrs and inputs:
            source, index = split_name(tensor_name(inputs[0]))
            attrs = {"T": dtype_of(self.nodes[source], index or 0, {}), **attrs}
        node.change(**attrs)
        end = Endpoint(f"{name}:0", dtype_of(node, 0, {}), None, "", "added")
        return replace(self, nodes={**self.nodes, name: node}, outputs=(*self.outputs, end))

    def write(self, path: str | os.PathLike[str] | bytes) -> None:
        """Write it to a file, a GraphDef (``.pb``), atomically.

        Raises:
            CheckpointError: a value cannot be read.
            UnsupportedError: it would be larger than a protobuf message can be, 2 GiB.
            OSError: the file cannot be written.
        """
        require_size(self.nbytes, _SMALLER)
        with atomic_file(os.fsdecode(path)) as file:
            room = Room(file.fileno(), self.nbytes)
            gaps = write_parts(file.fileno(), self._parts(gaps=True), _SMALLER)
            fill(file.fileno(), gaps, self._values, room)

    def to_bytes(self) -> bytes:
        """Return it as the bytes of a GraphDef.

        Raises:
            CheckpointError: as for `write`.
        """
        require_size(self.nbytes, _SMALLER)
        data = b"".join(part for part in self._parts() if not isinstance(part, Gap))
        require_size(len(data), _SMALLER)
        return data

    def _parts(self, *, gaps: bool = False) -> Iterator[Part]:
        """Yield the bytes of the GraphDef, the value of each weight as one part or as a gap."""
        value: dict[str, NDArray[Any]] = {}
        for source, nodes in groupby(self.nodes.values(), _unchanged_source):
            if source is not None:
                yield from source.fields(node.number for node in nodes)
                continue
            for node in nodes:
                parts = self._encoded(node, value, gaps=gaps)
                yield encode_key(_NODE, sum(map(len, parts)))
                yield from parts
        if self.library:
            yield encode_field(_LIBRARY, self.library)
        yield self.versions

    def _encoded(self, node: Node, value: dict[str, NDArray[Any]], *, gaps: bool) -> Sequence[Part]:
        """Return a node in parts; `value` keeps the last value for its other slices."""
        weight = self._weight_of.get(node.name)
        if weight is None:
            return node.encoded()
        if gaps and weight.is_copied:
            return weight.encoded(weight.gap())
        if weight.key not in value:
            value.clear()  # the memory goes before more is taken
            value[weight.key] = self._values[weight.key]
        content = weight.content(value[weight.key])
        if weight.box is None:
            value.clear()
        return weight.encoded(content)

    @cached_property
    def _weight_of(self) -> dict[str, Weight]:
        return {weight.name: weight for weight in self.weights}


def _unchanged_source(node: Node) -> StoredNodes | None:
    """Return the nodes of which one is to be written as it is stored; None for any other."""
    return node.source if node.is_unchanged else None


def freeze(
    model: Model,
    weights: tuple[Values, Mapping[str, Saved]],
    part: Request,
    **options: Unpack[Options],
) -> FrozenGraph:
    """Freeze a part of a graph.

    Args:
        model: The graph, and its functions.
        weights: Key -> array; and name of a variable's node -> its key and slice.
        part: The part.
        options: See `Options`.

    Raises:
        TensorNotFoundError: the graph lacks an input or an output, or the values a variable's.
        CorruptCheckpointError: the graph is damaged, or a value does not fit its variable.
        UnsupportedError: a part of the graph cannot do without TensorFlow's session.
    """
    if not part.outputs:
        raise TensorNotFoundError(
            "no output was named, and the graph has none that is likely",
            advice="Name one with --output (outputs=)",
        )
    chosen = draft_part(model, part, options)
    draft, placed, changes = chosen.draft, chosen.placed, chosen.changes
    averages = averages_of(weights[0]) if options.get("average") else {}
    values = Weights(*weights, averages, options.get("cast"))
    library = Library(model.functions)
    constants = freeze_variables(draft, values, library)
    called = library.called_by(draft.values()) if model.functions else {}
    for nodes in called.values():
        refuse_ops(nodes, keep_tables=options.get("keep_tables", False))
    check_loops(draft, chosen.roots)
    ends = tuple(_endpoint(model, draft, name, part) for name in chosen.outputs)
    _show_outputs(draft, ends)
    if constants:
        changes.append(f"{count_of(len(constants), 'variable')} became constants")
    if options.get("average"):
        used = {weight.key for weight in constants.values()}.intersection(averages.values())
        changes.append(f"{count_of(len(used), 'value')} taken from moving averages")
    unused = {tensor_name(name) for name in part.inputs}.difference(placed.values())
    changes += [f"input {quoted(name)} is left out: no output needs it" for name in sorted(unused)]
    return FrozenGraph(
        tuple(inputs_of(draft, placed, part.aliases)),
        ends,
        tuple(changes),
        {f"{name}:0": tensor for name, tensor in placed.items()},
        tuple(constants.values()),
        draft,
        chosen.fillers,
        model.versions,
        library.encoded(called),
        values.values,
    )


def _endpoint(model: Model, draft: Mapping[str, Node], name: str, part: Request) -> Endpoint:
    """Return an output; its dtype and shape are those of the model's own graph if it is there."""
    node, index = split_name(name)
    alias = part.aliases.get(name, "")
    if model.graph.find(node) is None:
        dtype = dtype_of(draft[node], index or 0, model.definitions)
        return Endpoint(name, dtype, None, alias, part.reason)
    tensor = model.graph.tensor(name)
    return Endpoint(name, tensor.dtype, tensor.shape, alias, part.reason)


def _show_outputs(draft: dict[str, Node], outputs: Iterable[Endpoint]) -> None:
    """Add a node behind each output that would not be one to the eye.

    Runtimes that read a graph take the first outputs of nodes without users for its outputs.
    """
    ends = [(end, *split_name(end.name)) for end in outputs]
    names = {node for _, node, _ in ends}
    used = {
        name for each in draft.values() for name in names.intersection(map(origin, each.inputs))
    }
    used |= {node for _, node, index in ends if index}
    for end, node, index in ends:
        if node in used and end.dtype is not None:
            name = unique(f"{node}/output_{index}" if index else f"{node}/output", draft)
            draft[name] = Node(name, "Identity", [end.name])
            draft[name].change(T=end.dtype)
