"""One operation as facts, which become JSON, and as lines.

Prints nothing.
"""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.graph import FIRST, first_few, known, plain, shape_text, sizes
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.graph.decode.operation import Operation
    from tfckpt_reader.graph.meta_graph import MetaGraph

_MOST_OUTPUTS = 100


def _tensor_facts(graph: MetaGraph, name: str) -> dict[str, Any]:
    tensor = None
    with suppress(CheckpointError):
        # Asked first: for what is not there, `tensor` looks through all names for one like it.
        tensor = graph.tensor(name) if graph.find(graph.origin(name)) else None
    dtype = None if tensor is None or tensor.dtype is None else str(tensor.dtype)
    return {"name": name, "dtype": dtype, "shape": sizes(tensor.shape if tensor else None)}


def operation_facts(graph: MetaGraph, operation: Operation) -> dict[str, Any]:
    """Return all about one operation."""
    attrs = operation.attrs
    count = None
    with suppress(CheckpointError):  # which is told of the attribute
        count = graph.output_count(operation)
    outputs = [f"{operation.name}:{i}" for i in range(min(count or 0, _MOST_OUTPUTS))]
    return {
        "name": operation.name,
        "type": operation.type,
        "device": operation.device,
        "inputs": [_tensor_facts(graph, name) for name in operation.inputs],
        "control_inputs": list(operation.control_inputs),
        "output_count": count,
        "outputs": [
            {**_tensor_facts(graph, name), "consumers": [o.name for o in graph.consumers(name)]}
            for name in outputs
        ],
        "attrs": {name: _attribute(attrs, name) for name in attrs},
    }


def _attribute(attrs: Mapping[str, Any], name: str) -> Any:
    """Return an attribute as JSON has it; one that cannot be read does not hide the others."""
    try:
        return plain(attrs[name])
    except CheckpointError as error:
        return {"error": str(error)}


def is_damaged(facts: Mapping[str, Any]) -> bool:
    """Tell whether an attribute of an operation could not be read."""
    return any(isinstance(v, dict) and "error" in v for v in facts["attrs"].values())


def operation_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return one operation as lines."""

    def tensor(each: Mapping[str, Any]) -> str:
        return f"{known(each['dtype'])} {shape_text(each['shape'])}  {each['name']}"

    lines = [f"name     {facts['name']}", f"op       {facts['type']}"]
    if facts["device"]:
        lines.append(f"device   {facts['device']}")
    lines += [f"input    {tensor(each)}" for each in facts["inputs"]]
    lines += [f"after    {name}" for name in facts["control_inputs"]]
    if facts["output_count"] is None:
        lines.append("outputs  ? (the file does not say how many)")
    for each in facts["outputs"]:
        users = first_few(each["consumers"])
        lines.append(f"output   {tensor(each)}" + (f"  -> {users}" if users else ""))
    if (facts["output_count"] or 0) > _MOST_OUTPUTS:
        lines.append(f"         and {facts['output_count'] - _MOST_OUTPUTS:,} more outputs")
    return lines + [f"attr     {name} = {_value_text(v)}" for name, v in facts["attrs"].items()]


def _value_text(value: Any) -> str:
    """Return the value of an attribute, as JSON has it, for a line."""
    if isinstance(value, list):
        more = f", … {len(value):,} in all" if len(value) > FIRST else ""
        return f"[{', '.join(map(_value_text, value[:FIRST]))}{more}]"
    if not isinstance(value, dict):
        return shortened(known(value))
    if "error" in value:
        return f"cannot be read: {value['error']}"
    if "function" in value:
        return f"function {value['function']}"
    shape, first = value["shape"], ", ".join(map(_value_text, value["first"]))
    more = ", …" if prod(shape) > len(value["first"]) else ""
    return f"{value['dtype']} {shape_text(shape)}: {first}{more}"
