"""A graph file of any bytes: what plain walks over its nodes say, or our error, and no other.

A graph that was put together here and left alone is read as it was meant; whatever is read agrees
with itself: counts, names, who uses what, and what is needed for what.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import harness
import writers as w

import tfckpt_reader
from tfckpt_reader.errors import CheckpointError, TensorNotFoundError
from tfckpt_reader.graph.functions import Function
from tfckpt_reader.graph.graph import Graph

_FOLDER = functools.lru_cache(harness.Folder)
_FILES = ("x.meta", "saved_model.pb", "x.pb", "x.pbtxt", "saved_model.pbtxt")
_NAMES = ("a", "b", "a/b", "c_1", "d", "e:1", "", "save/SaveV2", "v", "ü")
_OPS = ("NoOp", "Const", "Split", "Many", "Variable", "SaveV2", "f", "Unknown", "NextIteration")
_INPUTS = ("{}", "{}:0", "{}:1", "^{}", "{}:out:0", "{}:9", "{}:x", ":{}", "^^{}")
_TOKENS = (
    *(
        b"graph_def",
        b"node",
        b"name",
        b"op",
        b"input",
        b"attr",
        b"key",
        b"value",
        b"list",
        b"tensor",
    ),
    *(b"meta_info_def", b"collection_def", b"any_list", b"[type.googleapis.com/a.B]", b"library"),
    *(b"[x/tensorflow.AssetFileDef]", b"{", b"}", b"<", b">", b"[", b"]", b":", b": ", b" ", b"\n"),
    *(
        b'"',
        b"'",
        b'"a"',
        b"#",
        b",",
        b";",
        b"DT_FLOAT",
        b"type",
        b"-1",
        b"1",
        b"1e9",
        b"inf",
        b"true",
    ),
    *(
        b"func",
        b"shape",
        b"dim",
        b"size",
        b"saver_def",
        b"version",
        b"V2",
        b"\\",
        b"\\377",
        b"\xff",
    ),
    *(
        b"signature_def",
        b"inputs",
        b"composite_tensor",
        b"components",
        b"object_graph_def",
        b"nodes",
    ),
    *(b"meta_graphs", b"saved_model_schema_version", b"bytes_list", b"node_list", b"signature"),
)


def one(data: bytes) -> None:
    choices = harness.Choices(data)
    kind = choices.below(5)
    name = choices.pick(_FILES)
    if kind == 0:
        _ask(_read(name, choices.rest()))
    elif kind == 1:
        _ask(_read(name, b" ".join(_text(choices))))
    elif kind == 2:
        _as_meant(choices)
    else:
        message = _meta_graph(choices)
        for _ in range(choices.below(3) if kind == 3 else 0):
            message = harness.edited(message, choices)
        if name == "saved_model.pb":
            message = w.int_field(1, 1) + w.bytes_field(2, message)
        _ask(_read(name, message))


def _read(name: str, contents: bytes) -> tfckpt_reader.MetaGraph | None:
    _FOLDER().fill({name: contents})
    try:
        return tfckpt_reader.read_meta_graph(Path(_FOLDER().path) / name)
    except CheckpointError:
        return None


def _text(choices: harness.Choices) -> Iterator[bytes]:
    yield choices.pick((b"graph_def {", b"node {", b"meta_graphs {", b"collection_def {", b""))
    for _ in range(60):
        if not choices:
            return
        yield choices.pick(_TOKENS) if choices.below(8) else choices.some(12)


def _string(number: int, text: str | bytes) -> bytes:
    return w.bytes_field(number, text if isinstance(text, bytes) else text.encode())


def _entry(number: int, key: str | bytes, value: bytes) -> bytes:
    return w.bytes_field(number, _string(1, key) + w.bytes_field(2, value))


class Made:
    """A node as it was meant, and its bytes."""

    def __init__(self, choices: harness.Choices) -> None:
        self.name, self.op = choices.pick(_NAMES), choices.pick(_OPS)
        given = (
            choices.pick(_INPUTS).format(choices.pick(_NAMES)) for _ in range(choices.below(4))
        )
        self.inputs = list(given)
        self.attrs = {choices.pick(_ATTRS): _value(choices) for _ in range(choices.below(4))}

    @property
    def data(self) -> bytes:
        inputs = b"".join(_string(3, text) for text in self.inputs)
        attrs = b"".join(_entry(5, key, value) for key, value in self.attrs.items())
        return _string(1, self.name) + _string(2, self.op) + inputs + attrs


_ATTRS = ("T", "N", "dtype", "shape", "value", "_output_shapes", "f", "_input_shapes")


def _value(choices: harness.Choices) -> bytes:
    """An AttrValue of any kind, sound or not."""
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: w.int_field(6, choices.below(120)),
        lambda: w.int_field(3, choices.number() & (1 << 64) - 1),
        lambda: w.bytes_field(7, _shape(choices)),
        lambda: w.bytes_field(8, _tensor(choices)),
        lambda: w.bytes_field(1, bytes([0x32, choices.below(4)]) + choices.take(3)),
        lambda: w.bytes_field(1, b"".join(w.bytes_field(7, _shape(choices)) for _ in range(2))),
        lambda: w.bytes_field(
            10, _string(1, choices.pick(_OPS)) + _entry(2, "k", w.int_field(3, 1))
        ),
        lambda: w.bytes_field(choices.pick((2, 9)), choices.some(8)),
        lambda: choices.some(12),
    )
    return choices.pick(makers)()


def _shape(choices: harness.Choices) -> bytes:
    sizes = (choices.pick((0, 1, 2, 3, -1, 1 << 40, 1 << 62)) for _ in range(choices.below(4)))
    dims = b"".join(w.bytes_field(2, w.int_field(1, size & (1 << 64) - 1)) for size in sizes)
    return dims + (w.int_field(3, 1) if choices.below(8) == 7 else b"")


def _tensor(choices: harness.Choices) -> bytes:
    proto = w.int_field(1, choices.below(34)) + w.bytes_field(2, _shape(choices))
    kind = choices.below(4)
    if kind == 0:
        return proto + w.bytes_field(4, choices.some(24))
    if kind == 1:
        return proto + w.bytes_field(5 + choices.below(14), choices.some(24))
    keys = (choices.pick(_NAMES) for _ in range(choices.below(4)))
    return proto + b"".join(_string(8, key) for key in keys)


def _op(choices: harness.Choices, name: str) -> bytes:
    arg = choices.pick((w.int_field(3, 1), _string(4, "T"), _string(6, "T"), _string(5, "N")))
    args = b"".join(w.bytes_field(3, _string(1, "out") + arg) for _ in range(choices.below(3)))
    return _string(1, name) + args + w.bytes_field(2, _string(1, "x") + w.int_field(3, 1))


def _function(choices: harness.Choices) -> bytes:
    nodes = b"".join(w.bytes_field(3, Made(choices).data) for _ in range(choices.below(4)))
    results = _entry(4, "out", choices.pick(_INPUTS).format(choices.pick(_NAMES)).encode())
    shapes = _entry(5, "_input_shapes", _value(choices))
    return w.bytes_field(1, _op(choices, choices.pick(_OPS))) + nodes + results + shapes


def _variable(choices: harness.Choices) -> bytes:
    found = _string(1, choices.pick(_NAMES) + ":0") + _string(2, "init")
    if choices.below(3) == 2:
        numbers = b"".join(w.int_field(n, choices.below(5)) for n in (2, 2, 3, 3, 4, 4))
        found += w.bytes_field(4, _string(1, choices.pick(_NAMES)) + numbers)
    return found


def _collection(choices: harness.Choices) -> bytes:
    names = ("variables", "trainable_variables", "savers", "while_context", "cond_context", "mine")
    values = (
        _variable(choices) if choices.flag() else choices.some(12) for _ in range(choices.below(4))
    )
    kind = 1 + choices.below(5)
    body = b"".join(w.bytes_field(1, value) for value in values)
    return _entry(4, choices.pick(names), w.bytes_field(kind, body))


def _signature(choices: harness.Choices) -> bytes:
    tensor = _string(1, choices.pick(_NAMES)) + w.int_field(2, choices.below(120))
    for _ in range(choices.below(4)):
        tensor = w.bytes_field(5, w.bytes_field(2, tensor))
    parts = _entry(1, "x", tensor) + _entry(4, "x", _tensor(choices))
    return _entry(5, "s", parts)


def _objects(choices: harness.Choices) -> bytes:
    count = 1 + choices.below(6)
    nodes = b""
    for _ in range(count):
        body = b"".join(
            w.bytes_field(1, w.int_field(1, choices.below(8)) + _string(2, choices.pick(_NAMES)))
            for _ in range(choices.below(4))
        )
        if choices.flag():
            body += w.bytes_field(7, w.int_field(1, 1) + _string(6, "v") + w.int_field(3, 1))
        if choices.below(4) == 3:
            slot = (
                w.int_field(1, choices.below(8))
                + _string(2, "m")
                + w.int_field(3, choices.below(8))
            )
            body += w.bytes_field(3, slot)
        nodes += w.bytes_field(1, body)
    return w.bytes_field(7, nodes)


def _meta_graph(choices: harness.Choices) -> bytes:
    nodes = b"".join(w.bytes_field(1, Made(choices).data) for _ in range(choices.below(8)))
    functions = b"".join(w.bytes_field(1, _function(choices)) for _ in range(choices.below(3)))
    version = w.bytes_field(4, w.int_field(1, choices.below(30)))
    ops = (w.bytes_field(1, _op(choices, choices.pick(_OPS))) for _ in range(choices.below(5)))
    message = w.bytes_field(1, w.bytes_field(2, b"".join(ops)))
    message += w.bytes_field(2, nodes + w.bytes_field(2, functions) + version)
    message += w.bytes_field(3, _string(2, choices.pick(_NAMES) + ":0"))
    for part in (_collection, _signature, _objects):
        for _ in range(choices.below(3)):
            message += part(choices)
    return message


def _as_meant(choices: harness.Choices) -> None:
    """Nodes alone: what they say, who uses whose outputs, and what is needed, by plain walks."""
    nodes = [Made(choices) for _ in range(choices.below(10))]
    graph = b"".join(w.bytes_field(1, node.data) for node in nodes)
    meta = _read("x.meta", w.bytes_field(1, b"") + w.bytes_field(2, graph))
    assert meta is not None
    assert [op.name for op in meta.operations] == [node.name for node in nodes]
    assert meta.op_counts == dict(sorted(Counter(node.op for node in nodes).items()))
    first: dict[str, int] = {}
    for number, node in enumerate(nodes):
        first.setdefault(node.name, number)
    for node, op in zip(nodes, meta.operations, strict=True):
        assert list(op.control_inputs) == [text[1:] for text in node.inputs if text[:1] == "^"]
        assert list(op.inputs) == [_whole(text) for text in node.inputs if text[:1] != "^"]
        assert op.attrs._stored == node.attrs
    lost = {_origin(text) for node in nodes for text in node.inputs} - set(first)
    told = {text for text in meta.problems if "names nothing" in text}
    assert bool(lost) == bool(told)
    assert all(any(repr(name) in text for text in told) for name in lost)
    for name, start in first.items():
        needed, waiting = {start}, [start]
        while waiting:
            for text in nodes[waiting.pop()].inputs:
                source = first.get(_origin(text))
                if source is not None and source not in needed:
                    needed.add(source)
                    waiting.append(source)
        found = [op.name for op in meta.subgraph([f"{name}:0"])]
        assert found == [nodes[number].name for number in sorted(needed)]


def _split(text: str) -> tuple[str, str]:
    node, colon, digits = text.rpartition(":")
    return (node, digits) if colon and digits.isdigit() and digits.isascii() else (text, "")


def _whole(text: str) -> str:
    return text if _split(text)[1] else f"{text}:0"


def _origin(text: str) -> str:
    return text[1:] if text[:1] == "^" else _split(text)[0]


def _try(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except CheckpointError:
        return None


def _ask(meta: tfckpt_reader.MetaGraph | None) -> None:
    """Ask all that there is to ask; what is answered must agree with itself."""
    if meta is None:
        return
    assert repr(meta)
    _ask_graph(meta)
    for function in (_try(lambda: meta.functions) or {}).values():
        _ask_graph(function)
        _try(lambda function=function: function.arguments)  # type: ignore[misc]
        _each(function.attrs)
        for result in function.results.values():
            _try(lambda function=function, result=result: function.tensor(result))  # type: ignore[misc]
    collections = _try(lambda: meta.collections)
    if collections is not None:
        _each(collections)
        for name in collections:
            count = _try(lambda name=name: collections.count(name))  # type: ignore[misc]
            values = _try(lambda name=name: collections[name])  # type: ignore[misc]
            assert values is None or len(values) == count
    for signature in (_try(lambda: meta.signatures) or {}).values():
        _try(lambda signature=signature: signature.defaults)  # type: ignore[misc]
    for ask in (
        lambda: meta.assets,
        lambda: meta.savers,
        lambda: meta.ops,
        lambda: meta.definitions,
    ):
        _try(ask)
    keys = _try(lambda: {saved.key for saved in meta.saved})
    # Of objects, their own graph says the keys.
    listed = collections is not None and "variables" in collections
    for name in ("global", "trainable", "local", "model", "moving_average"):
        variables = _try(lambda name=name: getattr(meta, f"{name}_variables")) or ()  # type: ignore[misc]
        for variable in variables:
            assert not listed or not keys or variable.checkpoint_key in {*keys, None}
    difference = _try(lambda: meta.compare_keys(["v"]))
    assert difference is None or "v" not in difference.missing


def _each(mapping: Any) -> None:
    assert len(list(mapping)) == len(mapping)
    for name in mapping:
        assert name in mapping
        _try(lambda name=name: mapping[name])  # type: ignore[misc]


def _ask_graph(graph: Graph) -> None:
    counts = _try(lambda: graph.op_counts)
    problems = _try(lambda: graph.problems)
    assert problems is None or len(problems) <= 1001
    operations = _try(lambda: graph.operations)
    assert (counts is None) == (operations is None)
    if operations is None:
        return
    assert sum(counts.values()) == len(graph) == len(operations)
    for op in operations[:20]:
        found = graph.operation(op.name)
        assert found.name == op.name
        _each(_try(lambda op=op: op.attrs) or {})  # type: ignore[misc]
        count = _try(lambda op=op: graph.output_count(op))  # type: ignore[misc]
        for text in op.inputs:
            # A node without a name cannot be named.
            assert text[:1] == ":" or any(user is op for user in graph.consumers(text))
            _try(lambda text=text: graph.tensor(text))  # type: ignore[misc]
        if count is not None and found is op and not isinstance(graph, Function):
            _assert_outputs(graph, op.name, count)
        if _origin(op.name) == op.name and not isinstance(graph, Function):
            needed = graph.subgraph([op.name], list(op.inputs[:1]) if problems == () else [])
            assert any(each is found for each in needed)


def _assert_outputs(graph: Graph, name: str, count: int) -> None:
    """There are just so many."""
    if _origin(f"{name}:0") != name or _origin(name) != name:
        return
    for index in {0, count - 1} - {-1} if count else ():
        tensor = _try(lambda index=index: graph.tensor(f"{name}:{index}"))  # type: ignore[misc]
        assert tensor is None or tensor.index == index
    if count < 1 << 30:
        try:
            graph.tensor(f"{name}:{count}")
        except (TensorNotFoundError, CheckpointError):
            return
        raise AssertionError("an output more than there are")


def seeds() -> Iterator[bytes]:
    for kind in range(5):
        for file in range(5):
            yield bytes([kind, file, *range(kind * 7 + file, 120, 1 + file)])
    for step in (3, 5, 7, 11, 13):
        yield bytes([2, 0, *((step * number) % 251 for number in range(200))])
        yield bytes([3, step % 5, *((step * number) % 253 for number in range(400))])
    message = w.bytes_field(2, w.bytes_field(1, _string(1, "a") + _string(2, "NoOp")))
    yield bytes([0, 0]) + message
    yield bytes([0, 1]) + w.int_field(1, 1) + w.bytes_field(2, message)
    yield bytes([0, 3]) + b'node { name: "a" op: "B" attr { key: "k" value { type: DT_FLOAT } } }'


if __name__ == "__main__":
    harness.main("graph")
