"""Under which keys a graph saves what: the constant inputs of its save ops.

Knows no file. FORMAT 5.4; TensorFlow ``core/ops/io_ops.cc``.

A Saver may store a variable under any name. What is true is in the graph: ``SaveV2`` takes a
prefix, the keys, the slices and then the tensors; ``SaveSlices`` and ``Save`` of V1 a file name,
the keys, the slices (not ``Save``) and the tensors.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.errors import CheckpointError, TensorNotFoundError, UnsupportedError
from tfckpt_reader.graph.decode.attributes import FunctionCall
from tfckpt_reader.graph.decode.operation import VARIABLE_OPS, Operation, split_name
from tfckpt_reader.tensor.names import name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tfckpt_reader.graph.functions import Function
    from tfckpt_reader.graph.graph import Graph

MOST_SAVED = 1 << 20
_FIRST_TENSOR = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}
_PASSED_ON = {"Identity", "ReadVariableOp", "Cast", "RefIdentity", "Enter", "Switch"}
"""Ops whose first input is the variable, when a variable is saved by way of them."""

_CALLED = frozenset({"f", "then_branch", "else_branch", "body", "cond"})
"""Attributes in which ops name the functions that they call."""


class Saved(NamedTuple):
    """One tensor that is saved."""

    key: str
    slice_spec: str
    """Which piece of the whole it is, such as ``10 3 0,3:0,3``; "" for the whole."""
    tensor: str
    """As the save op's input names it."""


def saved_by(graph: Graph, save_tensor_name: str = "") -> tuple[Saved, ...]:
    """Return all that the graph saves.

    Args:
        graph: A graph, or a function.
        save_tensor_name: What a Saver runs: of several only its save ops count, if there are any.

    Raises:
        UnsupportedError: that is more than a million tensors.
    """
    savers = graph.of_types(_FIRST_TENSOR)
    if len(savers) > 1 and save_tensor_name:
        try:
            own = {op.name for op in graph.subgraph([save_tensor_name])}
        except TensorNotFoundError:
            own = set()
        savers = [op for op in savers if op.name in own] or savers
    strings = cache(partial(_strings, graph))
    saved = tuple(islice((each for op in savers for each in _saved(op, strings)), MOST_SAVED + 1))
    if len(saved) > MOST_SAVED:
        # A few save ops can share one long list of keys.
        raise UnsupportedError(
            "the graph saves more tensors than are listed here",
            expected=f"at most {MOST_SAVED:,}",
        )
    return saved


def saved_by_functions(
    graph: Graph, save_tensor_name: str, functions: Mapping[str, Function]
) -> tuple[Saved, ...]:
    """Return all that the functions save which the Saver calls.

    A model that was saved within this one is so not asked; if it is not told what is called, all
    functions are.
    """
    called: Iterable[Function]
    try:
        called = functions_called(graph, split_name(save_tensor_name)[0], functions)
    except CheckpointError:
        called = functions.values()
    return tuple(saved for function in called for saved in saved_by(function))


def functions_called(graph: Graph, name: str, functions: Mapping[str, Function]) -> list[Function]:
    """Return the functions that a graph's operation calls, and those that they call."""
    found: dict[str, Function] = {}
    waiting = [graph.operation(name)]
    while waiting:
        called = [functions[name] for name in _calls(waiting.pop()) if name in functions]
        new = [function for function in called if function.name not in found]
        found.update((function.name, function) for function in new)
        waiting.extend(operation for function in new for operation in function.operations)
    return list(found.values())


def _calls(operation: Operation) -> Iterator[str]:
    """Yield the names of the functions in an operation's attributes, its own type included."""
    yield operation.type
    attrs = operation.attrs
    for name in _CALLED & attrs.keys():
        value = attrs[name]
        if isinstance(value, FunctionCall):
            yield value.name


def _saved(operation: Operation, strings: Callable[[str], list[str]]) -> Iterator[Saved]:
    first = _FIRST_TENSOR[operation.type]
    inputs = operation.inputs
    keys, specs = (strings(inputs[n]) if n < min(first, len(inputs)) else [] for n in (1, 2))
    tensors = inputs[first:]
    for number, key in enumerate(keys):
        yield Saved(
            key,
            specs[number] if number < len(specs) else "",
            tensors[number] if number < len(tensors) else "",
        )


def _strings(graph: Graph, tensor: str) -> list[str]:
    """Return the strings of a constant; none where it is no such constant."""
    source = graph.find(tensor.partition(":")[0])
    try:
        found = source.attrs.strings("value") if source and source.type == "Const" else []
    except (CheckpointError, KeyError):
        return []
    return [name_text(key) for key in found]


def keys_of_variables(graph: Graph, saved: Iterable[Saved]) -> dict[str, str]:
    """Return name of a variable's op -> the key under which its value, or a piece of it, is."""
    found: dict[str, str] = {}
    behind: dict[str, str | None] = {}
    for each in saved:
        variable = _variable_behind(graph, split_name(each.tensor)[0], behind)
        if variable is not None:
            found.setdefault(variable, each.key)
    return found


def _variable_behind(graph: Graph, name: str, behind: dict[str, str | None]) -> str | None:
    """Follow an operation back to the variable whose value it gives; `behind` is what is known."""
    passed = []
    while name not in behind:
        passed.append(name)
        behind[name] = None  # which also ends a circle
        operation = graph.find(name)
        if operation is None:
            break
        if operation.type in VARIABLE_OPS:
            behind[name] = name
        elif operation.type in _PASSED_ON and operation.inputs:
            name = split_name(operation.inputs[0])[0]
    behind.update(dict.fromkeys(passed, behind[name]))
    return behind[name]
