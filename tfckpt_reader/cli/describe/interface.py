"""The interface of a model: inputs, outputs, signatures, variables, ops beyond plain TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.notation import (
    first_lines,
    first_names,
    json_value,
    known,
    shape_text,
)
from tfckpt_reader.graph.audit import custom_ops, own_ops, unusual_ops
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tfckpt_reader.graph.decode.signatures import TensorInfo
    from tfckpt_reader.graph.infer.endpoints import Endpoint
    from tfckpt_reader.graph.meta_graph import MetaGraph
    from tfckpt_reader.graph.variables import Variable

_MOST_ENDPOINTS = 8
_MOST_OPS = 12


def interface_facts(graph: MetaGraph) -> dict[str, Any]:
    """Return inputs, outputs, custom and unusual ops."""
    return {
        "inputs": endpoint_facts(graph.inputs),
        "outputs": endpoint_facts(graph.outputs),
        "known_ops": f"TensorFlow {own_ops()[0]}",
        "custom_ops": {
            name: {"count": count, "defined": name in graph.ops}
            for name, count in custom_ops(graph).items()
        },
        "unusual_ops": {
            name: {"count": count, "does": does}
            for name, (count, does) in unusual_ops(graph).items()
        },
    }


def endpoint_facts(endpoints: Iterable[Endpoint]) -> list[dict[str, Any]]:
    """Return name, dtype, shape, alias and reason of inputs or outputs."""
    return [
        {
            "name": each.name,
            "dtype": json_value(each.dtype),
            "shape": json_value(each.shape),
            "alias": each.alias or None,
            "guess": not each.alias,
            "reason": each.reason,
        }
        for each in endpoints
    ]


def interface_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each input, output and op; a guess comes with its reason."""
    inputs, outputs = facts["inputs"], facts["outputs"]
    signed = not all(each["guess"] for each in (*inputs, *outputs))
    custom = [
        f"custom op    {name} ({each['count']:,}): not among the ops of {facts['known_ops']}"
        + ("" if each["defined"] else ", and the file does not define it")
        for name, each in facts["custom_ops"].items()
    ]
    unusual = [
        f"unusual op   {name} ({each['count']:,}): {each['does']}"
        for name, each in facts["unusual_ops"].items()
    ]
    return [
        *_endpoint_lines("input", inputs, signed=signed),
        *_endpoint_lines("output", outputs, signed=signed),
        *first_lines(custom, _MOST_OPS),
        *first_lines(unusual, _MOST_OPS),
    ]


def _endpoint_lines(
    kind: str, endpoints: Sequence[Mapping[str, Any]], *, signed: bool
) -> list[str]:
    if not endpoints:
        none = "none, by the signature"
        unknown = "? (no signature, and nothing in the graph looks like one)"
        return [f"{kind + 's':<12} {none if signed else unknown}"]
    return first_lines([_endpoint_line(kind, each) for each in endpoints], _MOST_ENDPOINTS)


def _endpoint_line(kind: str, endpoint: Mapping[str, Any]) -> str:
    """Return an endpoint; after the dash, the reason of a guess, or the element of a structure."""
    tensor = f"{known(endpoint['dtype'])} {shape_text(endpoint['shape'])}"
    alias = f"{endpoint['alias']}  " if endpoint["alias"] else ""
    reason, guess = endpoint["reason"], endpoint["guess"]
    comment = reason if guess else reason.partition(": ")[2]
    line = f"{kind + '?' * guess:<12} {alias}{tensor}  {endpoint['name'] or '(no name)'}"
    return f"{line}  - {comment}" if comment else line


def signature_facts(graph: MetaGraph) -> dict[str, Any]:
    """Return the signatures for JSON."""
    return {
        name: {
            "method": signature.method_name,
            "inputs": {alias: _info_facts(info) for alias, info in signature.inputs.items()},
            "outputs": {alias: _info_facts(info) for alias, info in signature.outputs.items()},
            "defaults": {alias: json_value(array) for alias, array in signature.defaults.items()},
        }
        for name, signature in graph.signatures.items()
    }


def _info_facts(info: TensorInfo) -> dict[str, Any]:
    dtype = None if info.is_operation else str(info.dtype)
    facts = {"tensor": info.name, "dtype": dtype, "shape": json_value(info.shape)}
    if info.sparse is not None:
        return {**facts, "sparse": list(info.sparse)}
    if not info.components:
        return facts
    return {"composite": info.composite, "components": list(map(_info_facts, info.components))}


def signature_lines(graph: MetaGraph) -> list[str]:
    """Return a line per signature and per tensor of it."""
    lines = []
    for name, signature in graph.signatures.items():
        lines.append(f"{name}  {signature.method_name}".rstrip())
        for kind, tensors in (("input ", signature.inputs), ("output", signature.outputs)):
            lines += [f"  {kind} {alias}  {_info_text(info)}" for alias, info in tensors.items()]
        for alias, array in signature.defaults.items():
            lines.append(f"  default of {alias}: {json_value(array)['first']}")
    return [*lines, count_of(len(graph.signatures), "signature")]


def _info_text(info: TensorInfo) -> str:
    if info.components:
        components = ", ".join(map(_info_text, info.components))
        return f"{info.composite or 'composite'} of {components}"
    if info.is_operation:
        return f"{info.name}, an operation to run"
    sparse = "" if info.sparse is None else f"sparse: {' '.join(info.sparse)}"
    return f"{info.dtype} {shape_text(info.shape)}  {info.name or sparse}"


def variable_facts(variables: Iterable[Variable]) -> list[dict[str, Any]]:
    """Return the variables for JSON."""
    return [
        {
            "name": each.name,
            "dtype": json_value(each.dtype),
            "shape": json_value(each.shape),
            "key": each.checkpoint_key,
            "initializer": each.initializer,
            "device": each.device,
            "pieces": list(each.pieces),
            "computed_keys": list(each.computed_keys),
        }
        for each in variables
    ]


def variable_lines(variables: Iterable[Variable]) -> list[str]:
    """Return a line per variable, with its key if the key is not its name."""
    rows = [(known(v.dtype), shape_text(v.shape), v) for v in variables]
    first = max((len(dtype) for dtype, _, _ in rows), default=0)
    second = max((len(shape) for _, shape, _ in rows), default=0)
    lines = []
    for dtype, shape, variable in rows:
        key = variable.checkpoint_key
        computed = first_names(variable.computed_keys)
        as_other = f"  (saved in another form: {computed})" if computed else "  (not saved)"
        more = as_other if key is None else f"  -> {key}"
        same = key == variable.name.removesuffix(":0")
        lines.append(f"{dtype:<{first}}  {shape:<{second}}  {variable.name}{'' if same else more}")
    return [*lines, count_of(len(rows), "variable")]
