"""Inputs of a graph that is cut: a placeholder for each tensor at which it begins.

Knows no file. TensorFlow ``core/ops/array_ops.cc``, ``data_flow_ops.cc``, ``dataset_ops.cc``.

The graph's own input pipeline, queues and iterators, is cut off where it hands over its batches.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfckpt_reader.graph.decode.operation import split_name, tensor_name
from tfckpt_reader.graph.freeze.node import Node
from tfckpt_reader.graph.freeze.op_outputs import dtype_of
from tfckpt_reader.graph.freeze.prune import origin, redirect, unique
from tfckpt_reader.graph.infer.endpoints import Endpoint
from tfckpt_reader.graph.infer.op_roles import PLACEHOLDERS, is_pipeline
from tfckpt_reader.tensor.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.tensor.proto_fields import data_type, shape_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tfckpt_reader.graph.decode.op_defs import OpDefinition
    from tfckpt_reader.tensor.proto_fields import PartialShape

_WITH_DEFAULT = "PlaceholderWithDefault"
_BATCHES = re.compile(r"QueueDequeue(Many|UpTo)\w*")


def begin_at(
    draft: dict[str, Node], cuts: Sequence[str], definitions: Mapping[str, OpDefinition]
) -> dict[str, str]:
    """Put placeholders in place of tensors; return name of a placeholder -> its tensor.

    Raises:
        UnsupportedError: the file does not say of what dtype such a tensor is.
    """
    placed: dict[str, str] = {}
    moved: dict[str, str] = {}
    aside: dict[str, str] = {}
    # A first output comes last: its placeholder takes the name of the node from all others.
    for tensor in sorted(dict.fromkeys(cuts), key=lambda tensor: not split_name(tensor)[1]):
        node, index = split_name(tensor)
        if node not in draft:  # no output needs it
            continue
        placed[tensor] = node
        if draft[node].op == "Placeholder":
            continue
        dtype, shape = _kind(draft, draft[node], index or 0, definitions)
        if index:
            placed[tensor] = unique(f"{node}_{index}", draft)
            moved[tensor] = f"{placed[tensor]}:0"
        else:
            aside[node] = unique(f"{node}/uncut", draft)
            draft[aside[node]] = draft.pop(node)
        placeholder = draft[placed[tensor]] = Node(placed[tensor], "Placeholder", [])
        placeholder.change(dtype=dtype, shape=shape)
    redirect(draft, moved)
    _set_aside(draft, aside)
    return {placed[tensor]: tensor for tensor in dict.fromkeys(cuts) if tensor in placed}


def begin_behind_pipeline(
    draft: dict[str, Node], outputs: Sequence[str], definitions: Mapping[str, OpDefinition]
) -> dict[str, str]:
    """Cut a draft where its own input pipeline hands over batches, as `begin_at` does."""
    pipeline = {node.name for node in draft.values() if is_pipeline(node.op)}
    if not pipeline:
        return {}
    used = {tensor_name(text) for node in draft.values() for text in node.data_inputs}
    cuts = sorted(t for t in used | set(outputs) if origin(t) in pipeline)
    return begin_at(draft, cuts, definitions)


def _set_aside(draft: Mapping[str, Node], aside: Mapping[str, str]) -> None:
    """Rename nodes of which the first output is cut: others of their outputs may be needed."""
    for new in aside.values():
        draft[new].name = new
        draft[new].is_unchanged = False
    for user in draft.values() if aside else ():
        if any(origin(text) in aside for text in user.inputs):
            user.change(inputs=[_moved(text, aside) for text in user.inputs])


def _moved(text: str, aside: Mapping[str, str]) -> str:
    if text[:1] == "^":
        return f"^{aside.get(text[1:], text[1:])}"
    node, index = split_name(text)
    return f"{aside[node]}:{index}" if index and node in aside else text


def _kind(
    draft: Mapping[str, Node], node: Node, index: int, definitions: Mapping[str, OpDefinition]
) -> tuple[DataType, PartialShape]:
    """Return dtype and shape of a tensor, as far as the file says.

    Raises:
        UnsupportedError: it does not say the dtype.
    """
    dtype = dtype_of(node, index, definitions)
    if dtype > REFERENCE_OFFSET:
        dtype = data_type(dtype - REFERENCE_OFFSET)
    shapes = node.attr("_output_shapes")
    if isinstance(shapes, list) and index < len(shapes):
        return dtype, shape_or_none(shapes[index])
    if node.op in PLACEHOLDERS:
        return dtype, shape_or_none(node.attr("shape"))
    return dtype, _batch_shape(draft, node, index)


def _batch_shape(draft: Mapping[str, Node], node: Node, index: int) -> PartialShape:
    """Return the shape of a batch of an iterator or a queue; None if unknown."""
    shapes = node.attr("output_shapes")
    batch: tuple[int | None, ...] = ()
    if shapes is None and "Dequeue" in node.op and node.data_inputs:
        queue = draft.get(origin(node.data_inputs[0]))
        shapes = None if queue is None else queue.attr("shapes")
        batch = (None,) if _BATCHES.match(node.op) else ()
    if not isinstance(shapes, list) or index >= len(shapes):
        return None
    shape = shape_or_none(shapes[index])
    return None if shape is None else (*batch, *shape)


def inputs_of(
    draft: Mapping[str, Node], placed: Mapping[str, str], aliases: Mapping[str, str]
) -> Iterator[Endpoint]:
    """Yield the placeholders of a draft: those that were asked for first, in that order."""
    names = dict.fromkeys([*placed, *(n for n, node in draft.items() if node.op in PLACEHOLDERS)])
    for name in names:
        if name in draft:
            tensor = placed.get(name, f"{name}:0")
            yield _input(draft[name], tensor, aliases.get(tensor, ""))


def _input(node: Node, tensor: str, alias: str) -> Endpoint:
    reason = "a placeholder" if tensor == f"{node.name}:0" else f"the graph was cut at {tensor}"
    if node.op == _WITH_DEFAULT:
        reason = "a placeholder with a default value"
    dtype = node.attr("dtype")
    known = dtype if isinstance(dtype, DataType) else None
    return Endpoint(f"{node.name}:0", known, shape_or_none(node.attr("shape")), alias, reason)
