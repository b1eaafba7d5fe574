"""Outputs of nodes: their indices, which functions call by names, and their dtypes.

Knows no graph. FORMAT 5.5; TensorFlow ``core/framework/op_def.proto``, ``function.proto``.

Most files define only the ops of their top-level nodes. ``op_outputs.txt`` has the outputs of
TensorFlow's own ops, one op a line; ``fixtures/make_ops.py`` writes it::

    op output*number=type     a list of tensors: the attribute with their number; their type
    op output=type            one tensor: the attribute with its type, or # and a number
    op output=type|number     the same, with the default of the attribute
    op output=types[]         a list of tensors of several types
"""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.graph.decode.op_defs import Argument, OpDefinition
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import data_type
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfckpt_reader.graph.freeze.node import Node


@cache
def _lines() -> dict[str, list[str]]:
    """Return name of an op of TensorFlow -> the texts of its outputs."""
    lines = (pkgutil.get_data(__package__, "op_outputs.txt") or b"").decode("ascii").splitlines()
    return {op: outputs for op, *outputs in map(str.split, lines)}


@cache
def _own_outputs(op: str) -> list[Argument]:
    return [_argument(text) for text in _lines()[op]]


def _default(op: str, attribute: str) -> DataType | None:
    """Return the default of the attribute with the dtype of an output: files may leave it out."""
    kinds = (text.partition("=")[2].partition("|") for text in _lines().get(op, ()))
    return next((data_type(int(n)) for name, bar, n in kinds if bar and name == attribute), None)


def _argument(text: str) -> Argument:
    head, _, kind = text.partition("|")[0].partition("=")
    name, _, number = head.partition("*")
    if kind.startswith("#"):
        return Argument(name, data_type(int(kind[1:])), "", number, "", is_ref=False)
    types = kind.removesuffix("[]")
    if types != kind:
        return Argument(name, None, "", number, types, is_ref=False)
    return Argument(name, None, kind, number, "", is_ref=False)


def flat_index(node: Node, output: str, definitions: Mapping[str, OpDefinition]) -> int:
    """Return the index of an output of a node, ``output:index``, among all its tensors.

    Raises:
        CorruptCheckpointError: the op has no such output, or an attribute is damaged.
        UnsupportedError: the outputs of the op are unknown.
    """
    wanted, _, digits = output.partition(":")
    first = 0
    for each in _outputs(node, definitions):
        if each.name == wanted and (not digits or digits.isdecimal()):
            return first + int(digits[:10] or 0)
        first += _count(node, each)
    raise CorruptCheckpointError(f"node {quoted(node.name)} has no output {quoted(output)}")


def dtype_of(node: Node, index: int, definitions: Mapping[str, OpDefinition]) -> DataType:
    """Return the dtype of a tensor of a node.

    Raises:
        CorruptCheckpointError: it has fewer outputs, or an attribute is damaged.
        UnsupportedError: the outputs of the op are unknown.
    """
    first = 0
    for each in _outputs(node, definitions):
        count = _count(node, each)
        if index < first + count:
            dtype: Any = each.dtype
            if each.type_list_attr:
                dtype = node.attr(each.type_list_attr)[index - first]
            elif each.type_attr:
                dtype = node.attr(each.type_attr) or _default(node.op, each.type_attr)
            if isinstance(dtype, DataType):
                return dtype
            break
        first += count
    raise CorruptCheckpointError(f"node {quoted(node.name)} does not say the dtype of {index}")


def _outputs(node: Node, definitions: Mapping[str, OpDefinition]) -> Sequence[Argument]:
    if node.op in definitions:
        return definitions[node.op].outputs
    if node.op not in _lines():
        raise UnsupportedError(
            f"the file does not define the op {quoted(node.op)} of node {quoted(node.name)}"
        )
    return _own_outputs(node.op)


def _count(node: Node, output: Argument) -> int:
    """Return the number of tensors of an output."""
    attribute = output.number_attr or output.type_list_attr
    if not attribute:
        return 1
    value = node.attr(attribute)
    if isinstance(value, list):
        return len(value)
    if type(value) is int and value >= 0:
        return value
    raise CorruptCheckpointError(
        f"node {quoted(node.name)} does not say how many outputs it has: {quoted(attribute)}"
    )
