"""Which tensor is saved under which key: what the save ops of a graph say.

Rank 4: knows no variable collection and no checkpoint. FORMAT 5.4. Needs no NumPy.

``SaveV2`` has the inputs prefix, names, slice specs and then the tensors; ``SaveSlices`` (V1) the
same after a file name; ``Save`` has no slices. Names and slices are constants of strings. In a
SavedModel of TensorFlow 2 the op is in a function of the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, repeat
from math import prod
from typing import TYPE_CHECKING

from tfckpt_reader._protos import parse
from tfckpt_reader._protos.values import dims
from tfckpt_reader.dtypes import DataType
from tfckpt_reader.errors import CheckpointError, CorruptCheckpointError
from tfckpt_reader.graph.names import producer_of
from tfckpt_reader.spec import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.graph.nodes import Operation

SAVE_OPS = ("SaveV2", "SaveSlices", "Save")
VARIABLE_OPS = ("VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable")
_PASS_ON = ("Identity", "ReadVariableOp", "RefIdentity", "IdentityN", "EnsureShape")
"""Ops that stand between a variable and the op that saves it."""
_LONGEST_WAY = 100


@dataclass(frozen=True, slots=True)
class SavedTensor:
    """One tensor that a save op writes."""

    key: str
    """Its name in the checkpoint."""
    slice_spec: str
    """"" for a whole tensor, else such as ``10 3 0,3:0,3``."""
    tensor: str
    """Tensor of the graph."""
    save_op: str
    """Name of the operation that saves it."""
    function: str = ""
    """Function of the library that the operation is in; "" for the main graph."""
    own_saver: bool = False
    """Whether the Saver that the file names runs the operation."""


def all_saved(
    graph: Graph, functions: Mapping[str, Graph], save_tensor: str = ""
) -> list[SavedTensor]:
    """Return what the save ops of a graph, and of the functions it saves by, write.

    Args:
        graph: The main graph.
        functions: The library.
        save_tensor: Tensor by which the file's own Saver saves. What it runs comes first.

    Raises:
        CorruptCheckpointError: a save op has names that cannot be.
    """
    behind = graph.operations.position(producer_of(save_tensor)) if save_tensor else None
    needed = graph.subgraph(producer_of(save_tensor)) if behind is not None else None
    own = {name for name, _ in _save_ops(needed)} if needed is not None else set()
    found: list[SavedTensor] = []
    for name, operation in _save_ops(graph):
        found += _written_by(graph, operation, "", own=name in own)
    if needed is not None and not own:
        for name in _functions_called(needed, functions):
            body = functions[name]
            for _, operation in _save_ops(body):
                found += _written_by(body, operation, name, own=True)
    return sorted(found, key=lambda tensor: not tensor.own_saver)


def _save_ops(graph: Graph) -> Iterator[tuple[str, Operation]]:
    operations = graph.operations
    for position, op in enumerate(operations.types):
        if op in SAVE_OPS:
            yield operations.names[position], operations[position]


def _functions_called(graph: Graph, functions: Mapping[str, Graph]) -> Iterator[str]:
    """Yield the functions that a graph's nodes call, and those that these call, each once."""
    seen: set[str] = set()
    waiting = [graph]
    while waiting:
        for operation in waiting.pop().operations:
            for name in called_by(operation):
                if name not in seen and name in functions:
                    seen.add(name)
                    yield name
                    waiting.append(functions[name])


def called_by(operation: Operation) -> Iterator[str]:
    """Yield the functions that an operation names: as its op, or in its attributes."""
    yield operation.type
    for name in operation.attrs:
        kind = operation.attrs.kind(name)
        values = operation.attrs.functions(name) if kind in ("func", "list") else ()
        for value in values:
            yield value.name


def _written_by(
    graph: Graph, save: Operation, function: str, *, own: bool
) -> Iterator[SavedTensor]:
    with_slices = save.type != "Save"
    tensors = save.inputs[3 if with_slices else 2 :]
    names = constant_strings(graph, save, 1)
    if names is None:
        return
    slices = constant_strings(graph, save, 2) if with_slices else None
    if len(names) != len(tensors):
        raise CorruptCheckpointError(
            "saves another number of tensors than it has names for",
            structure=f"node {save.name!r}",
            expected=len(names),
            got=len(tensors),
        )
    specs = slices if slices is not None and len(slices) == len(names) else [b""] * len(names)
    for key, spec, tensor in zip(names, specs, tensors, strict=True):
        yield SavedTensor(name_of(key), name_of(spec), tensor, save.name, function, own)


def constant_strings(graph: Graph, operation: Operation, index: int) -> list[bytes] | None:
    """Return the strings of the Const that an operation has as an input; None if it has none."""
    if index >= len(operation.inputs):
        return None
    position = graph.operations.position(producer_of(operation.inputs[index]))
    if position is None or graph.operations.types[position] != "Const":
        return None
    constant = graph.operations[position]
    try:
        return decode_strings(constant.attrs.tensor_proto("value"))
    except CheckpointError as error:
        within = f": {error.structure}" if error.structure else ""
        error.structure = f"node {constant.name!r}{within}"
        raise


def decode_strings(raw: bytes) -> list[bytes]:
    """Return the elements of a serialized TensorProto of strings, in C order.

    Raises:
        CorruptCheckpointError: it is none, or claims more elements than it has reason to.
    """
    found = parse("StringTensor", raw)
    count = prod(dims(found.tensor_shape))
    stored = list(found.string_val)
    # A short list repeats its last value. A shape that lies must not become a list as long.
    if found.dtype != DataType.STRING or not len(stored) <= count <= max(len(stored), len(raw)):
        raise CorruptCheckpointError(
            "is no tensor of strings",
            structure="TensorProto",
            expected=f"dtype {int(DataType.STRING)} and {count:,} strings at most",
            got=f"dtype {found.dtype} and {len(stored):,} strings",
        )
    last = stored[-1] if stored else b""
    return list(chain(stored, repeat(last, count - len(stored))))


def variable_behind(graph: Graph, tensor: str) -> str | None:
    """Return the name of the variable whose value a tensor is; None if it is something else."""
    operations = graph.operations
    name = producer_of(tensor)
    for _ in range(_LONGEST_WAY):
        position = operations.position(name)
        if position is None:
            return None
        kind = operations.types[position]
        if kind in VARIABLE_OPS:
            return name
        inputs = operations[position].inputs if kind in _PASS_ON else ()
        if len(inputs) != 1:
            return None
        name = producer_of(inputs[0])
    return None
