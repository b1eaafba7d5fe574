"""What a model takes and gives, and what it asks of whoever runs it: as facts and as lines.

Prints nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.graph import plain, shape_text, sizes
from tfckpt_reader.graph.audit import custom_ops, own_ops, unusual_ops
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tfckpt_reader.graph.decode.signatures import TensorInfo
    from tfckpt_reader.graph.infer.endpoints import Endpoint
    from tfckpt_reader.graph.meta_graph import MetaGraph

_MOST_ENDS = 8
_MOST_OPS = 12


def interface_facts(graph: MetaGraph) -> dict[str, Any]:
    """Return inputs, outputs, custom and unusual ops."""
    return {
        "inputs": _ends(graph.inputs),
        "outputs": _ends(graph.outputs),
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


def _ends(ends: Iterable[Endpoint]) -> list[dict[str, Any]]:
    return [
        {
            "name": end.name,
            "dtype": None if end.dtype is None else str(end.dtype),
            "shape": sizes(end.shape),
            "alias": end.alias or None,
            "guess": not end.alias,
            "reason": end.reason,
        }
        for end in ends
    ]


def interface_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each; a guess has its reason."""
    inputs, outputs = facts["inputs"], facts["outputs"]
    signed = not all(end["guess"] for end in (*inputs, *outputs))
    lines = _end_lines("input", inputs, signed=signed)
    lines += _end_lines("output", outputs, signed=signed)
    custom = [
        f"custom op    {name} ({each['count']:,}): not among the ops of {facts['known_ops']}"
        + ("" if each["defined"] else ", and the file does not define it")
        for name, each in facts["custom_ops"].items()
    ]
    unusual = [
        f"unusual op   {name} ({each['count']:,}): {each['does']}"
        for name, each in facts["unusual_ops"].items()
    ]
    return [*lines, *_first(custom, _MOST_OPS), *_first(unusual, _MOST_OPS)]


def _end_lines(word: str, ends: Sequence[Mapping[str, Any]], *, signed: bool) -> list[str]:
    if not ends:
        none = "none, says the signature"
        nobody = "? (no signature, and nothing in the graph looks like one)"
        return [f"{word + 's':<12} {none if signed else nobody}"]
    return _first([_end_line(word, end) for end in ends], _MOST_ENDS)


def _end_line(word: str, end: Mapping[str, Any]) -> str:
    """Return what is known of an end, and behind a dash why it is one, or which part of one."""
    told = f"{end['dtype'] or '?'} {shape_text(end['shape'])}  {end['name'] or '(no name)'}"
    alias = f"{end['alias']}  " if end["alias"] else ""
    why = end["reason"] if end["guess"] else end["reason"].partition(": ")[2]
    return f"{word + '?' * end['guess']:<12} {alias}{told}{'  - ' if why else ''}{why}"


def _first(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"             and {len(lines) - most:,} more: --json has all"]


def _info_facts(info: TensorInfo) -> dict[str, Any]:
    facts = {"tensor": info.name, "dtype": str(info.dtype), "shape": sizes(info.shape)}
    if info.sparse is not None:
        return {**facts, "sparse": list(info.sparse)}
    if not info.components:
        return facts
    return {"composite": info.composite, "components": list(map(_info_facts, info.components))}


def signature_facts(graph: MetaGraph) -> dict[str, Any]:
    """Return the signatures as JSON has them."""
    return {
        name: {
            "method": signature.method_name,
            "inputs": {alias: _info_facts(info) for alias, info in signature.inputs.items()},
            "outputs": {alias: _info_facts(info) for alias, info in signature.outputs.items()},
            "defaults": {alias: plain(array) for alias, array in signature.defaults.items()},
        }
        for name, signature in graph.signatures.items()
    }


def signature_lines(graph: MetaGraph) -> list[str]:
    """Return a line per signature and per tensor of it."""
    lines = []
    for name, signature in graph.signatures.items():
        lines.append(f"{name}  {signature.method_name}".rstrip())
        for word, tensors in (("input ", signature.inputs), ("output", signature.outputs)):
            lines += [f"  {word} {alias}  {_info_text(info)}" for alias, info in tensors.items()]
        for alias, array in signature.defaults.items():
            lines.append(f"  default of {alias}: {plain(array)['first']}")
    return [*lines, count_of(len(graph.signatures), "signature")]


def _info_text(info: TensorInfo) -> str:
    if info.components:
        parts = ", ".join(map(_info_text, info.components))
        return f"{info.composite or 'composite'} of {parts}"
    sparse = "" if info.sparse is None else f"sparse: {' '.join(info.sparse)}"
    dtype = info.dtype or "?"
    return f"{dtype} {shape_text(info.shape)}  {info.name or sparse}"
