"""Functions of a graph's library, put together byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import writers as w
from graphs import (
    attr,
    function,
    meta_bytes,
    node,
    read,
    text,
)

import tfckpt_reader as tfckpt


def test_functions(tmp_path: Path) -> None:
    inner = [
        node("two", "Two", ["x"], attr("N", w.int_field(3, 2))),
        node("call", "f", ["two:first:1", "two:second:0", "^two"]),
    ]
    body = [text(3, each) for each in inner] + [text(4, text(1, "out") + text(2, "call:out:0"))]
    library = [function("f", *body, arguments=["x"])]
    meta = read(tmp_path, meta_bytes([node("y", "f", [])], library=library))
    f = meta.functions["f"]
    assert (list(f.arguments), f.results) == (["x"], {"out": "call:out:0"})
    assert f.operation("call").inputs == ("two:first:1", "two:second:0")
    assert (f.tensor("two:first:1").index, f.tensor("two:second:0").index) == (1, 2)
    assert str(f.tensor("two:second").dtype) == "int32"
    assert f.tensor("x").operation is None
    assert [each.name for each in f.consumers("x")] == ["two"]
    assert [each.name for each in f.subgraph(["call"])] == ["two", "call"]
    assert str(meta.tensor("y:0").dtype) == "float32"
    assert meta.problems == f.problems == ()
    assert [each.name for each in f.subgraph(["call", "x"], inputs=["two:first:1", "x"])] == [
        "two",
        "call",
    ]
    assert [each.name for each in f.subgraph(["x"])] == []
    for name in ("two:first:2", "two:third:0", "z", "two:first:a", "two:first:" + "9" * 5000):
        with pytest.raises(tfckpt.TensorNotFoundError):
            f.tensor(name)


def test_shapes_of_arguments(tmp_path: Path) -> None:
    shape = text(7, text(2, w.int_field(1, -1)) + text(2, w.int_field(1, 3)))
    shapes = text(1, "_input_shapes") + text(2, text(1, shape + text(7, w.int_field(3, 1))))
    library = [function("f", text(5, shapes), arguments=["a", "b", "c"])]
    library.append(function("g", text(5, text(1, "_input_shapes") + text(2, b"")), arguments=["a"]))
    meta = read(tmp_path, meta_bytes([], library=library))
    found = meta.functions["f"].arguments.values()
    assert [tensor.shape for tensor in found] == [(None, 3), None, None]
    assert meta.functions["g"].tensor("a").shape is None


def test_problems_of_functions(tmp_path: Path) -> None:
    inner = [
        node("two", "Two", ["x"], attr("N", w.int_field(3, 2))),
        node("a", "Custom", ["two:first:2", "two:second:1", "two:third:0", "two", "two:first"]),
        node("b", "Custom", ["c:y:0"]),
        node("c", "Custom", ["b:y:0", "^gone"]),
    ]
    results = {"r": "two:first:1", "s": "two:first:2", "t": "lost:y:0", "u": "x"}
    body = [text(3, each) for each in inner]
    body += [text(4, text(1, name) + text(2, of)) for name, of in results.items()]
    f = read(tmp_path, meta_bytes([], library=[function("f", *body, arguments=["x"])])).functions[
        "f"
    ]
    assert f.problems == (
        "node 'a' has the input 'two:first:2', but node 'two' has no such output",
        "node 'a' has the input 'two:second:1', but node 'two' has no such output",
        "node 'a' has the input 'two:third:0', but node 'two' has no such output",
        "node 'a' has the input 'two', but node 'two' has no such output",
        "node 'c' has an input that names nothing: 'gone'",
        "a cycle that is no while loop goes through 2 nodes, such as 'b'",
        "result 's' is 'two:first:2', but node 'two' has no such output",
        "result 't' names nothing: 'lost:y:0'",
    )


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    """A call is a name: nothing follows it round and round."""
    loop = [function("f", text(3, node("n", "g"))), function("g", text(3, node("n", "f")))]
    loop.append(function("h", text(3, node("n", "h"))))
    call = attr("f", text(10, text(1, "f")))
    saver = text(3, text(2, "call:0"))
    meta = read(
        tmp_path, meta_bytes([node("call", "PartitionedCall", [], call)], library=loop, more=saver)
    )
    assert meta.problems == ()
    assert meta.saved == ()
    assert [op.type for op in meta.functions["h"].operations] == ["h"]
