"""Graphs put together byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.audit import custom_ops, unusual_ops

FLOAT, INT = 1, 3


def text(number: int, value: str | bytes) -> bytes:
    return w.bytes_field(number, value.encode() if isinstance(value, str) else value)


def attr(name: str, value: bytes) -> bytes:
    return text(5, text(1, name) + text(2, value))


def node(name: str | bytes, op: str, inputs: Sequence[str] = (), *attrs: bytes) -> bytes:
    return text(1, name) + text(2, op) + b"".join(text(3, i) for i in inputs) + b"".join(attrs)


def arg(name: str, **fields: Any) -> bytes:
    numbers = {"type": 3, "type_attr": 4, "number_attr": 5, "type_list_attr": 6}
    return text(1, name) + b"".join(
        w.int_field(numbers[key], value) if isinstance(value, int) else text(numbers[key], value)
        for key, value in fields.items()
    )


def op(name: str, *outputs: bytes, more: bytes = b"") -> bytes:
    return text(1, name) + b"".join(text(3, output) for output in outputs) + more


OPS = [
    op("Placeholder", arg("output", type_attr="dtype")),
    op("Const", arg("output", type_attr="dtype")),
    op("Split", arg("output", type_attr="T", number_attr="num_split")),
    op("IdentityN", arg("output", type_list_attr="T")),
    op("Two", arg("first", type=FLOAT, number_attr="N"), arg("second", type=INT)),
    op("Default", arg("y", type_attr="T"), more=text(4, text(1, "T") + text(3, w.int_field(6, 9)))),
    op("NoOp"),
]


def meta_bytes(
    nodes: Sequence[bytes], *, library: Sequence[bytes] = (), more: bytes = b""
) -> bytes:
    info = text(2, b"".join(text(1, each) for each in OPS))
    functions = text(2, b"".join(text(1, each) for each in library)) if library else b""
    graph = b"".join(text(1, each) for each in nodes) + functions
    return text(1, info) + text(2, graph) + more


def read(tmp_path: Path, data: bytes, name: str = "x.meta") -> tfckpt.MetaGraph:
    (tmp_path / name).write_bytes(data)
    return tfckpt.read_meta_graph(tmp_path / name)


def dtype_attr(number: int, name: str = "dtype") -> bytes:
    return attr(name, w.int_field(6, number))


def shape_attr(*sizes: int) -> bytes:
    """The shape of a node's first output; -1 for an unknown size."""
    dims = b"".join(text(2, w.int_field(1, size)) for size in sizes)
    return attr("_output_shapes", text(1, text(7, dims)))


def function(name: str, *parts: bytes, arguments: Sequence[str] = ()) -> bytes:
    signature = text(1, name) + b"".join(text(2, arg(a, type=FLOAT)) for a in arguments)
    return text(1, signature + text(3, arg("out", type=FLOAT))) + b"".join(parts)


def info(name: str, dtype: int, *more: bytes) -> bytes:
    return text(1, name) + w.int_field(2, dtype) + b"".join(more)


def signature(*parts: bytes) -> bytes:
    return text(5, text(1, "s") + text(2, b"".join(parts)))


def facts(meta: tfckpt.MetaGraph) -> list[Any]:
    """All that can be asked of a graph."""
    found: list[Any] = [repr(meta), meta.saver, meta.savers, meta.assets, dict(meta.signatures)]
    found += [sorted(meta.ops), sorted(meta.functions), meta.op_counts, meta.tags, meta.problems]
    found += [dict(meta.collections.items()), meta.inputs, meta.outputs]
    found += [custom_ops(meta), unusual_ops(meta)]
    for operation in meta.operations:
        found += [operation.name, operation.type, operation.inputs, operation.control_inputs]
        found += [{key: str(value) for key, value in operation.attrs.items()}]
    return found


def everything(meta: tfckpt.MetaGraph) -> list[Any]:
    """Facts, and what is worked out of them."""
    found = facts(meta)
    for operation in meta.operations:
        found += [meta.output_count(operation), meta.subgraph([operation.name])]
        with suppress(tfckpt.TensorNotFoundError):
            found += [meta.tensor(name) for name in operation.inputs]
    for name, each in meta.functions.items():
        found += [name, each.arguments, each.operations, each.problems, dict(each.attrs)]
    found += [meta.saved, meta.global_variables, meta.compare_keys([])]
    return found


def collection(name: str, *values: bytes) -> bytes:
    return text(4, text(1, name) + text(2, text(2, b"".join(text(1, v) for v in values))))
