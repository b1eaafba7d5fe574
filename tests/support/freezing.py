"""Small graphs to freeze, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import writers as w
from graphs import FLOAT, attr, dtype_attr, meta_bytes, node, read

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.freeze.frozen import FrozenGraph

BOOL, STRING = 10, 7
W = np.arange(6, dtype=np.float32).reshape(3, 2)
SHAPE = w.bytes_field(7, w.shape_proto([3, 2]))


def variable(name: str = "w", op: str = "VariableV2") -> bytes:
    return node(name, op, [], attr("shape", SHAPE), dtype_attr(FLOAT))


def x(name: str = "x") -> bytes:
    return node(name, "Placeholder", [], dtype_attr(FLOAT), attr("shape", SHAPE))


def truth(name: str, value: int) -> bytes:
    proto = w.int_field(1, BOOL) + w.bytes_field(2, b"") + w.int_field(11, value)
    return node(name, "Const", [], dtype_attr(BOOL), attr("value", w.bytes_field(8, proto)))


def typed(name: str, op: str, *inputs: str, dtype: int = FLOAT) -> bytes:
    return node(name, op, inputs, dtype_attr(dtype, "T"))


def frozen(tmp_path: Path, nodes: list[bytes], *outputs: str, **how: Any) -> FrozenGraph:
    values = how.pop("values", {"w": W})
    library = how.pop("library", ())
    meta = read(tmp_path, meta_bytes(nodes, library=library))
    return meta.freeze(outputs, values=values, **how)


def again(tmp_path: Path, graph: FrozenGraph) -> tfckpt.MetaGraph:
    graph.write(tmp_path / "out.pb")
    assert (tmp_path / "out.pb").read_bytes() == graph.to_bytes()
    return tfckpt.read_meta_graph(tmp_path / "out.pb")


def ops(graph: FrozenGraph) -> dict[str, str]:
    return {name: each.op for name, each in graph.nodes.items()}


def inputs(graph: FrozenGraph, name: str) -> list[str]:
    return graph.nodes[name].inputs
