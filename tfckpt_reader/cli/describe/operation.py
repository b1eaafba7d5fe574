"""One operation of a graph: its tensors and attributes."""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.notation import FIRST, first_names, json_value, known, shape_text
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.decode.operation import FunctionCall, Operation
from tfckpt_reader.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.graph.meta_graph import MetaGraph

_MOST_OUTPUTS = 100


def operation_facts(graph: MetaGraph, operation: Operation) -> dict[str, Any]:
    """Return the type, device, inputs, outputs and attributes of an operation."""
    attrs = operation.attrs
    count = None
    with suppress(CheckpointError):  # the attribute below has this error
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


def _tensor_facts(graph: MetaGraph, name: str) -> dict[str, Any]:
    tensor = None
    with suppress(CheckpointError):
        # `find` comes first: without the operation, `tensor` compares all names with this one.
        tensor = graph.tensor(name) if graph.find(graph.origin(name)) else None
    dtype, shape = (tensor.dtype, tensor.shape) if tensor else (None, None)
    return {"name": name, "dtype": json_value(dtype), "shape": json_value(shape)}


def _attribute(attrs: Mapping[str, Any], name: str) -> Any:
    """Return an attribute for JSON; an unreadable one does not stop the rest."""
    try:
        return _attribute_value(attrs[name])
    except CheckpointError as error:
        return {"error": str(error)}


def _attribute_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_attribute_value(each) for each in value]
    return {"function": value.name} if isinstance(value, FunctionCall) else json_value(value)


def is_damaged(facts: Mapping[str, Any]) -> bool:
    """Return whether an attribute of an operation is unreadable."""
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
        users = first_names(each["consumers"])
        lines.append(f"output   {tensor(each)}" + (f"  -> {users}" if users else ""))
    if (facts["output_count"] or 0) > _MOST_OUTPUTS:
        lines.append(f"         and {facts['output_count'] - _MOST_OUTPUTS:,} more outputs")
    return lines + [f"attr     {name} = {_value_text(v)}" for name, v in facts["attrs"].items()]


def _value_text(value: Any) -> str:
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
