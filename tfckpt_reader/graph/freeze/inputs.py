"""Inputs of a graph that is cut: a placeholder for each tensor at which it begins.

Knows no file. TensorFlow ``core/ops/array_ops.cc``, ``data_flow_ops.cc``, ``dataset_ops.cc``.

The graph's own input pipeline, queues and iterators, is cut off where it hands over its batches.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError, UnsupportedError
from tfckpt_reader.graph.decode.operation import split_name, tensor_name
from tfckpt_reader.graph.freeze.node import Node
from tfckpt_reader.graph.freeze.prune import origin, prune, redirect, unique
from tfckpt_reader.graph.infer.endpoints import Endpoint
from tfckpt_reader.graph.infer.op_roles import PIPELINE, PLACEHOLDERS
from tfckpt_reader.tensor.dtypes import REFERENCE_OFFSET, DataType
from tfckpt_reader.tensor.proto_fields import data_type, shape_or_none
from tfckpt_reader.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tfckpt_reader.graph.graph import Graph
    from tfckpt_reader.tensor.proto_fields import PartialShape

_WITH_DEFAULT = "PlaceholderWithDefault"
_BATCHES = re.compile(r"QueueDequeue(Many|UpTo)\w*")


def begin_at(
    graph: Graph, draft: dict[str, Node], cuts: Sequence[str], outputs: Sequence[str]
) -> tuple[dict[str, Node], dict[str, str]]:
    """Cut a draft at some tensors, and behind its input pipeline.

    Returns:
        The nodes that the outputs still need; and name of a placeholder -> the tensor it is for.

    Raises:
        UnsupportedError: the file does not say of what dtype such a tensor is.
    """
    placed = _cut(graph, draft, cuts)
    draft = prune(draft, outputs)
    pipeline = {node.name for node in draft.values() if re.fullmatch(PIPELINE, node.op[:100])}
    if pipeline:
        used = {tensor_name(text) for node in draft.values() for text in node.data_inputs}
        used |= set(outputs)
        placed |= _cut(graph, draft, sorted(t for t in used if origin(t) in pipeline))
        draft = prune(draft, outputs)
    return draft, {name: tensor for name, tensor in placed.items() if name in draft}


def _cut(graph: Graph, draft: dict[str, Node], cuts: Iterable[str]) -> dict[str, str]:
    """Put placeholders in place of tensors; return name of a placeholder -> its tensor."""
    placed: dict[str, str] = {}
    # A first output comes last: its placeholder takes the name of the node from all others.
    for tensor in sorted(dict.fromkeys(cuts), key=lambda tensor: not split_name(tensor)[1]):
        node, index = split_name(tensor)
        if node not in draft:  # no output needs it
            continue
        if draft[node].op == "Placeholder":
            placed[tensor] = node
            continue
        dtype, shape = _kind(graph, tensor)
        if not index:
            _set_aside(draft, node)
        name = unique(f"{node}_{index}" if index else node, draft)
        placed[tensor] = name
        if index:
            redirect(draft, {tensor: f"{name}:0"})
        draft[name] = Node(name, "Placeholder", [])
        draft[name].change(dtype=dtype, shape=shape)
    return {placed[tensor]: tensor for tensor in dict.fromkeys(cuts) if tensor in placed}


def _set_aside(draft: dict[str, Node], name: str) -> None:
    """Rename a node whose first output is cut: others of its outputs may be needed."""
    node = draft.pop(name)
    node.name = unique(f"{name}/uncut", draft)
    node.is_unchanged = False
    draft[node.name] = node
    for user in draft.values():
        if any(origin(text) == name for text in user.inputs):
            user.change(inputs=[_moved(text, name, node.name) for text in user.inputs])


def _moved(text: str, name: str, new: str) -> str:
    if text == f"^{name}":
        return f"^{new}"
    node, index = split_name(text)
    return f"{new}:{index}" if node == name and index else text


def _kind(graph: Graph, name: str) -> tuple[DataType, PartialShape]:
    """Return dtype and shape of a tensor, as far as the file says.

    Raises:
        UnsupportedError: it does not say the dtype.
    """
    tensor = graph.tensor(name)
    operation, index = tensor.operation, tensor.index or 0
    attrs: Mapping[str, Any] = {} if operation is None else operation.attrs
    dtype = tensor.dtype
    if dtype is None and not index:
        known = (attrs.get(key) for key in ("T", "dtype", "DstT", "output_type", "Tparams"))
        dtype = next((value for value in known if isinstance(value, DataType)), None)
    if dtype is None:
        raise UnsupportedError(
            f"the file does not say of what dtype the tensor {quoted(name)} is", file=graph.file
        )
    if dtype > REFERENCE_OFFSET:
        dtype = data_type(dtype - REFERENCE_OFFSET)
    shape = tensor.shape
    if shape is None:
        shape = _of_pipeline(graph, attrs, operation, index)
    return dtype, shape


def _of_pipeline(
    graph: Graph, attrs: Mapping[str, Any], operation: Any, index: int
) -> PartialShape:
    """Return the shape of a batch of an iterator or a queue; None if unknown."""
    shapes = attrs.get("output_shapes")
    batch: tuple[int | None, ...] = ()
    if shapes is None and operation is not None and "Dequeue" in operation.type:
        queue = graph.find(split_name(operation.inputs[0])[0]) if operation.inputs else None
        try:
            shapes = None if queue is None else queue.attrs.get("shapes")
        except CheckpointError:
            shapes = None
        batch = (None,) if _BATCHES.match(operation.type) else ()
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
