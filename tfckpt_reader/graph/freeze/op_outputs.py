"""Indices of output tensors, which functions call by the names of their op's outputs.

Knows no graph. FORMAT 5.5; TensorFlow ``core/framework/op_def.proto``, ``function.proto``.

Most files define only the ops of their top-level nodes. ``op_outputs.txt`` has the outputs of
TensorFlow's own ops, ``Op output list*attribute``; ``fixtures/make_ops.py`` writes it.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.graph.decode.op_defs import OpDefinition
    from tfckpt_reader.graph.freeze.node import Node


@cache
def _own() -> dict[str, list[tuple[str, str]]]:
    """Return name of an op -> its outputs, each with the attribute of a list's length, or ""."""
    lines = (pkgutil.get_data(__package__, "op_outputs.txt") or b"").decode("ascii").splitlines()
    words = (line.split() for line in lines)
    return {op: [_split(output) for output in outputs] for op, *outputs in words}


def _split(output: str) -> tuple[str, str]:
    name, _, attribute = output.partition("*")
    return name, attribute


def flat_index(node: Node, output: str, definitions: Mapping[str, OpDefinition]) -> int:
    """Return the index of an output of a node, ``output:index``, among all its tensors.

    Raises:
        CorruptCheckpointError: the op has no such output, or an attribute is damaged.
        UnsupportedError: the outputs of the op are unknown.
    """
    outputs = _own().get(node.op)
    if node.op in definitions:
        outputs = [
            (each.name, each.number_attr or each.type_list_attr)
            for each in definitions[node.op].outputs
        ]
    if outputs is None:
        raise UnsupportedError(
            f"the file does not define the op {quoted(node.op)} of node {quoted(node.name)}"
        )
    wanted, _, digits = output.partition(":")
    first = 0
    for name, length in outputs:
        if name == wanted and (not digits or digits.isdecimal()):
            return first + int(digits[:10] or 0)
        first += _length(node, length) if length else 1
    raise CorruptCheckpointError(f"node {quoted(node.name)} has no output {quoted(output)}")


def _length(node: Node, attribute: str) -> int:
    value = node.attr(attribute)
    if isinstance(value, list):
        return len(value)
    if type(value) is int and value >= 0:
        return value
    raise CorruptCheckpointError(
        f"node {quoted(node.name)} does not say how many outputs it has: {quoted(attribute)}"
    )
