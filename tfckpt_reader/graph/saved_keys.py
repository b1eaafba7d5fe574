"""Keys of a graph: the key of each saved tensor, from the constant inputs of the save ops.

Knows no file. FORMAT 5.4; TensorFlow ``core/ops/io_ops.cc``.

A Saver may store a variable under any name, so only the save ops are reliable. ``SaveV2`` takes a
prefix, the keys, the slices and then the tensors; ``SaveSlices`` and ``Save`` of V1 a file name,
the keys, the slices (not ``Save``) and the tensors.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tfckpt_reader.errors import CheckpointError, TensorNotFoundError, UnsupportedError
from tfckpt_reader.graph.decode.operation import (
    VARIABLE_OPS,
    Operation,
    declared_shape,
    split_name,
)
from tfckpt_reader.graph.functions import functions_called
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.names import name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.tensor.proto_fields import PartialShape

_MOST_SAVED = 1 << 20
_MOST_STEPS = 1 << 20
"""Limit on the operations visited behind all saved tensors that are no variables."""
_FIRST_TENSOR = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}
"""Save op -> index of its first tensor input."""
_PASSED_ON = {"Identity", "ReadVariableOp", "Cast", "RefIdentity", "Enter", "Switch"}
"""Ops between a variable and its save op; the variable is their first input."""


CALLS = ("PartitionedCall", "StatefulPartitionedCall")
"""Ops that call the function in their attribute ``f``."""


class Saved(NamedTuple):
    """One saved tensor."""

    key: str
    slice_spec: str
    """The slice of the whole tensor, such as ``10 3 0,3:0,3``; "" for the whole."""
    tensor: str
    """Its name in the inputs of the save op."""


Kind: TypeAlias = "tuple[DataType | None, PartialShape]"
"""Dtype and shape of a tensor; None if unknown."""


class KeyDifference(NamedTuple):
    """The difference between the keys of a graph and those of a checkpoint."""

    missing: tuple[str, ...]
    """Keys of the graph absent from the checkpoint."""
    unexpected: tuple[str, ...]
    """Keys of the checkpoint absent from the graph."""


def saved_by(graph: Graph, save_tensor_name: str = "") -> tuple[Saved, ...]:
    """Return the tensors that a graph saves.

    Args:
        graph: A graph, or a function.
        save_tensor_name: A Saver's own tensor. Of several save ops only those it depends on count,
            unless it depends on none.

    Raises:
        UnsupportedError: more than a million tensors.
    """
    save_ops = graph.of_types(_FIRST_TENSOR)
    if len(save_ops) > 1 and save_tensor_name:
        try:
            own = {graph.names[number] for number in graph.needed([save_tensor_name])}
        except TensorNotFoundError:
            own = set()
        save_ops = [op for op in save_ops if op.name in own] or save_ops
    strings = cache(partial(_strings, graph))
    each_saved = (saved for op in save_ops for saved in _saved(op, strings))
    saved = tuple(islice(each_saved, _MOST_SAVED + 1))
    if len(saved) > _MOST_SAVED:
        # A few save ops can share one long list of keys.
        raise UnsupportedError(
            "the graph saves more tensors than are listed here",
            expected=f"at most {_MOST_SAVED:,}",
        )
    return saved


def saved_by_functions(
    graph: Graph, save_tensor_name: str, functions: Mapping[str, Function]
) -> tuple[Saved, ...]:
    """Return the tensors saved by the functions that the Saver calls.

    This leaves out the functions of a model saved within this one. If the calls are unknown, all
    functions count.
    """
    try:
        called = functions_called(graph, split_name(save_tensor_name)[0], functions)
    except CheckpointError:
        called = list(functions.values())
    return tuple(saved for function in called for saved in saved_by(function))


def _saved(operation: Operation, strings: Callable[[str], list[str]]) -> Iterator[Saved]:
    first = _FIRST_TENSOR[operation.type]
    inputs = operation.inputs
    keys, specs = (strings(inputs[n]) if n < min(first, len(inputs)) else [] for n in (1, 2))
    return map(Saved, keys, chain(specs, repeat("")), chain(inputs[first:], repeat("")))


def _strings(graph: Graph, tensor: str) -> list[str]:
    """Return the strings of a constant; [] for anything else."""
    source = graph.find(tensor.partition(":")[0])
    try:
        strings = source.attrs.strings("value") if source and source.type == "Const" else []
    except (CheckpointError, KeyError):
        return []
    return [name_text(key) for key in strings]


def saved_of_variables(graph: Graph, saved: Iterable[Saved]) -> dict[str, Saved]:
    """Return name of a variable's operation -> its value, or its first slice, as saved."""
    found: dict[str, Saved] = {}
    variables: dict[str, str | None] = {}
    for each in saved:
        variable = _variable_behind(graph, split_name(each.tensor)[0], variables)
        if variable is not None:
            found.setdefault(variable, each)
    return found


def keys_computed_from_variables(
    graph: Graph, saved: Iterable[Saved], direct: Container[str]
) -> dict[str, list[str]]:
    """Return name of a variable's operation -> keys of the saved tensors computed from it.

    Args:
        graph: The graph.
        saved: What it saves.
        direct: Names of the variables that are saved as they are; the others are in the answer.
    """
    keys: dict[str, list[str]] = {}
    variables: dict[str, str | None] = {}
    steps = iter(range(_MOST_STEPS))
    for each in saved:
        node = split_name(each.tensor)[0]
        if _variable_behind(graph, node, variables) is None:
            for variable in _variables_before(graph, node, steps):
                if variable not in direct:
                    keys.setdefault(variable, []).append(each.key)
    return keys


def saved_through_call(
    graph: Graph, save_tensor_name: str, functions: Mapping[str, Function]
) -> dict[str, Saved]:
    """Return name of a variable's operation -> its value as the Saver's function saves it.

    Inside, a saved tensor is an argument, or read from one; the call passes the variable.
    """
    call = graph.find(split_name(save_tensor_name)[0])
    called = None if call is None else call.attrs.get("f")
    function = functions.get(getattr(called, "name", ""))
    if call is None or function is None:
        return {}
    found: dict[str, Saved] = {}
    variables: dict[str, str | None] = {}
    arguments = {argument.name: n for n, argument in enumerate(function.definition.inputs)}
    for each in saved_by(function):
        number = arguments.get(_argument_behind(function, each.tensor), len(call.inputs))
        if number < len(call.inputs):
            source = split_name(call.inputs[number])[0]
            variable = _variable_behind(graph, source, variables)
            if variable is not None:
                found.setdefault(variable, each)
    return found


def saved_values(
    graph: Graph,
    save_tensor_name: str,
    functions: Mapping[str, Function],
    captured: Mapping[str, Sequence[str | None]],
    named: Mapping[str, str],
) -> dict[str, Saved]:
    """Return name of a variable's operation -> its value, or its first slice, as saved.

    Args:
        graph: The graph.
        save_tensor_name: The Saver's own tensor.
        functions: Name -> function.
        captured: Name of a function -> the keys of the objects that are its last inputs.
        named: Name of a variable -> its key, where nothing else tells.
    """
    return {
        **{name: Saved(key, "", "") for name, key in named.items()},
        **saved_as_captured(graph, captured),
        **saved_through_call(graph, save_tensor_name, functions),
        **saved_of_variables(graph, saved_by(graph, save_tensor_name)),
    }


def saved_as_captured(
    graph: Graph, captured: Mapping[str, Sequence[str | None]]
) -> dict[str, Saved]:
    """Return name of a variable's operation -> its value by the object that a function captures.

    Args:
        graph: The graph with the calls of those functions.
        captured: Name of a function -> the keys of its last inputs, in order.
    """
    found: dict[str, Saved] = {}
    for call in graph.of_types(CALLS) if captured else ():
        called = call.attrs.get("f")
        keys = captured.get(getattr(called, "name", ""), ())
        for text, key in zip(reversed(call.inputs), reversed(keys), strict=False):
            source = graph.find(split_name(text)[0])
            if key is not None and source is not None and source.type in VARIABLE_OPS:
                found.setdefault(source.name, Saved(key, "", text))
    return found


def _argument_behind(function: Function, text: str) -> str:
    """Follow a tensor back to the argument with its value; return any other name if none has."""
    name, passed = function.origin(text), set()
    while name not in passed:
        passed.add(name)
        operation = function.find(name)
        if operation is None or operation.type not in _PASSED_ON or not operation.inputs:
            break
        name = function.origin(operation.inputs[0])
    return name


def _variables_before(graph: Graph, name: str, steps: Iterator[int]) -> Iterator[str]:
    """Yield the variables that an operation depends on, as far as the number of steps goes."""
    seen, waiting = {name}, [name]
    while waiting and next(steps, None) is not None:
        operation = graph.find(waiting.pop())
        if operation is None:
            continue
        if operation.type in VARIABLE_OPS:
            yield operation.name
            continue
        for node in (split_name(text)[0] for text in operation.inputs):
            if node not in seen:
                seen.add(node)
                waiting.append(node)


def whole_shape(slice_spec: str) -> PartialShape:
    """Return the shape of the tensor that a slice belongs to; None if it is no slice."""
    *sizes, _extents = slice_spec.split(" ")
    return tuple(int(n) if n.isdecimal() else None for n in sizes) if sizes else None


def kinds_of_saved(
    graph: Graph, saved: Iterable[Saved], known: Mapping[str | None, Kind]
) -> dict[str, Kind]:
    """Return key -> dtype and shape of the whole tensor that a graph saves, as far as known.

    Args:
        graph: The graph.
        saved: What it saves.
        known: Those of variables that are no nodes of the graph.
    """
    one_of_each: dict[Kind, Kind] = {}
    behind: dict[str, Kind | str | None] = {}
    casts: set[str] = set()
    for operation in graph.passing((*VARIABLE_OPS, *_PASSED_ON)):
        if operation.type in VARIABLE_OPS:
            kind = _declared(operation)
            behind.setdefault(operation.name, one_of_each.setdefault(kind, kind))
        elif operation.inputs:
            behind.setdefault(operation.name, split_name(operation.inputs[0])[0])
            casts.update([operation.name] if operation.type == "Cast" else ())
    # A Saver with reshape=True restores any shape of as many elements.
    is_reshaped = any("ave" in each.name for each in graph.passing(("Reshape",)))
    kinds: dict[str, Kind] = {}
    for each in saved:
        name = split_name(each.tensor)[0]
        dtype, shape = _kind_behind(name, behind) or known.get(each.key, (None, None))
        shape = whole_shape(each.slice_spec) or shape
        kind = (None if name in casts else dtype, None if is_reshaped else shape)
        if kinds.setdefault(each.key, one_of_each.setdefault(kind, kind)) != kind:
            kinds[each.key] = None, None
    return kinds


def _kind_behind(name: str, behind: dict[str, Kind | str | None]) -> Kind | None:
    """Follow an operation back to its variable; shorten the way for later ones."""
    passed = []
    while isinstance(source := behind.get(name), str):
        passed.append(name)
        behind[name] = None  # this ends a cycle, too
        name = source
    behind.update(dict.fromkeys(passed, source))
    return source


def _declared(variable: Operation) -> Kind:
    try:
        dtype = variable.attrs.get("dtype")
        shape = declared_shape(variable.type, variable.attrs)
    except CheckpointError:
        return None, None
    return (dtype if isinstance(dtype, DataType) else None), shape


def _variable_behind(graph: Graph, name: str, known: dict[str, str | None]) -> str | None:
    """Follow an operation back to the variable with its value; extend the `known` results."""
    passed = []
    while name not in known:
        passed.append(name)
        known[name] = None  # this ends a cycle, too
        number = graph.number_of(name)
        if number is None:
            break
        if graph.types[number] in VARIABLE_OPS:
            known[name] = name
        elif graph.types[number] in _PASSED_ON:
            name = next(map(graph.origin, graph.at(number).inputs), name)
    known.update(dict.fromkeys(passed, known[name]))
    return known[name]
