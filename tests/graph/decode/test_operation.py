"""Attributes of nodes: their values, their shapes, and values that lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from graphs import (
    FLOAT,
    attr,
    dtype_attr,
    meta_bytes,
    node,
    read,
    text,
)

import tfckpt_reader as tfckpt


def test_attributes(tmp_path: Path) -> None:
    shape = text(2, w.int_field(1, 2)) + text(2, w.int_field(1, -1)) + text(2, b"")
    tensor = w.int_field(1, FLOAT) + text(2, text(2, w.int_field(1, 3))) + w.fixed32_field(5, 0)
    call = text(1, "f") + text(2, text(1, "k") + text(2, w.int_field(3, 5)))
    attrs = {
        "s": text(2, b"\xff"), "i": w.int_field(3, -1), "b": w.int_field(5, 1),
        "type": w.int_field(6, 101), "shape": text(7, shape), "unknown": text(7, w.int_field(3, 1)),
        "tensor": text(8, tensor), "func": text(10, call), "none": b"", "empty": text(1, b""),
        "hole": text(9, "T"),
        "list": text(1, text(2, b"a") + text(2, b"")), "shapes": text(1, text(7, shape)),
    }  # fmt: skip
    data = node("x", "Custom", [], *(attr(key, value) for key, value in attrs.items()))
    found = read(tmp_path, meta_bytes([data])).operation("x").attrs
    assert list(found) == list(attrs)
    assert (found["s"], found["i"], found["b"], str(found["type"])) == (
        b"\xff", -1, True, "float32_ref",
    )  # fmt: skip
    assert (found["shape"], found["unknown"], found["none"]) == ((2, None, 0), None, None)
    assert (found["empty"], found["list"], found["shapes"]) == ([], [b"a", b""], [(2, None, 0)])
    assert found["hole"] == "T"
    assert (found["func"].name, dict(found["func"].attrs)) == ("f", {"k": 5})
    np.testing.assert_array_equal(found["tensor"], np.zeros(3, np.float32))


@pytest.mark.parametrize("version", [15, 21, 22, 27])
def test_no_dimensions_may_mean_that_the_rank_is_unknown(version: int, tmp_path: Path) -> None:
    """Of variables of the first kind always, of placeholders in old graphs; as TensorFlow says."""
    scalar = attr("shape", text(7, b""))
    nodes = [node(op, op, [], scalar) for op in ("Placeholder", "Variable", "VariableV2")]
    nodes.append(node("known", "Variable", [], attr("shape", text(7, text(2, w.int_field(1, 2))))))
    graph = text(2, b"".join(text(1, each) for each in nodes) + text(4, w.int_field(1, version)))
    meta = read(tmp_path, graph)
    shapes = [meta.tensor(operation.name).shape for operation in meta.operations]
    assert shapes == [None if version < 22 else (), None, (), (2,)]


@pytest.mark.parametrize(
    "tensor",
    [
        w.int_field(1, 1) + text(2, text(2, w.int_field(1, 1 << 40))) + text(4, b"1234"),
        w.int_field(1, 1) + text(2, text(2, w.int_field(1, -5))),
        w.int_field(1, 1) + text(2, text(2, w.int_field(1, 1))) + text(5, b"12345678"),
        w.int_field(1, 7)
        + text(2, text(2, w.int_field(1, 1 << 50)))
        + text(8, b"a")
        + text(8, b""),
        text(2, b"\xff"),
    ],
)
def test_a_constant_that_lies(tensor: bytes, tmp_path: Path) -> None:
    nodes = [node("liar", "Const", [], dtype_attr(1), attr("value", text(8, tensor)))]
    meta = read(tmp_path, meta_bytes(nodes))
    with pytest.raises(tfckpt.CheckpointError, match=r"x\.meta: .*node 'liar': attribute 'value'"):
        meta.operation("liar").attrs["value"]
    with pytest.raises(tfckpt.CheckpointError) as caught:
        meta.tensor("liar:0")
    assert caught.value.file == str(tmp_path / "x.meta")
